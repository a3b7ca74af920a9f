import request from 'supertest';
import { edge, node } from './definitions.js';
import { makeInstallation, registerAt, type ServerProcess } from './spawn-server.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { waitFor } from './wait-for.js';

/** Each code step says when it ran, so that a second run would show. */
const STAMP = 'import time\noutput = {"at": str(time.time_ns())}';

/** prepare (Python) ─► review (checkpoint) ─► slow (Python) ─► done */
const DEFINITION = {
  nodes: [
    node('prepare', 'code', { code: STAMP }),
    node('review', 'checkpoint', { title: 'Go on?', content: '{{ steps.prepare.output }}' }),
    node('slow', 'code', { code: `import time\ntime.sleep(1.5)\n${STAMP}` }),
    node('done', 'end', { output: '{{ steps.prepare.output.at }}' }),
  ],
  edges: [edge('prepare', 'review'), edge('review', 'slow', 'approved'), edge('slow', 'done')],
};

interface Step {
  node_id: string;
  iteration: number;
  attempt: number;
  status: string;
  output: unknown;
  ended_at: string | null;
}

interface Execution {
  status: string;
  steps: Step[];
  ended_at: string | null;
}

describe('kill -9', () => {
  let database: TestDatabase;
  let installation: ReturnType<typeof makeInstallation>;
  let server: ServerProcess;
  let auth: { Authorization: string };
  const others: ServerProcess[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    installation = makeInstallation(database.url);
    server = await installation.start();
    auth = await registerAt(server.url);
  });
  afterAll(async () => {
    await Promise.all([server, ...others].map((process) => process.end('SIGKILL')));
    installation.remove();
    await database.drop();
  });

  async function startExecution(): Promise<string> {
    const workflow = await request(server.url)
      .post('/api/workflows')
      .set(auth)
      .send({ name: 'Crash', definition: DEFINITION })
      .expect(201);
    const started = await request(server.url)
      .post('/api/executions')
      .set(auth)
      .send({ workflow_id: workflow.body.id })
      .expect(202);
    return started.body.id;
  }

  const read = async (id: string): Promise<Execution> =>
    (await request(server.url).get(`/api/executions/${id}`).set(auth).expect(200)).body;
  const stepOf = (execution: Execution, id: string) => execution.steps.find((step) => step.node_id === id);
  const until = (id: string, satisfies: (execution: Execution) => boolean) =>
    waitFor('the execution', () => read(id), satisfies);

  async function approve(id: string): Promise<void> {
    const open = await request(server.url).get(`/api/checkpoints?status=open&execution_id=${id}`).set(auth).expect(200);
    const url = `/api/checkpoints/${open.body.data[0].id}`;
    const { headers } = await request(server.url).get(url).set(auth).expect(200);
    await request(server.url)
      .post(`${url}/decide`)
      .set(auth)
      .set('If-Match', headers['etag'] as string)
      .send({ action: 'approve' })
      .expect(200);
  }

  it('loses nothing while an execution waits at a checkpoint, nor while its Python runs, and repeats no finished step', async () => {
    const id = await startExecution();
    const waiting = await until(id, (execution) => execution.status === 'awaiting_checkpoint');
    const prepared = stepOf(waiting, 'prepare');
    await server.end('SIGKILL');

    server = await installation.start();
    expect(stepOf(await read(id), 'prepare')).toEqual(prepared);
    await approve(id);
    await until(id, (execution) => stepOf(execution, 'slow')?.status === 'running');
    await server.end('SIGKILL');

    server = await installation.start();
    const ended = await until(id, (execution) => execution.ended_at !== null);
    expect(ended.status).toBe('completed');
    expect(stepOf(ended, 'prepare')).toEqual(prepared);
    expect(ended.steps.map((step) => [step.node_id, step.iteration, step.status])).toEqual([
      ['prepare', 1, 'completed'],
      ['review', 1, 'completed'],
      ['slow', 1, 'completed'],
      ['done', 1, 'completed'],
    ]);
    const events = await database.query<{ type: string; node_id: string | null }>(
      'select seq, type, node_id from execution_events where execution_id = $1 order by seq',
      [id],
    );
    const ends = events.filter((event) => event.type === 'step.completed').map((event) => event.node_id);
    expect(ends).toEqual(['prepare', 'review', 'slow', 'done']);
    expect(events.map((event) => (event as unknown as { seq: number }).seq)).toEqual(
      events.map((_, index) => index + 1),
    );
  });

  it('lets another process take over within two seconds, long before the lease is over', async () => {
    const other = await installation.start({ HOLDPOINT_ROLES: 'worker' });
    others.push(other);
    const id = await startExecution();
    await until(id, (execution) => execution.status === 'awaiting_checkpoint');
    // The one that decides runs what follows in most cases; whichever holds it is killed.
    await approve(id);
    await until(id, (execution) => stepOf(execution, 'slow')?.status === 'running');
    const [held] = await database.query<{ worker: number; epoch: number }>(
      'select worker, epoch from executions where id = $1',
      [id],
    );
    const [victim] = [server, other].filter((process) => process.output().includes(`worker number ${held?.worker} `));
    if (!victim) throw new Error(`no process says that it is worker ${held?.worker}`);
    const killedAt = Date.now();
    await victim.end('SIGKILL');
    const [after] = await waitFor(
      'another worker',
      () =>
        database.query<{ worker: number; epoch: number }>('select worker, epoch from executions where id = $1', [id]),
      ([row]) => row !== undefined && row.worker !== null && row.worker !== held?.worker,
    );
    expect(Date.now() - killedAt).toBeLessThan(2_000);
    expect(after?.epoch).toBe((held?.epoch ?? 0) + 1);
    if (victim === server) server = await installation.start();
    expect((await until(id, (execution) => execution.ended_at !== null)).status).toBe('completed');
  });

  it('leaves no process behind on SIGTERM and on Ctrl-C', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const process = await installation.start();
      expect(await process.end(signal)).toBe(0);
      const sessions = await database.query(
        `select 1 from pg_stat_activity where datname = current_database() and application_name = 'holdpoint worker'`,
      );
      expect(sessions.length).toBeLessThanOrEqual(2);
    }
  });
});
