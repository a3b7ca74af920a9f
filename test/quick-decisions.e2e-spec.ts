import pg from 'pg';
import { addMember, type TestMember } from './add-member.js';
import { edge, node } from './definitions.js';
import { brief, type CheckpointDriver, driveCheckpoints, type Parked, type Person } from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

let test: TestApp;
let ann: TestPerson;
let bea: TestMember;
let drive: CheckpointDriver;
/** Somebody else in the database, who holds locks. */
let other: pg.Client;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
  drive = driveCheckpoints(test, ann);
  other = new pg.Client({ connectionString: test.database.url });
  await other.connect();
});
afterAll(async () => {
  await other.end();
  await test.close();
});

const lockExecution = (id: string) => other.query('select 1 from executions where id = $1 for update', [id]);

/** Waits until so many statements wait for a lock. */
const queued = (count: number) =>
  waitFor(
    `${count} statements to wait for a lock`,
    () =>
      test.database.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      ),
    ({ length }) => length === count,
  );

/** On its way, not waited for. */
const sent = (parked: Parked, who: Person) => drive.decide(parked, who).then(brief);

it('who votes at one of two checkpoints that want different people does not decide the other at the same moment', async () => {
  const review = (id: string, not_same_as: string, more: object = {}) =>
    node(id, 'checkpoint', { title: 'So?', content: '{{ input }}', not_same_as: [not_same_as], ...more });
  const id = await drive.start({
    nodes: [
      node('begin', 'transform', { output: 'x' }),
      review('first', 'second', { quorum: 2 }),
      review('second', 'first'),
    ],
    edges: [edge('begin', 'first'), edge('begin', 'second')],
  });
  const [first, second] = [await drive.openAt(id, 'first'), await drive.openAt(id, 'second')];
  await other.query('begin');
  await lockExecution(id);
  const vote = sent(first, bea);
  await queued(1);
  const decision = sent(second, bea);
  await queued(2);
  await other.query('commit');
  expect([await vote, await decision]).toEqual([[200], [403, 'SAME_PERSON_MAY_NOT_APPROVE']]);
});

it('a decision that the database ends to resolve a deadlock is taken nevertheless', async () => {
  const parked = await drive.park();
  await other.query('begin');
  await other.query('select 1 from audit_heads where organization_id = $1 for update', [ann.organization.id]);
  const decision = sent(parked, bea);
  await queued(1);
  await lockExecution(parked.execution_id);
  await other.query('commit');
  expect(await decision).toEqual([200]);
  expect(await drive.ended(parked)).toMatchObject({ status: 'completed', output: { decided_by: bea.id } });
  expect((await drive.events(parked)).map(({ type }) => type)).toEqual(['opened', 'decided', 'closed']);
});
