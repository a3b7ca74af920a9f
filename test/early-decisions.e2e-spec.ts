import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClockService } from '../src/checkpoints/clock.service.js';
import { addMember, type TestMember } from './add-member.js';
import { edge, node } from './definitions.js';
import {
  APPROVE,
  brief,
  type CheckpointDriver,
  driveCheckpoints,
  edited,
  type Person,
  REJECT,
} from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { waitFor } from './wait-for.js';

const EARLY = '/api/early-decisions';

let database: TestDatabase;
let folder: string;
let test: TestApp;
let ann: TestPerson;
let bea: TestMember;
let cem: TestMember;
let drive: CheckpointDriver;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-early-'));
  test = await startTestApp({ DATA_DIR: folder }, database);
  ann = await test.register('Ann');
  bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
  cem = await addMember(test, ann.organization.id, 'approver', 'Cem');
  drive = driveCheckpoints(test, ann);
});
afterAll(async () => {
  await test.close();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** Another process of the installation in the place of this one. */
async function restart(roles = 'api,worker'): Promise<void> {
  await test.close();
  test = await startTestApp({ DATA_DIR: folder, HOLDPOINT_ROLES: roles }, database);
  drive = driveCheckpoints(test, ann);
}

/** go (a signal) ─► review ─► done, back to review when it is rejected */
function held(policy: object = {}) {
  return {
    nodes: [
      node('go', 'wait', { signal: 'go' }),
      node('review', 'checkpoint', { title: 'So?', content: '{{ input }}', ...policy }),
      node('done', 'end', { output: '{{ steps.review.output }}' }),
    ],
    edges: [edge('go', 'review'), edge('review', 'done', 'approved'), edge('review', 'review', 'rejected')],
  };
}

const give = (execution_id: string, who: Person, decision: object = APPROVE, more: object = {}) =>
  drive.post(EARLY, who, { execution_id, node_id: 'review', ...decision, ...more });

const holding = async (policy: object = {}) => {
  const id = await drive.start(held(policy));
  await drive.step(id, 'go', 'waiting');
  return id;
};

const earlyOf = async (id: string) =>
  (await drive.get(`${EARLY}?execution_id=${id}`).expect(200)).body.data as {
    status: string;
    refusal: string | null;
  }[];

describe('(d) a decision before the execution reaches the checkpoint is applied on arrival', () => {
  it('with its content and comment, as any other', async () => {
    const id = await holding();
    await give(id, bea, { ...edited({ text: 'better' }), comment: 'As agreed' }).expect(202);
    expect(await earlyOf(id)).toMatchObject([{ status: 'kept' }]);
    await drive.signal(id, 'go');
    const { output, status } = await drive.ended({ execution_id: id });
    expect(status).toBe('completed');
    expect(output).toEqual({
      action: 'edit',
      content: { text: 'better' },
      comment: 'As agreed',
      decided_by: bea.id,
      round: 1,
    });
    const [early] = await drive.untilEarly(id, 'applied');
    const checkpoint = await drive.read({ id: early?.checkpoint_id ?? '' });
    expect(checkpoint).toMatchObject({ status: 'approved', decision: { via: 'early', decided_by_name: 'Bea' } });
    const types = (await drive.events(checkpoint)).map(({ type }) => type);
    expect(types).toEqual(['opened', 'decided', 'closed']);
  });

  it('is refused on arrival where it may not be, which is on record, and the checkpoint stays open', async () => {
    const id = await holding({ assignees: cem.id });
    await give(id, bea).expect(202);
    await drive.signal(id, 'go');
    expect(await drive.untilEarly(id, 'refused')).toMatchObject([{ refusal: 'NOT_ASSIGNED' }]);
    const parked = await drive.openAt(id, 'review');
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1, decisions: [] });
    expect((await drive.events(parked)).at(-1)).toMatchObject({
      type: 'refused',
      actor: { user_id: bea.id, via: 'early' },
      data: { code: 'NOT_ASSIGNED', action: 'approve' },
    });
    await drive.decide(parked, cem).expect(200);
    await drive.ended(parked);
  });

  it('is judged by what its person is when it is applied', async () => {
    const id = await holding();
    const dan = await addMember(test, ann.organization.id, 'approver', 'Dan');
    await give(id, dan).expect(202);
    await test
      .http()
      .patch(`/api/organizations/current/members/${dan.id}`)
      .set(ann.auth)
      .send({ role: 'viewer' })
      .expect(200);
    await drive.signal(id, 'go');
    expect(await drive.untilEarly(id, 'refused')).toMatchObject([{ refusal: 'PERMISSION_MISSING' }]);
    expect(await drive.read(await drive.openAt(id, 'review'))).toMatchObject({ status: 'open' });
  });

  it('of several is applied in the order in which they came, and what comes too late keeps waiting', async () => {
    const id = await holding({ quorum: 2 });
    await give(id, bea).expect(202);
    await give(id, cem).expect(202);
    await give(id, ann, REJECT).expect(202);
    await drive.signal(id, 'go');
    expect(await drive.ended({ execution_id: id })).toMatchObject({ output: { decided_by: cem.id } });
    expect((await earlyOf(id)).map(({ status }) => status)).toEqual(['applied', 'applied', 'kept']);
  });

  it('is for the iteration that it names', async () => {
    const id = await holding();
    await give(id, bea, APPROVE, { iteration: 2 }).expect(202);
    await drive.signal(id, 'go');
    const first = await drive.openAt(id, 'review');
    expect(await earlyOf(id)).toMatchObject([{ status: 'kept' }]);
    await drive.decide(first, cem, REJECT).expect(200);
    expect(await drive.ended(first)).toMatchObject({ output: { action: 'approve', decided_by: bea.id } });
    expect(await earlyOf(id)).toMatchObject([{ status: 'applied' }]);
  });

  it('given and reached at the same moment it is applied, or told that the checkpoint is open', async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const id = await holding();
      const calls = [() => give(id, bea).then((answer) => answer), () => drive.signal(id, 'go').then(() => null)];
      const [answer] = (await Promise.all((round % 2 ? calls : calls.toReversed()).map((call) => call()))).filter(
        (one) => one !== null,
      );
      seen.add(String(answer?.status));
      if (answer?.status === 409) await drive.decide(await drive.openAt(id, 'review'), bea).expect(200);
      else expect(answer?.status).toBe(202);
      expect(await drive.ended({ execution_id: id })).toMatchObject({ status: 'completed' });
    }
    expect([...seen].toSorted()).toEqual([...seen].filter((status) => ['202', '409'].includes(status)).toSorted());
  });

  it('survives a restart before the checkpoint is reached', async () => {
    await restart('api');
    const id = await drive.start({ nodes: held().nodes.slice(1), edges: held().edges.slice(1, 2) });
    await give(id, bea).expect(202);
    await restart();
    expect(await drive.ended({ execution_id: id })).toMatchObject({
      status: 'completed',
      output: { decided_by: bea.id },
    });
  });

  it('survives a restart after the checkpoint was reached, before it was applied', async () => {
    const id = await holding();
    await test.app.get(ClockService).onApplicationShutdown();
    await give(id, bea).expect(202);
    await drive.signal(id, 'go');
    const parked = await drive.openAt(id, 'review');
    expect(await earlyOf(id)).toMatchObject([{ status: 'kept' }]);
    await restart();
    expect(await drive.ended(parked)).toMatchObject({ status: 'completed', output: { decided_by: bea.id } });
  });
});

