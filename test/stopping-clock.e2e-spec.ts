import pg from 'pg';
import { ClockService } from '../src/checkpoints/clock.service.js';
import { becomeDue, driveCheckpoints } from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

let test: TestApp;
let ann: TestPerson;
let other: pg.Client;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  other = new pg.Client({ connectionString: test.database.url });
  await other.connect();
});
afterAll(async () => {
  await other.end();
  await test.close();
});

it('a process that stops finishes the checkpoint that its clock serves, and leaves the others that are due to others', async () => {
  const drive = driveCheckpoints(test, ann);
  const parked = await Promise.all(Array.from({ length: 5 }, () => drive.park({ due_in: 3_600 })));
  const ids = parked.map(({ id }) => id);
  const executions = parked.map(({ execution_id }) => execution_id);
  await other.query('begin');
  await other.query('select 1 from executions where id = any($1) for update', [executions]);
  await becomeDue(test.database, ids, true);
  const clock = test.app.get(ClockService);
  const looked = clock.look();
  await waitFor(
    'the clock to wait for the first',
    () =>
      test.database.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      ),
    ({ length }) => length === 1,
  );
  const stopped = clock.onApplicationShutdown();
  await other.query('commit');
  await Promise.all([stopped, looked]);
  const open = await test.database.query(`select 1 from checkpoints where id = any($1) and status = 'open'`, [ids]);
  expect(open).toHaveLength(4);
});
