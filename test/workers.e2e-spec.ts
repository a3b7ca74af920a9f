import { edge, node } from './definitions.js';
import { insertExecutions, insertWorkflow } from './execution-rows.js';
import { startTestApp, type TestApp } from './start-test-app.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { waitFor } from './wait-for.js';

const SHORT = {
  nodes: [
    node('a', 'transform', { output: 1 }),
    node('b', 'transform', { output: '{{ steps.a.output + 1 }}' }),
    node('c', 'end'),
  ],
  edges: [edge('a', 'b'), edge('b', 'c')],
};

const SLOW = { nodes: [node('nap', 'code', { code: 'import time\ntime.sleep(0.7)\noutput = 1' })], edges: [] };

interface Row {
  id: string;
  status: string;
  epoch: number;
}

describe('workers of one database', () => {
  let database: TestDatabase;
  const apps: TestApp[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    for (let i = 0; i < 10; i++) apps.push(await startTestApp({ DATABASE_POOL_SIZE: '4' }, database));
  });
  afterAll(async () => {
    for (const app of apps) await app.close();
    await database.drop();
  });

  const rowsOf = (ids: string[]) =>
    database.query<Row>('select id, status, epoch from executions where id = any($1::uuid[])', [ids]);

  const ended = (ids: string[]) =>
    waitFor(
      'the end of all',
      () => rowsOf(ids),
      (rows) => rows.every((row) => row.status === 'completed'),
    );

  it('ten racing for the same due executions take exactly one turn of each', async () => {
    const of = await insertWorkflow(database, SHORT);
    const ids = await insertExecutions(database, of, 40);
    await database.query(`select pg_notify('holdpoint_wake', '')`); // all of them look at this moment
    const rows = await ended(ids);
    expect(rows.map((row) => row.epoch)).toEqual(ids.map(() => 1));
    const counts = await database.query<{ events: number }>(
      `select count(*)::int as events, count(distinct seq)::int as numbers, max(seq) as last
       from execution_events where execution_id = any($1::uuid[]) group by execution_id`,
      [ids],
    );
    expect(counts).toEqual(ids.map(() => ({ events: 5, numbers: 5, last: 5 })));
  });

  it('go on when all of their database sessions are cut, and what they ran is recorded once', async () => {
    const of = await insertWorkflow(database, SLOW);
    const ids = await insertExecutions(database, of, 3);
    await database.query(`select pg_notify('holdpoint_wake', '')`);
    await waitFor(
      'a running step',
      () => database.query(`select 1 from steps where execution_id = any($1::uuid[]) and status = 'running'`, [ids]),
      (steps) => steps.length > 0,
    );
    await database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'holdpoint%'`,
    );
    await ended(ids);
    const ends = await database.query(
      `select execution_id, count(*)::int as times from execution_events
       where execution_id = any($1::uuid[]) and type in ('step.completed', 'execution.completed') group by execution_id, type`,
      [ids],
    );
    expect(ends.map((row) => (row as { times: number }).times)).toEqual([1, 1, 1, 1, 1, 1]);
  });
});
