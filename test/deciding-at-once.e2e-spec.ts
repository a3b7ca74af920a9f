import { ClockService } from '../src/checkpoints/clock.service.js';
import type { CheckpointEvent } from '../src/checkpoints/checkpoint-event.entity.js';
import type { Claimant } from '../src/checkpoints/deciders.service.js';
import { DecisionsService } from '../src/checkpoints/decisions.service.js';
import { DueCheckpointsService } from '../src/checkpoints/due-checkpoints.service.js';
import { DomainError } from '../src/platform/errors/domain-error.js';
import { addMember, type TestMember } from './add-member.js';
import { becomeDue, breaksIn, type CheckpointDriver, driveCheckpoints, reviewFlow } from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

let test: TestApp;
let ann: TestPerson;
let bea: TestMember;
let drive: CheckpointDriver;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
  drive = driveCheckpoints(test, ann);
});
afterAll(() => test.close());

/** Several workers take from one list. */
async function inParallel<T>(lanes: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}

/** Executions that wait at a review with that policy; answers their checkpoints. */
async function parkMany(policy: object, count: number): Promise<string[]> {
  const { nodes, edges } = reviewFlow(policy);
  const workflow_id = await drive.createWorkflow(nodes, edges);
  const inputs = Array.from({ length: count }, (_, i) => ({ n: i }));
  await inParallel(8, inputs, async (input) => void (await drive.startWorkflow(workflow_id, { input })));
  const open = () =>
    test.database.query<{ id: string }>(`select id from checkpoints where workflow_id = $1 and status = 'open'`, [
      workflow_id,
    ]);
  const rows = await waitFor(`${count} checkpoints`, open, ({ length }) => length === count, 60);
  return rows.map(({ id }) => id);
}

it('(b) two approvers within a millisecond: one wins, the other gets 409 naming the winner', async () => {
  const winners = new Set<string>();
  for (const id of await parkMany({}, 50)) {
    const send = (who: { auth: { Authorization: string } }) => drive.decide({ id, tag: '"1"' }, who).then((one) => one);
    const pair = winners.size % 2 ? [ann, bea] : [bea, ann];
    const answers = await Promise.all(pair.map(send));
    const [won, lost] = answers.toSorted((a, b) => a.status - b.status);
    expect([won?.status, lost?.status, lost?.body.code]).toEqual([200, 409, 'CHECKPOINT_DECIDED']);
    const { decided_by, decided_by_name, decided_at, action } = won?.body.decision ?? {};
    expect(lost?.body).toMatchObject({ decided_by: { id: decided_by, name: decided_by_name }, decided_at, action });
    expect(won?.body.decisions).toHaveLength(1);
    winners.add(`${decided_by} ${id}`);
    const types = (await drive.events({ id })).map(({ type }) => type);
    expect(types).toEqual(['opened', 'decided', 'closed', 'refused']);
  }
  expect(winners.size).toBe(50);
}, 60_000);

