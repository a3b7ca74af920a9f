import pg from 'pg';
import request from 'supertest';
import { edge, node } from './definitions.js';
import { checkHistory } from './faults/check-history.js';
import { answerJson, CALL_LOOPBACK, type LoopbackServer, startLoopbackServer } from './loopback-server.js';
import { makeInstallation, registerAt, type ServerProcess } from './spawn-server.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { waitFor } from './wait-for.js';

interface Execution {
  id: string;
  status: string;
  output: unknown;
  error: { code: string } | null;
  steps: { node_id: string; iteration: number; status: string; output: unknown }[];
}

/** Crash points that the README of executions lists; those of checkpoints and Python are in `crash.e2e-spec.ts`. */
describe('kill -9 at a crash point', () => {
  let database: TestDatabase;
  let installation: ReturnType<typeof makeInstallation>;
  let calls: LoopbackServer;
  let server: ServerProcess;
  let auth: { Authorization: string };

  beforeAll(async () => {
    database = await createTestDatabase();
    installation = makeInstallation(database.url);
    calls = await startLoopbackServer();
    server = await start();
    auth = await registerAt(server.url);
  });
  afterAll(async () => {
    await server.end('SIGKILL');
    await calls.close();
    installation.remove();
    await database.drop();
  });

  const start = (more: Record<string, string> = {}) =>
    installation.start({ SANDBOX_DRIVER: 'none', ...CALL_LOOPBACK, ...more });

  /** The process is gone, and another one is there. */
  async function crash(): Promise<void> {
    await server.end('SIGKILL');
    server = await start();
  }

  /**
   * The process is killed within a statement or transaction: it waits there for what this one locks. What the server had got
   * of it by then may still be committed, as when a machine loses its network.
   */
  async function crashAt(lock: string, values: unknown[], act: () => void): Promise<void> {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('begin');
      await client.query(lock, values);
      act();
      await waitFor(
        'the process to be stuck',
        () =>
          database.query(
            `select 1 from pg_stat_activity
             where datname = current_database() and application_name = 'holdpoint' and wait_event_type = 'Lock'`,
          ),
        (stuck) => stuck.length > 0,
      );
      await server.end('SIGKILL');
    } finally {
      await client.end();
    }
    server = await start();
  }

  const post = (path: string, body: object) => request(server.url).post(path).set(auth).send(body);

  async function startExecution(nodes: object[], edges: object[] = []): Promise<string> {
    const { body } = await post('/api/workflows', { name: 'Crash', definition: { nodes, edges } }).expect(201);
    return (await post('/api/executions', { workflow_id: body.id }).expect(202)).body.id;
  }

  const read = async (id: string): Promise<Execution> =>
    (await request(server.url).get(`/api/executions/${id}`).set(auth).expect(200)).body;

  const until = (id: string, what: string, holds: (execution: Execution) => boolean) =>
    waitFor(what, () => read(id), holds);

  const ended = (id: string) =>
    until(id, 'the end', ({ status }) => ['completed', 'failed', 'cancelled'].includes(status));

  const callsTo = (path: string) => calls.received.filter((one) => one.path === path);

  /** Holds requests to the path open until the process that sent them is gone; later ones are answered. */
  function holdUntilCrash(path: string) {
    let held = true;
    calls.on(path, (_, response) => (held ? undefined : answerJson(response, 200, { ok: true })));
    return {
      letGo: () => (held = false),
      arrived: () =>
        waitFor(
          'a call',
          async () => callsTo(path),
          (all) => all.length > 0,
        ),
    };
  }

  const call = (id: string, path: string, data: object = {}) =>
    node(id, 'http', { method: 'POST', url: calls.url + path, ...data });

  it('while a request is under way: it is sent again under the same Idempotency-Key', async () => {
    const gate = holdUntilCrash('/request');
    const id = await startExecution(
      [call('ask', '/request'), node('done', 'end', { output: 'done' })],
      [edge('ask', 'done')],
    );
    await gate.arrived();
    gate.letGo();
    await crash();
    expect(await ended(id)).toMatchObject({ status: 'completed', output: 'done' });
    const keys = callsTo('/request').map(({ headers }) => headers['idempotency-key']);
    expect(new Set(keys)).toEqual(new Set([`${id}:ask:1`]));
    expect(keys).toHaveLength(2);
  });

  it('while items of a map run: each ends once, and the results are in order', async () => {
    const gate = holdUntilCrash('/item');
    const definition = {
      nodes: [call('each', '/item'), node('value', 'end', { output: '{{ item * 10 }}' })],
      edges: [edge('each', 'value')],
    };
    const id = await startExecution([node('all', 'map', { items: [1, 2, 3, 4, 5], concurrency: 2, definition })]);
    await gate.arrived();
    gate.letGo();
    await crash();
    expect(await ended(id)).toMatchObject({ status: 'completed', output: [10, 20, 30, 40, 50] });
    const rows = await database.query('select status from executions where parent_id = $1', [id]);
    expect(rows).toEqual(Array.from({ length: 5 }, () => ({ status: 'completed' })));
  });

  it('while it waits for a signal: the signal goes to the step, sent before or after', async () => {
    const waiting = () => startExecution([node('go', 'wait', { signal: 'go' })]);
    const late = await waiting();
    await until(late, 'the wait', ({ status }) => status === 'waiting');
    await crash();
    await post(`/api/executions/${late}/signals`, { name: 'go', payload: 'late' }).expect(202);
    expect(await ended(late)).toMatchObject({ status: 'completed', output: 'late' });
    const gate = holdUntilCrash('/before');
    const early = await startExecution(
      [call('ask', '/before'), node('go', 'wait', { signal: 'go' })],
      [edge('ask', 'go')],
    );
    await gate.arrived();
    await post(`/api/executions/${early}/signals`, { name: 'go', payload: 'early' }).expect(202);
    gate.letGo();
    await crash();
    expect(await ended(early)).toMatchObject({ status: 'completed', output: 'early' });
  });

  it('while it is undone: the compensation that ran runs again, then those that are left', async () => {
    const gate = holdUntilCrash('/refund');
    const id = await startExecution(
      [
        node('book', 'transform', { output: 1, compensate: 'cancelBooking' }),
        node('pay', 'transform', { output: 2, compensate: 'refund' }),
        node('stop', 'fail', { message: 'no', code: 'ENOUGH' }),
        node('cancelBooking', 'transform', { output: '{{ steps.book.output }}' }),
        call('refund', '/refund'),
      ],
      [edge('book', 'pay'), edge('pay', 'stop')],
    );
    await gate.arrived();
    gate.letGo();
    await crash();
    const { status, error, steps } = await ended(id);
    expect([status, error?.code]).toEqual(['failed', 'ENOUGH']);
    const undoing = steps.filter(({ node_id }) => node_id === 'refund' || node_id === 'cancelBooking');
    expect(undoing.map((step) => `${step.node_id} ${step.status}`)).toEqual([
      'refund completed',
      'cancelBooking completed',
    ]);
    expect(new Set(callsTo('/refund').map(({ headers }) => headers['idempotency-key']))).toEqual(
      new Set([`${id}:refund:1`]),
    );
  });

  it('while it is paused with a step under way: it stands still after the step', async () => {
    const gate = holdUntilCrash('/paused');
    const id = await startExecution(
      [call('ask', '/paused'), node('done', 'end', { output: 1 })],
      [edge('ask', 'done')],
    );
    await gate.arrived();
    await post(`/api/executions/${id}/pause`, {}).expect(200);
    gate.letGo();
    await crash();
    await until(id, 'the pause', ({ status }) => status === 'paused');
    await post(`/api/executions/${id}/resume`, {}).expect(200);
    expect(await ended(id)).toMatchObject({ status: 'completed', output: 1 });
  });

  it('while a start is stored: sent again under its Idempotency-Key it is one execution', async () => {
    const definition = { nodes: [node('only', 'end', { output: 1 })], edges: [] };
    const { body: workflow } = await post('/api/workflows', { name: 'Crash', definition }).expect(201);
    const send = () => post('/api/executions', { workflow_id: workflow.id }).set('Idempotency-Key', 'the-one');
    await crashAt('lock table execution_events in share mode', [], () => void send().catch(() => undefined));
    const { body } = await send().expect(202);
    expect((await ended(body.id)).status).toBe('completed');
    const all = await database.query('select 1 from executions where workflow_id = $1', [workflow.id]);
    expect(all).toHaveLength(1);
  });

  it('while a result is written: it is there once, made again if need be', async () => {
    const answers: (() => void)[] = [];
    calls.on('/result', (_, response) => answers.push(() => answerJson(response, 200, 'ok')));
    const id = await startExecution(
      [call('ask', '/result'), node('done', 'end', { output: '{{ steps.ask.output.body }}' })],
      [edge('ask', 'done')],
    );
    await until(id, 'the call', ({ steps }) => steps.length === 1);
    await crashAt('lock table steps in share mode', [], () => answers[0]?.());
    answers.slice(1).forEach((answer) => answer());
    calls.on('/result', (_, response) => answerJson(response, 200, 'ok'));
    expect(await ended(id)).toMatchObject({ status: 'completed', output: 'ok' });
  });

  it('while children are made: they are made once', async () => {
    const answers: (() => void)[] = [];
    calls.on('/children', (_, response) => answers.push(() => answerJson(response, 200, [1, 2, 3])));
    const definition = { nodes: [node('value', 'end', { output: '{{ item }}' })], edges: [] };
    const id = await startExecution(
      [call('ask', '/children'), node('all', 'map', { items: '{{ steps.ask.output.body }}', definition })],
      [edge('ask', 'all')],
    );
    await until(id, 'the call', ({ steps }) => steps.length === 1);
    await crashAt('lock table steps in share mode', [], () => answers[0]?.());
    calls.on('/children', (_, response) => answerJson(response, 200, [1, 2, 3]));
    answers.slice(1).forEach((answer) => answer());
    expect(await ended(id)).toMatchObject({ status: 'completed', output: [1, 2, 3] });
    expect(await database.query('select 1 from executions where parent_id = $1', [id])).toHaveLength(3);
  });

  it('while a child ends: its parent goes on', async () => {
    const answers: (() => void)[] = [];
    calls.on('/child', (_, response) => answers.push(() => answerJson(response, 200, 'grown')));
    const { body: child } = await post('/api/workflows', {
      name: 'Child',
      definition: { nodes: [call('ask', '/child')], edges: [] },
    }).expect(201);
    const id = await startExecution([node('call', 'workflow', { workflow_id: child.id })]);
    await waitFor(
      'the call',
      () => Promise.resolve(answers),
      (all) => all.length > 0,
    );
    await crashAt('select 1 from executions where id = $1 for update', [id], () => answers[0]?.());
    calls.on('/child', (_, response) => answerJson(response, 200, 'grown'));
    answers.slice(1).forEach((answer) => answer());
    expect(await ended(id)).toMatchObject({ status: 'completed', output: { body: 'grown' } });
  });

  it('while a signal is sent: one that was not answered is sent again, and one is taken', async () => {
    const id = await startExecution([node('go', 'wait', { signal: 'go' })]);
    await until(id, 'the wait', ({ status }) => status === 'waiting');
    const send = () => post(`/api/executions/${id}/signals`, { name: 'go', payload: 'now' });
    await crashAt('lock table signals in share mode', [], () => void send().catch(() => undefined));
    await send().expect(202);
    expect(await ended(id)).toMatchObject({ status: 'completed', output: 'now' });
    expect(await database.query('select 1 from signals where taken_by = $1', [id])).toHaveLength(1);
  });

  it('after a decision, before anybody was called: the next worker finds it', async () => {
    const id = await startExecution(
      [node('review', 'checkpoint', { title: 'Good?', content: 1 }), node('done', 'end', { output: 'done' })],
      [edge('review', 'done', 'approved')],
    );
    await until(id, 'the checkpoint', ({ status }) => status === 'awaiting_checkpoint');
    await server.end('SIGKILL');
    server = await start({ HOLDPOINT_ROLES: 'api' });
    const { body } = await request(server.url).get(`/api/checkpoints?execution_id=${id}`).set(auth).expect(200);
    const decide = `/api/checkpoints/${body.data[0].id}/decide`;
    await post(decide, { action: 'approve' }).set('If-Match', '"1"').expect(200);
    await crash();
    expect(await ended(id)).toMatchObject({ status: 'completed', output: 'done' });
  });

  it('leaves histories that a checker finds sound', async () => {
    expect(await checkHistory(database.url)).toEqual([]);
  });
});
