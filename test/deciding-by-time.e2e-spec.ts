import { ClockService } from '../src/checkpoints/clock.service.js';
import { DueCheckpointsService } from '../src/checkpoints/due-checkpoints.service.js';
import { addMember, type TestMember } from './add-member.js';
import {
  APPROVE,
  becomeDue,
  brief,
  type CheckpointDriver,
  driveCheckpoints,
  edited,
  type Parked,
} from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

let test: TestApp;
/** Owns the organization, and starts everything. */
let ann: TestPerson;
let bea: TestMember;
let cem: TestMember;
let drive: CheckpointDriver;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
  cem = await addMember(test, ann.organization.id, 'approver', 'Cem');
  drive = driveCheckpoints(test, ann);
});
afterAll(() => test.close());

const typesOf = async (parked: Parked) => (await drive.events(parked)).map(({ type }) => type);

/** All that is due at it is done now. */
async function passTime(parked: Parked): Promise<void> {
  await becomeDue(test.database, [parked.id], true);
  await waitFor(
    'the clock',
    async () => {
      await test.app.get(ClockService).look();
      return test.database.query(`select 1 from checkpoints where id = $1 and next_at <= now()`, [parked.id]);
    },
    ({ length }) => length === 0,
  );
}

const auditOf = async ({ id }: Parked) =>
  (
    (await drive.get(`/api/audit?subject_type=checkpoint&subject_id=${id}`).expect(200)).body.data as {
      action: string;
      actor_type: string;
      details: Record<string, unknown>;
    }[]
  ).toReversed();

const RUNG = { after_seconds: 7_200, to: { roles: 'owner' } };

describe('(l) expiry never approves unless set to', () => {
  it.each([[{}], [{ on_expiry: 'fail' }]])('with %o the step fails', async (policy) => {
    const parked = await drive.park({ due_in: 3_600, ...policy });
    await passTime(parked);
    expect(await drive.ended(parked)).toMatchObject({
      status: 'failed',
      output: null,
      error: { code: 'CHECKPOINT_EXPIRED', node_id: 'review' },
    });
    expect(await drive.read(parked)).toMatchObject({ status: 'expired', action: null, decisions: [], decision: null });
    expect(brief(await drive.decide(parked, bea))).toEqual([409, 'CHECKPOINT_EXPIRED']);
    expect(await typesOf(parked)).toEqual(['opened', 'expired', 'refused']);
    expect((await auditOf(parked))[0]).toMatchObject({
      action: 'checkpoint.expired',
      actor_type: 'system',
      details: { on_expiry: 'fail' },
    });
  });

  it('with reject it leaves by rejected, in the name of nobody', async () => {
    const parked = await drive.park({ due_in: 3_600, on_expiry: 'reject' });
    await passTime(parked);
    const { output, steps } = await drive.ended(parked);
    expect(output).toMatchObject({
      action: 'reject',
      decided_by: null,
      comment: expect.stringContaining('was due at'),
    });
    expect(steps.map(({ node_id }) => node_id)).toEqual(['review', 'by_rejected']);
    expect(await drive.read(parked)).toMatchObject({
      status: 'rejected',
      decision: { via: 'timer', decided_by: null, decided_by_name: 'The clock' },
    });
    expect(brief(await drive.decide(parked, bea))).toEqual([409, 'CHECKPOINT_DECIDED']);
  });

  it('with escalate it stays open, for more people', async () => {
    const parked = await drive.park({ due_in: 3_600, on_expiry: 'escalate', escalation: [RUNG], assignees: bea.id });
    expect(brief(await drive.decide(parked, ann))).toEqual([403, 'NOT_ASSIGNED']);
    await passTime(parked);
    const shown = await drive.read(parked);
    expect(shown).toMatchObject({ status: 'open', decisions: [], expired_at: expect.any(String) });
    expect(shown.assigned_to).toEqual({ users: [bea.id], roles: ['owner'], groups: [] });
    await drive.decide(await drive.again(parked), ann).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ output: { decided_by: ann.user.id } });
    expect(await typesOf(parked)).toEqual(['opened', 'refused', 'expired', 'decided', 'closed']);
  });

  it('with approve it does, and both records say so', async () => {
    const parked = await drive.park({ due_in: 3_600, on_expiry: 'approve' });
    await passTime(parked);
    expect(await drive.ended(parked)).toMatchObject({ status: 'completed', output: { action: 'approve' } });
    expect(await drive.read(parked)).toMatchObject({
      status: 'approved',
      decision: { via: 'timer', decided_by: null },
    });
    expect(await auditOf(parked)).toMatchObject([
      { action: 'checkpoint.expired', actor_type: 'system', details: { approved_by_expiry: true } },
      { action: 'checkpoint.approved', actor_type: 'system', details: { by_expiry: true } },
    ]);
    const expired = (await drive.events(parked)).find(({ type }) => type === 'expired');
    expect(expired).toMatchObject({ data: { on_expiry: 'approve', approved_by_expiry: true } });
  });

  it.each([
    ['approve', 'approved'],
    ['reject', 'rejected'],
  ])('with %s it does not wait for a quorum', async (on_expiry, status) => {
    const parked = await drive.park({ due_in: 3_600, on_expiry, quorum: { approve: 3, reject: 2 } });
    await drive.decide(parked, bea, edited({ text: 'better' })).expect(200);
    await passTime(parked);
    expect(await drive.ended(parked)).toMatchObject({
      status: 'completed',
      output: { action: on_expiry, content: { text: 'better' } },
    });
    expect(await drive.read(parked)).toMatchObject({ status, decision: { via: 'timer' } });
  });

  it('whatever a claim', async () => {
    const parked = await drive.park({ due_in: 3_600, on_expiry: 'reject' });
    await drive.act(parked, 'claim', bea).expect(200);
    await passTime(parked);
    expect(await drive.ended(parked)).toMatchObject({ output: { action: 'reject' } });
  });

  it('nor before its time', async () => {
    const parked = await drive.park({ due_in: 3_600, on_expiry: 'approve' });
    await test.app.get(DueCheckpointsService).serve(ann.organization.id, parked.id);
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1 });
    expect(await typesOf(parked)).toEqual(['opened']);
  });
});