describe('(c) a decision and the expiry timer at the same moment, a thousand interleavings: never two moves, never a wiped edit', () => {
  const EACH = 250;
  const EDITED = { text: 'edited' };

  interface Row {
    id: string;
    status: string;
    action: string | null;
    content: unknown;
    original_content: unknown;
    history_length: number;
    history_hash: string;
    events: (Omit<CheckpointEvent, 'occurred_at'> & { occurred_at: string })[];
    votes: { action: string; decided_by: string | null; void_reason: string | null }[];
    execution: { status: string; output: unknown; error: { code: string } | null };
    moves: string[];
  }

  /** Everything about them, each in one row. */
  const rowsOf = (ids: readonly string[]) =>
    test.database.query<Row>(
      `select c.id, c.status, c.action, c.content, c.original_content, c.history_length, c.history_hash,
         (select json_agg(v order by v.seq) from checkpoint_events v where v.checkpoint_id = c.id) as events,
         (select coalesce(json_agg(d order by d.id), '[]') from decisions d where d.checkpoint_id = c.id) as votes,
         (select json_build_object('status', e.status, 'output', e.output, 'error', e.error) from executions e
          where e.id = c.execution_id) as execution,
         (select array_agg(v.type order by v.seq) from execution_events v
          where v.execution_id = c.execution_id and v.node_id = 'review'
            and v.type in ('step.completed', 'step.failed', 'step.cancelled')) as moves
       from checkpoints c where c.id = any($1)`,
      [ids],
    );

  const claimant = (): Claimant => ({
    organization_id: ann.organization.id,
    user_id: bea.id,
    email: bea.email,
    name: bea.name,
    role: 'approver',
    verified: true,
    via: 'access_token',
    may_decide: true,
    origin: { address: null, user_agent: null, request_id: null },
  });

  /** By the API every tenth time, else by the gate that the API goes through. Answers the code of the refusal. */
  async function edit(id: string, n: number): Promise<string> {
    if (n % 10 === 0) {
      const { status, body } = await drive.decide({ id, tag: '"1"' }, bea, { action: 'edit', content: EDITED });
      return status === 200 ? 'ok' : body.code;
    }
    const attempt = { action: 'edit', content: EDITED, revision: 1 };
    try {
      await test.app.get(DecisionsService).decide(claimant(), id, attempt);
      return 'ok';
    } catch (error) {
      if (error instanceof DomainError) return error.code;
      throw error;
    }
  }

  /** Lets whatever else is ready go first, so many times. */
  async function stepAside(times: number): Promise<void> {
    for (let i = 0; i < times; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** The decision and the timer, each with a head start in turn. The clock of the process itself joins in at times. */
  async function race(id: string, n: number): Promise<string> {
    await becomeDue(test.database, [id], n % 4 === 0);
    const start = ((n * 7) % 41) - 20;
    const decided = stepAside(Math.max(0, start)).then(() => edit(id, n));
    const served = stepAside(Math.max(0, -start)).then(() =>
      n % 4 === 0
        ? test.app.get(ClockService).look()
        : test.app.get(DueCheckpointsService).serve(ann.organization.id, id),
    );
    await served;
    return decided;
  }

  /** What is wrong with one of which the decision was answered so. `first` is who came first, by its own history. */
  function faultsOf(row: Row, answer: string, expected: Expected): string[] {
    const events = row.events.map((event) => ({ ...event, occurred_at: new Date(event.occurred_at) }));
    const types = events.map(({ type }) => type).filter((type) => type !== 'refused');
    const won = answer === 'ok';
    const wanted = won ? expected.byPerson : expected.byClock;
    const seen = {
      answer: won ? 'ok' : answer,
      status: row.status,
      types: types.join(' '),
      moves: (row.moves ?? []).join(' '),
      votes: row.votes.filter(({ void_reason }) => void_reason === null).length,
      execution: row.execution.status,
      content: JSON.stringify(row.content),
      output: JSON.stringify((row.execution.output as { content: unknown } | null)?.content ?? null),
    };
    const same = {
      ...wanted,
      content: won ? JSON.stringify(EDITED) : JSON.stringify(row.content),
      output: won ? JSON.stringify(EDITED) : expected.goesOn ? JSON.stringify(row.content) : 'null',
    };
    const wrong = Object.entries(same).filter(([key, value]) => seen[key as keyof typeof seen] !== value);
    const wiped =
      !won && JSON.stringify(row.content) === JSON.stringify(EDITED) ? ['an edit that was refused is there'] : [];
    return [
      ...wrong.map(([key, value]) => `${key} is ${seen[key as keyof typeof seen]}, not ${value}`),
      ...wiped,
      ...breaksIn(events, row),
    ];
  }

  interface Expected {
    byPerson: End;
    byClock: End;
    /** Whether a next step sees what the clock let through. */
    goesOn: boolean;
  }
  interface End {
    answer: string;
    status: string;
    types: string;
    moves: string;
    votes: number;
    execution: string;
  }

  const byPerson: End = {
    answer: 'ok',
    status: 'approved',
    types: 'opened decided closed',
    moves: 'step.completed',
    votes: 1,
    execution: 'completed',
  };
  const decidedByClock = (status: string): End => ({
    answer: 'CHECKPOINT_DECIDED',
    status,
    types: 'opened expired decided closed',
    moves: 'step.completed',
    votes: 1,
    execution: 'completed',
  });
  const ENDS: Record<string, Expected> = {
    fail: {
      byPerson,
      byClock: {
        answer: 'CHECKPOINT_EXPIRED',
        status: 'expired',
        types: 'opened expired',
        moves: 'step.failed',
        votes: 0,
        execution: 'failed',
      },
      goesOn: false,
    },
    reject: { byPerson, byClock: decidedByClock('rejected'), goesOn: true },
    approve: { byPerson, byClock: decidedByClock('approved'), goesOn: true },
    escalate: {
      byPerson,
      byClock: {
        answer: 'STALE_VERSION',
        status: 'open',
        types: 'opened expired',
        moves: '',
        votes: 0,
        execution: 'awaiting_checkpoint',
      },
      goesOn: false,
    },
  };

  it.each(Object.entries(ENDS))(
    'with on_expiry %s',
    async (on_expiry, expected) => {
      const escalation = on_expiry === 'escalate' ? [{ after_seconds: 7_200, to: { roles: 'owner' } }] : [];
      const assignees = { roles: 'approver' };
      const ids = await parkMany({ due_in: 3_600, on_expiry, escalation, assignees }, EACH);
      const answers = new Map<string, string>();
      const numbered = ids.map((id, n) => ({ id, n }));
      await inParallel(4, numbered, async ({ id, n }) => void answers.set(id, await race(id, n)));
      const rest = on_expiry === 'escalate' ? [...answers.values()].filter((answer) => answer !== 'ok').length : 0;
      await waitFor(
        'the ends',
        () => rowsOf(ids),
        (rows) =>
          rows.filter(({ execution }) => ['completed', 'failed'].includes(execution.status)).length === EACH - rest,
      );
      const rows = await rowsOf(ids);
      const faults = rows.flatMap((row) =>
        faultsOf(row, answers.get(row.id) ?? 'none', expected).map((fault) => `${row.id} ${fault}`),
      );
      expect(faults).toEqual([]);
      const won = [...answers.values()].filter((answer) => answer === 'ok').length;
      expect(won).toBeGreaterThan(EACH / 20);
      expect(won).toBeLessThan(EACH - EACH / 20);
    },
    60_000,
  );

  it('leaves an audit record that is intact', async () => {
    expect((await drive.get('/api/audit/verify').expect(200)).body).toMatchObject({ intact: true });
  });
});