describe('an early decision', () => {
  it('takes the place of an earlier one of the same person, and can be taken back by them alone', async () => {
    const id = await holding();
    const first = await give(id, bea, REJECT).expect(202);
    const second = await give(id, bea).expect(202);
    expect(await earlyOf(id)).toMatchObject([{ status: 'cancelled' }, { status: 'kept' }]);
    expect(brief(await drive.post(`${EARLY}/${second.body.id}/cancel`, cem))).toEqual([404, 'NOT_FOUND']);
    await drive.post(`${EARLY}/${second.body.id}/cancel`, bea).expect(200);
    expect(brief(await drive.post(`${EARLY}/${first.body.id}/cancel`, bea))).toEqual([404, 'NOT_FOUND']);
    await drive.signal(id, 'go');
    const parked = await drive.openAt(id, 'review');
    expect(await drive.read(parked)).toMatchObject({ decisions: [] });
  });

  it('is refused for what is open, closed, ended, or no checkpoint', async () => {
    const id = await holding();
    expect(brief(await give(id, bea, APPROVE, { node_id: 'done' }))).toEqual([422, 'NO_SUCH_CHECKPOINT']);
    await drive.signal(id, 'go');
    const parked = await drive.openAt(id, 'review');
    const open = await give(id, bea);
    expect([...brief(open), open.body.checkpoint_id]).toEqual([409, 'CHECKPOINT_OPEN', parked.id]);
    await drive.decide(parked, bea, REJECT).expect(200);
    const second = await waitFor(
      'the second round',
      () => drive.openAt(id, 'review'),
      ({ iteration }) => iteration === 2,
    );
    expect(brief(await give(id, bea, APPROVE, { iteration: 1 }))).toEqual([409, 'CHECKPOINT_CLOSED']);
    await drive.decide(second, bea).expect(200);
    await drive.ended(second);
    expect(brief(await give(id, bea))).toEqual([409, 'EXECUTION_ENDED']);
  });
});