describe('the clock', () => {
  it('expires by itself what was due at once, or soon', async () => {
    const past = await drive.park({ due_at: '2020-01-01T00:00:00Z', on_expiry: 'escalate', escalation: [RUNG] });
    const soon = await drive.park({ due_in: 0.3, on_expiry: 'reject' });
    await waitFor(
      'the expiry',
      () => drive.read(past),
      ({ expired_at }) => expired_at !== null,
    );
    const { due_at, created_at } = await drive.read(past);
    expect(due_at).toBe(created_at);
    expect(await drive.ended(soon)).toMatchObject({ output: { action: 'reject' } });
    const { closed_at, due_at: due } = await drive.read(soon);
    expect(Date.parse(closed_at)).toBeGreaterThanOrEqual(Date.parse(due));
  });

  it('does each thing once, however many look', async () => {
    const policy = { due_in: 3_600, reminders: [{ after_seconds: 60 }], escalation: [{ ...RUNG, after_seconds: 120 }] };
    const parked = await drive.park({ ...policy, on_expiry: 'reject', assignees: bea.id });
    await becomeDue(test.database, [parked.id], true);
    const due = test.app.get(DueCheckpointsService);
    const looks = Array.from({ length: 8 }, () => due.serve(ann.organization.id, parked.id));
    await Promise.all([...looks, test.app.get(ClockService).look()]);
    expect(await typesOf(parked)).toEqual(['opened', 'reminded', 'escalated', 'expired', 'decided', 'closed']);
  });

  it('escalates before the due moment, and ends the claim that let it come to this', async () => {
    const parked = await drive.park({ escalation: [{ after_seconds: 60, to: cem.email }], assignees: bea.id });
    await drive.act(parked, 'claim', bea).expect(200);
    expect(brief(await drive.decide(await drive.again(parked), cem))).toEqual([409, 'CHECKPOINT_CLAIMED']);
    await passTime(parked);
    expect(await drive.read(parked)).toMatchObject({ status: 'open', claimed_by: null, expired_at: null });
    await drive.decide(await drive.again(parked), cem).expect(200);
    expect((await auditOf(parked)).map(({ action }) => action)).toContain('checkpoint.escalated');
  });

  it('reminds in its time, and lets decide whoever read it before', async () => {
    const parked = await drive.park({ reminders: [{ after_seconds: 60 }, { before_due_seconds: 60 }], due_in: 3_600 });
    const [{ schedule } = { schedule: [] }] = await test.database.query<{ schedule: { type: string; at: string }[] }>(
      'select schedule from checkpoints where id = $1',
      [parked.id],
    );
    const { created_at } = await drive.read(parked);
    const seconds = schedule.map(({ type, at }) => [type, (Date.parse(at) - Date.parse(created_at)) / 1_000]);
    expect(seconds).toEqual([
      ['reminder', 60],
      ['reminder', 3_540],
      ['expiry', 3_600],
    ]);
    await test.database.query(
      `update checkpoints set next_at = now(), schedule = jsonb_set(schedule::jsonb, '{0,at}', to_jsonb(created_at))::json
       where id = $1`,
      [parked.id],
    );
    await waitFor(
      'the reminder',
      () => typesOf(parked),
      (types) => types.includes('reminded'),
    );
    await drive.decide(parked, bea, APPROVE).expect(200);
    expect(await typesOf(parked)).toEqual(['opened', 'reminded', 'decided', 'closed']);
  });

  it('counts working hours only', async () => {
    const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
    const then = new Date(Date.now() + 2 * 86_400_000);
    const working_hours = { time_zone: 'UTC', days: [days[then.getUTCDay()]], from: '09:00', to: '17:00' };
    const parked = await drive.park({ due_in: 5_400, working_hours });
    expect((await drive.read(parked)).due_at).toBe(`${then.toISOString().slice(0, 10)}T10:30:00.000Z`);
  });

  it('has nothing to do with a step that times out: its checkpoint is withdrawn', async () => {
    const parked = await drive.park({ timeout_seconds: 0.3, due_in: 3_600, on_expiry: 'approve' });
    expect(await drive.ended(parked)).toMatchObject({ status: 'failed', error: { code: 'STEP_TIMED_OUT' } });
    expect(await drive.read(parked)).toMatchObject({ status: 'withdrawn' });
  });
});
