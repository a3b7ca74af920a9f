import pg from 'pg';
import request from 'supertest';
import { becomeDue, brief, eventsOf, reviewFlow } from './drive-checkpoints.js';
import { startHoldingProxy } from './holding-proxy.js';
import { makeInstallation, registerAt, type ServerProcess } from './spawn-server.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { waitFor } from './wait-for.js';

describe('(h) a kill in the middle of deciding strands nothing', () => {
  let database: TestDatabase;
  let installation: ReturnType<typeof makeInstallation>;
  let server: ServerProcess;
  let auth: { Authorization: string };

  beforeAll(async () => {
    database = await createTestDatabase();
    installation = makeInstallation(database.url);
    server = await start();
    auth = await registerAt(server.url);
  });
  afterAll(async () => {
    await server.end('SIGKILL');
    installation.remove();
    await database.drop();
  });

  const start = (more: Record<string, string> = {}) => installation.start({ SANDBOX_DRIVER: 'none', ...more });

  const stuck = (count: number) =>
    waitFor(
      'the process to be stuck',
      () =>
        database.query(
          `select 1 from pg_stat_activity
           where datname = current_database() and application_name = 'holdpoint' and wait_event_type = 'Lock'`,
        ),
      ({ length }) => length >= count,
    );

  /** The process is killed while its transaction waits for what this locks; what it had written is undone. */
  async function crashAt(lock: string, act: () => unknown): Promise<void> {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('begin');
      await client.query(lock);
      await act();
      await stuck(1);
      await server.end('SIGKILL');
    } finally {
      await client.end();
    }
    server = await start();
  }

  const post = (path: string, body: object = {}) => request(server.url).post(path).set(auth).send(body);
  const get = async (path: string) => (await request(server.url).get(path).set(auth).expect(200)).body;

  async function park(policy: object = {}): Promise<{ id: string; execution_id: string }> {
    const { body } = await post('/api/workflows', { name: 'Crash', definition: reviewFlow(policy) }).expect(201);
    const started = await post('/api/executions', { workflow_id: body.id, input: 'shown' }).expect(202);
    const { data } = await waitFor(
      'the checkpoint',
      () => get(`/api/checkpoints?execution_id=${started.body.id}`),
      (page) => page.data.length === 1,
    );
    return { id: data[0].id, execution_id: started.body.id };
  }

  const decide = (id: string, key: string) =>
    post(`/api/checkpoints/${id}/decide`, { action: 'edit', content: 'edited' })
      .set('If-Match', '"1"')
      .set('Idempotency-Key', key);

  /** Sends it, whatever becomes of it. */
  const sendOff = (id: string, key: string) => void decide(id, key).catch(() => undefined);

  const ended = (execution_id: string) =>
    waitFor(
      'the end',
      () => get(`/api/executions/${execution_id}`),
      (execution) => execution.ended_at !== null,
    );

  const typesOf = async (id: string) => (await eventsOf(database, id)).map(({ type }) => type);

  it.each([
    ['after the vote was written, before the end of its step', 'lock table steps in share mode'],
    ['before the audit record, the last of it', 'lock table audit_records in share mode'],
  ])('%s: nothing is decided, and the same request decides it', async (_, lock) => {
    const { id, execution_id } = await park();
    await crashAt(lock, () => sendOff(id, 'one'));
    expect(await get(`/api/checkpoints/${id}`)).toMatchObject({ status: 'open', revision: 1, decisions: [] });
    expect(await typesOf(id)).toEqual(['opened']);
    const { headers } = await decide(id, 'one').expect(200);
    expect(headers['idempotency-replayed']).toBeUndefined();
    expect(await ended(execution_id)).toMatchObject({ status: 'completed', output: { content: 'edited' } });
    expect(await typesOf(id)).toEqual(['opened', 'decided', 'closed']);
  });

  it('after the commit, before the answer: it is decided, and the same request is answered the same', async () => {
    const proxy = await startHoldingProxy(database.url);
    await server.end('SIGKILL');
    server = await start({ DATABASE_URL: proxy.url });
    const { id, execution_id } = await park();
    proxy.holdCommits();
    let answered = false;
    void decide(id, 'two').then(
      () => (answered = true),
      () => undefined,
    );
    const statusOf = () => database.query<{ status: string }>('select status from checkpoints where id = $1', [id]);
    try {
      await waitFor('the commit', statusOf, ([row]) => row?.status === 'approved');
    } finally {
      await server.end('SIGKILL');
    }
    await proxy.close();
    expect(answered).toBe(false);
    server = await start();
    expect(await ended(execution_id)).toMatchObject({ status: 'completed', output: { content: 'edited' } });
    const again = await decide(id, 'two').expect(200);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.body).toMatchObject({ id, status: 'approved', content: 'edited', decision: { action: 'edit' } });
    const other = await decide(id, 'three');
    expect([...brief(other), other.body.decided_by.name]).toEqual([409, 'CHECKPOINT_DECIDED', 'Ann']);
    expect(await typesOf(id)).toEqual(['opened', 'decided', 'closed', 'refused']);
  });

  it.each([
    ['fail', 'failed', ['opened', 'expired']],
    ['reject', 'completed', ['opened', 'expired', 'decided', 'closed']],
  ])(
    'in the expiry by the clock (%s): the clock of another process carries it out, once',
    async (on_expiry, status, types) => {
      const { id, execution_id } = await park({ due_in: 3_600, on_expiry });
      await crashAt('lock table audit_records in share mode', () => becomeDue(database, [id], true));
      expect(await ended(execution_id)).toMatchObject({ status });
      expect(await typesOf(id)).toEqual(types);
    },
  );

  it('in an escalation: it happens once, and the checkpoint can be decided', async () => {
    const escalation = [{ after_seconds: 7_200, to: { roles: 'owner' } }];
    const { id, execution_id } = await park({ escalation, assignees: { roles: 'approver' } });
    await crashAt('lock table audit_records in share mode', () => becomeDue(database, [id], true));
    const { revision } = await waitFor(
      'the escalation',
      () => get(`/api/checkpoints/${id}`),
      ({ assigned_to }) => assigned_to.roles.includes('owner'),
    );
    await post(`/api/checkpoints/${id}/decide`, { action: 'approve' }).set('If-Match', `"${revision}"`).expect(200);
    expect(await ended(execution_id)).toMatchObject({ status: 'completed' });
    expect(await typesOf(id)).toEqual(['opened', 'escalated', 'decided', 'closed']);
  });

  it('of an early decision that was being applied: it is applied, once', async () => {
    const { nodes, edges } = reviewFlow();
    const definition = {
      nodes: [{ id: 'go', type: 'wait', data: { signal: 'go' } }, ...nodes],
      edges: [{ id: 'first', source: 'go', target: 'review' }, ...edges],
    };
    const { body } = await post('/api/workflows', { name: 'Crash', definition }).expect(201);
    const { body: execution } = await post('/api/executions', { workflow_id: body.id }).expect(202);
    const early = { execution_id: execution.id, node_id: 'review', action: 'approve' };
    const { body: given } = await post('/api/early-decisions', early).expect(202);
    await crashAt('lock table decisions in share mode', () =>
      post(`/api/executions/${execution.id}/signals`, { name: 'go' }).expect(202),
    );
    expect(await ended(execution.id)).toMatchObject({ status: 'completed', output: { action: 'approve' } });
    const [row] = await database.query<{ status: string; checkpoint_id: string }>(
      'select status, checkpoint_id from early_decisions where id = $1',
      [given.id],
    );
    expect(row?.status).toBe('applied');
    expect(await typesOf(row?.checkpoint_id ?? '')).toEqual(['opened', 'decided', 'closed']);
  });

  it('leaves an audit record that is intact', async () => {
    expect(await get('/api/audit/verify')).toMatchObject({ intact: true });
  });
});
