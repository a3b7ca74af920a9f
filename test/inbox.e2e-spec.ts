import { addMember, type TestMember } from './add-member.js';
import {
  becomeDue,
  type CheckpointDriver,
  driveCheckpoints,
  edited,
  type Parked,
  REJECT,
} from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

let test: TestApp;
/** Owns the organization, and starts everything. */
let ann: TestPerson;
let bea: TestMember;
let cem: TestMember;
let vic: TestMember;
let drive: CheckpointDriver;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  const add = (name: string, role: 'approver' | 'viewer') => addMember(test, ann.organization.id, role, name);
  [bea, cem, vic] = [await add('Bea', 'approver'), await add('Cem', 'approver'), await add('Vic', 'viewer')];
  drive = driveCheckpoints(test, ann);
});
afterAll(() => test.close());

describe('the inbox', () => {
  const VIEWS = ['all', 'assigned', 'claimable', 'claimed', 'due_soon', 'overdue'] as const;

  /** Which of them each view shows, by their names. */
  async function viewsOf(who: Pick<TestMember, 'auth'>, named: Record<string, Parked>) {
    const names = new Map(Object.entries(named).map(([name, { id }]) => [id, name]));
    const seen: Record<string, string[]> = {};
    const { body: counts } = await drive.get('/api/inbox/counts', who).expect(200);
    for (const view of VIEWS) {
      const { body } = await drive.get(`/api/inbox?view=${view}&limit=100`, who).expect(200);
      expect([view, counts[view]]).toEqual([view, body.data.length]);
      seen[view] = (body.data as { id: string }[]).flatMap(({ id }) => names.get(id) ?? []);
    }
    return seen;
  }

  it('has in each view, and counts, what is theirs to decide now', async () => {
    const eva = await addMember(test, ann.organization.id, 'approver', 'Eva');
    const { body: night } = await drive.post('/api/organizations/current/groups', ann, { name: 'Night' }).expect(201);
    const membership = `/api/organizations/current/groups/${night.id}/members/${eva.id}`;
    await test.http().put(membership).set(ann.auth).expect(204);
    const named = {
      hers: await drive.park({ assignees: eva.id }),
      groups: await drive.park({ assignees: { groups: 'night' } }),
      others: await drive.park({ assignees: bea.id }),
      soon: await drive.park({ assignees: eva.id, due_in: 3_600 }),
      later: await drive.park({ assignees: eva.id, due_in: 200_000 }),
      overdue: await drive.park({ assignees: eva.email, due_in: 3_600 }),
      claimed: await drive.park({ assignees: { users: [eva.id, bea.id] } }),
      taken: await drive.park({ assignees: { users: [eva.id, bea.id] } }),
      voted: await drive.park({ assignees: { users: [eva.id, bea.id] }, quorum: 2 }),
      decided: await drive.park({ assignees: eva.id }),
    };
    await becomeDue(test.database, [named.overdue.id], false);
    await drive.act(named.claimed, 'claim', eva).expect(200);
    await drive.act(named.taken, 'claim', bea).expect(200);
    await drive.decide(named.voted, eva).expect(200);
    await drive.decide(named.decided, eva, REJECT).expect(200);
    const { all, assigned, claimable, ...rest } = await viewsOf(eva, named);
    expect(all).toEqual(['hers', 'groups', 'soon', 'later', 'overdue', 'claimed']);
    expect(assigned).toEqual(['hers', 'soon', 'later', 'overdue', 'claimed']);
    expect(claimable).toEqual(['groups']);
    expect(rest).toEqual({ claimed: ['claimed'], due_soon: ['soon'], overdue: ['overdue'] });
    const wide = await drive.get('/api/inbox?view=due_soon&within_seconds=300000', eva).expect(200);
    expect(wide.body.data.map(({ id }: { id: string }) => id)).toEqual([named.soon.id, named.later.id]);
  });

  it('has nothing of what they started themselves where another is asked for', async () => {
    const named = { own: await drive.park({ not_requester: true, assignees: ann.user.id }) };
    expect((await viewsOf(ann, named))['all']).toEqual([]);
  });

  it('has what was delegated, but not once they have decided it for the colleague', async () => {
    const [eva, fay] = [
      await addMember(test, ann.organization.id, 'approver', 'Eva'),
      await addMember(test, ann.organization.id, 'approver', 'Fay'),
    ];
    const ends_at = new Date(Date.now() + 60_000).toISOString();
    await drive.post('/api/delegations', eva, { to_user: fay.id, ends_at }).expect(201);
    const assignees = { users: [eva.id, bea.id] };
    const named = { one: await drive.park({ assignees, quorum: 2 }) };
    expect((await viewsOf(fay, named))['all']).toEqual(['one']);
    await drive.decide(named.one, fay).expect(200);
    expect((await viewsOf(fay, named))['all']).toEqual([]);
    expect((await viewsOf(eva, named))['all']).toEqual([]);
    expect((await viewsOf(bea, named))['all']).toEqual(['one']);
  });

  it('has nothing for whose role does not decide', async () => {
    const named = { one: await drive.park({ assignees: vic.id }) };
    expect((await viewsOf(vic, named))['all']).toEqual([]);
  });
});

it('finds what was decided, by whom and how', async () => {
  const [one, two] = [await drive.park(), await drive.park()];
  await drive.decide(one, cem, edited({ text: 'other' })).expect(200);
  await drive.decide(two, cem, REJECT).expect(200);
  const found = async (query: string) =>
    ((await drive.get(`/api/checkpoints?order=desc&limit=5&${query}`).expect(200)).body.data as { id: string }[]).map(
      ({ id }) => id,
    );
  expect((await found(`decided_by=${cem.id}`)).slice(0, 2)).toEqual([two.id, one.id]);
  expect((await found('action=reject'))[0]).toBe(two.id);
  expect((await found('status=approved'))[0]).toBe(one.id);
});
