import { INBOX_VIEWS, inboxQuery } from '../src/checkpoints/inbox.repository.js';
import { node } from './definitions.js';
import { driveExecutions } from './drive-executions.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

const CLOSED = 100_000;
const OPEN = 1_000;
const CALLS = 60;
const ROUNDS = 5;

describe('the inbox of a person with 100,000 closed and 1,000 open checkpoints', () => {
  let test: TestApp;
  let ann: TestPerson;

  beforeAll(async () => {
    test = await startTestApp();
    ann = await test.register('Ann');
    const drive = driveExecutions(test, ann);
    const execution = await drive.start([node('end', 'end')]);
    await drive.ended(execution);
    await fill(test, execution, ann);
  }, 120_000);
  afterAll(() => test.close());

  /** Over kept connections, as front ends do. */
  const read = async <T>(path: string): Promise<T> => {
    const answer = await fetch(test.url + path, { headers: ann.auth });
    expect(answer.status).toBe(200);
    return (await answer.json()) as T;
  };

  it.each(INBOX_VIEWS)('answers the view %s within 20 ms p95', async (view) => {
    const taken = await measure(async () => {
      const { data } = await read<{ data: object[] }>(`/api/inbox?view=${view}`);
      expect(data).toHaveLength(view === 'claimed' ? 0 : 20);
    });
    expect(taken).toBeLessThan(20);
  });

  it('counts every view within 20 ms p95', async () => {
    const taken = await measure(async () => {
      expect(await read('/api/inbox/counts')).toEqual({
        all: OPEN,
        assigned: 500,
        claimable: 500,
        claimed: 0,
        due_soon: 250,
        overdue: 250,
      });
    });
    expect(taken).toBeLessThan(20);
  });

  it.each(INBOX_VIEWS)('reads the view %s along an index of what is open, and scans nothing', async (view) => {
    const { text, values } = inboxQuery(ownerOf(ann), { view, within_seconds: 86_400, limit: 21 });
    const plan = await test.database.query<{ 'QUERY PLAN': string }>(`explain (analyze, buffers) ${text}`, values);
    const lines = plan.map((line) => line['QUERY PLAN']).join('\n');
    expect(lines).toMatch(/Scan (using|on) checkpoints_(inbox|by_due|candidates)/);
    expect(lines).not.toMatch(/Seq Scan on (checkpoints|decisions)/);
  });
});

/** The best p95 of a few rounds, in ms: what else the machine does for a moment is no property of the product. */
async function measure(call: () => Promise<void>): Promise<number> {
  let best = Infinity;
  for (let round = 0; round < ROUNDS && best >= 20; round++) {
    const times: number[] = [];
    for (let i = 0; i < CALLS; i++) {
      const began = performance.now();
      await call();
      times.push(performance.now() - began);
    }
    best = Math.min(best, times.toSorted((a, b) => a - b)[Math.floor(CALLS * 0.95)] ?? Infinity);
  }
  process.stdout.write(`  inbox: p95 ${best.toFixed(1)} ms\n`);
  return best;
}

function ownerOf({ user, organization }: TestPerson) {
  const keys = [`user:${user.id}`, `email:${organization.id}:${user.email}`, `role:${organization.id}:owner`];
  return { organization_id: organization.id, user_id: user.id, personal: keys.slice(0, 2), keys };
}

/** Half of the open ones name Ann and half her role; a quarter is due soon and a quarter is overdue. Decided by her: all closed. */
async function fill({ database }: TestApp, execution_id: string, { user, organization }: TestPerson): Promise<void> {
  const policy = { editable: true, not_requester: false, not_same_as: [], actions: [], allow_links: 'no' };
  await database.query(
    `insert into checkpoints (id, organization_id, execution_id, workflow_id, version, node_id, iteration, status, action, title,
       instructions, content, policy, candidates, schedule, due_at, revision, history_length, history_hash, created_at, closed_at)
     select gen_random_uuid(), e.organization_id, e.id, e.workflow_id, 1, 'review', i + 1,
       case when i <= $3 then 'open' else 'approved' end, case when i > $3 then 'approve' end, 'Send it?', '',
       json_build_object('text', repeat('x', 200)), $2::json, array[case when i % 2 = 0 then $5 else $6 end], '[]',
       case i % 4 when 0 then now() + interval '1 hour' when 1 then now() - interval '1 hour' end,
       1, 1, repeat('0', 64), now() - make_interval(secs => i), case when i > $3 then now() - make_interval(secs => i) end
     from executions e, generate_series(1, $4::int) i where e.id = $1`,
    [execution_id, JSON.stringify(policy), OPEN, OPEN + CLOSED, `user:${user.id}`, `role:${organization.id}:owner`],
  );
  await database.query(
    `insert into decisions (id, checkpoint_id, organization_id, action, decided_by, decided_by_name, person, via, content_hash, result_hash)
     select gen_random_uuid(), id, organization_id, 'approve', $1::uuid, 'Ann', ($1::uuid)::text, 'access_token', '', ''
     from checkpoints where status = 'approved'`,
    [user.id],
  );
  // What the server would do by itself a little later, beside the measurement.
  await database.query('vacuum (analyze) checkpoints');
  await database.query('vacuum (analyze) decisions');
  await database.query('checkpoint');
}
