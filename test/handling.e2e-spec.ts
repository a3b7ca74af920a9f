import { addMember, type TestMember } from './add-member.js';
import { APPROVE, brief, type CheckpointDriver, driveCheckpoints, type Parked } from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

let test: TestApp;
/** Owns the organization, so that she is an admin too, and starts everything. */
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

const typesOf = async (parked: Parked) => (await drive.events(parked)).map(({ type }) => type);

const NOT_ASSIGNED = [403, 'NOT_ASSIGNED'];

async function makeGroup(name: string, members: readonly TestMember[]): Promise<string> {
  const { body } = await drive.post('/api/organizations/current/groups', ann, { name }).expect(201);
  for (const { id } of members) await groupMember(body.id, id, 'put').expect(204);
  return body.id;
}

const groupMember = (group: string, user: string, method: 'put' | 'delete') =>
  test.http()[method](`/api/organizations/current/groups/${group}/members/${user}`).set(ann.auth);

describe('who is asked', () => {
  it.each([
    ['by id', () => cem.id],
    ['by e-mail, whatever the case', () => cem.email.toUpperCase()],
    ['by an expression', () => ({ users: ['{{ input.reviewer }}'] })],
  ])('a person %s decides, and nobody else', async (_, assignees) => {
    const parked = await drive.park({ assignees: assignees() }, undefined, { reviewer: cem.id });
    expect(brief(await drive.decide(parked, bea))).toEqual(NOT_ASSIGNED);
    expect(brief(await drive.decide(parked, ann))).toEqual(NOT_ASSIGNED);
    await drive.decide(parked, cem).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ output: { decided_by: cem.id } });
  });

  it('a role decides', async () => {
    const parked = await drive.park({ assignees: { roles: 'owner' } });
    expect(brief(await drive.decide(parked, bea))).toEqual(NOT_ASSIGNED);
    await drive.decide(parked, ann).expect(200);
  });

  it('a group decides, whatever the case of its name', async () => {
    await makeGroup('Legal', [bea]);
    const parked = await drive.park({ assignees: { groups: ['LEGAL'] } });
    expect(brief(await drive.decide(parked, cem))).toEqual(NOT_ASSIGNED);
    await drive.decide(parked, bea).expect(200);
  });

  it('whose role does not decide cannot, though named', async () => {
    const parked = await drive.park({ assignees: vic.id });
    expect(brief(await drive.decide(parked, vic))).toEqual([403, 'PERMISSION_MISSING']);
    expect((await drive.events(parked)).at(-1)).toMatchObject({ type: 'refused', actor: { user_id: vic.id } });
  });

  it('somebody of another organization finds nothing', async () => {
    const parked = await drive.park();
    const eve = await test.register('Eve');
    for (const answer of [
      await drive.get(`/api/checkpoints/${parked.id}`, eve),
      await drive.decide(parked, eve),
      await drive.act(parked, 'claim', eve),
      await drive.act(parked, 'comments', eve, { text: 'hi' }),
    ]) {
      expect(brief(answer)).toEqual([404, 'NOT_FOUND']);
    }
    expect(await typesOf(parked)).toEqual(['opened']);
  });

  it('is told what they may do, and why not', async () => {
    const parked = await drive.park({ not_requester: true });
    const mayOf = async (who: Pick<TestMember, 'auth'>) =>
      ((await drive.read(parked, who)).you as { action: string; code: string | null }[]).map(
        ({ action, code }) => `${action} ${code}`,
      );
    expect(await mayOf(bea)).toEqual(['approve null', 'edit null', 'reject null']);
    expect(await mayOf(ann)).toEqual([
      'approve REQUESTER_MAY_NOT_APPROVE',
      'edit REQUESTER_MAY_NOT_APPROVE',
      'reject null',
    ]);
    expect(new Set(await mayOf(vic))).toEqual(
      new Set(['approve', 'edit', 'reject'].map((action) => `${action} PERMISSION_MISSING`)),
    );
  });
});

describe('a claim', () => {
  it('keeps others from deciding until it is released', async () => {
    const parked = await drive.park();
    const { body } = await drive.act(parked, 'claim', bea).expect(200);
    expect(body).toMatchObject({ claimed_by: bea.id, claimed_by_name: 'Bea' });
    const refused = await drive.decide(await drive.again(parked), cem);
    expect([...brief(refused), refused.body.claimed_by]).toEqual([
      409,
      'CHECKPOINT_CLAIMED',
      { id: bea.id, name: 'Bea' },
    ]);
    expect(brief(await drive.act(parked, 'claim', cem))).toEqual([409, 'CHECKPOINT_CLAIMED']);
    expect(brief(await drive.act(parked, 'release', cem))).toEqual([409, 'CHECKPOINT_CLAIMED']);
    await drive.act(parked, 'release', bea).expect(200);
    await drive.decide(await drive.again(parked), cem).expect(200);
    expect(await typesOf(parked)).toEqual([
      'opened',
      'claimed',
      'refused',
      'refused',
      'refused',
      'released',
      'decided',
      'closed',
    ]);
  });

  it('of ten at once is one person’s', async () => {
    const parked = await drive.park();
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, i) => drive.act(parked, 'claim', i % 2 ? bea : cem)),
    );
    const { claimed_by } = await drive.read(parked);
    const statuses = claims.map(({ status }, i) => [status, (i % 2 ? bea : cem).id === claimed_by]);
    expect(statuses.every(([status, theirs]) => status === (theirs ? 200 : 409))).toBe(true);
    expect((await typesOf(parked)).filter((type) => type === 'claimed')).toHaveLength(1);
  });

  it('lets whoever has it decide, and can be released by an admin', async () => {
    const parked = await drive.park();
    await drive.act(parked, 'claim', cem).expect(200);
    await drive.act(parked, 'release', ann).expect(200);
    await drive.act(parked, 'claim', bea).expect(200);
    await drive.decide(await drive.again(parked), bea).expect(200);
  });

  it('cannot be got round by handing it to oneself', async () => {
    const parked = await drive.park();
    await drive.act(parked, 'claim', bea).expect(200);
    expect(brief(await drive.act(parked, 'reassign', cem, { users: [cem.id] }))).toEqual([409, 'CHECKPOINT_CLAIMED']);
    expect(await drive.read(parked)).toMatchObject({ claimed_by: bea.id, assigned_to: null });
    await drive.act(parked, 'reassign', bea, { users: [cem.id] }).expect(200);
    await drive.decide(await drive.again(parked), cem).expect(200);
  });

  it('is refused where several have to decide, to whom it is not for, and when it is over', async () => {
    const many = await drive.park({ quorum: 2 });
    expect(brief(await drive.act(many, 'claim', bea))).toEqual([409, 'CLAIM_NEEDS_ONE']);
    const one = await drive.park({ assignees: bea.id });
    expect(brief(await drive.act(one, 'claim', cem))).toEqual(NOT_ASSIGNED);
    expect(brief(await drive.act(one, 'claim', vic))).toEqual([403, 'PERMISSION_MISSING']);
    await drive.decide(one, bea).expect(200);
    expect(brief(await drive.act(one, 'claim', bea))).toEqual([409, 'CHECKPOINT_DECIDED']);
  });
});

describe('reassigning', () => {
  it('hands it to others, and only to them', async () => {
    const parked = await drive.park({ assignees: bea.id });
    expect(brief(await drive.act(parked, 'reassign', cem, { users: [cem.id] }))).toEqual(NOT_ASSIGNED);
    await drive.act(parked, 'reassign', bea, { users: [cem.email], comment: 'On holiday' }).expect(200);
    const now = await drive.again(parked);
    expect(brief(await drive.decide(now, bea))).toEqual(NOT_ASSIGNED);
    await drive.decide(now, cem).expect(200);
    expect((await drive.events(parked)).find(({ type }) => type === 'reassigned')).toMatchObject({
      actor: { user_id: bea.id },
      data: { comment: 'On holiday', to: { users: [cem.email] }, from: { users: [bea.id] } },
    });
  });

  it('is an admin’s too, to a role or a group, and ends a claim', async () => {
    await makeGroup('Finance', [cem]);
    const parked = await drive.park({ assignees: bea.id });
    await drive.act(parked, 'claim', bea).expect(200);
    await drive.act(parked, 'reassign', ann, { groups: ['finance'] }).expect(200);
    expect(await drive.read(parked)).toMatchObject({ claimed_by: null, assigned_to: { groups: ['finance'] } });
    await drive.decide(await drive.again(parked), cem).expect(200);
  });
});

describe('a comment', () => {
  it('is in the history, before and after the decision, and changes nothing that is shown', async () => {
    const parked = await drive.park();
    await drive.act(parked, 'comments', vic, { text: 'Why so much?' }).expect(201);
    await drive.decide(parked, bea).expect(200);
    await drive.act(parked, 'comments', bea, { text: 'See the contract' }).expect(201);
    const events = await drive.events(parked);
    expect(events.map(({ type }) => type)).toEqual(['opened', 'commented', 'decided', 'closed', 'commented']);
    expect(events.flatMap(({ data, actor }) => ('text' in data ? [[actor.name, data['text']]] : []))).toEqual([
      ['Vic', 'Why so much?'],
      ['Bea', 'See the contract'],
    ]);
  });
});

describe('a delegation', () => {
  const at = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();
  const delegate = (who: Pick<TestMember, 'auth'>, body: object) => drive.post('/api/delegations', who, body);

  it('lets the colleague decide within its time, on record as for whom', async () => {
    const parked = await drive.park({ assignees: bea.id });
    await delegate(bea, { to_user: cem.id, starts_at: at(3_600), ends_at: at(7_200) }).expect(201);
    await delegate(bea, { to_user: cem.id, starts_at: at(-7_200), ends_at: at(-3_600) }).expect(201);
    expect(brief(await drive.decide(parked, cem))).toEqual(NOT_ASSIGNED);
    const { body } = await delegate(bea, { to_user: cem.id, starts_at: at(-60), ends_at: at(3_600) }).expect(201);
    const decided = await drive.decide(parked, cem).expect(200);
    expect(decided.body.decision).toMatchObject({
      decided_by: cem.id,
      on_behalf_of: bea.id,
      on_behalf_of_name: 'Bea',
    });
    await drive.post(`/api/delegations/${body.id}/revoke`, bea).expect(200);
    expect(brief(await drive.decide(await drive.park({ assignees: bea.id }), cem))).toEqual(NOT_ASSIGNED);
  });

  it('can be given by an admin for others, by nobody else, and not passed on', async () => {
    const ends_at = at(3_600);
    const given = { from_user: bea.id, to_user: cem.id, ends_at };
    expect(brief(await delegate(cem, given))).toEqual([403, 'PERMISSION_MISSING']);
    expect(brief(await delegate(bea, { to_user: bea.id, ends_at }))).toEqual([422, 'DELEGATION_TO_SELF']);
    expect(brief(await delegate(bea, { to_user: cem.id, ends_at: at(-1) }))).toEqual([422, 'DELEGATION_PERIOD']);
    const { body: first } = await delegate(ann, given).expect(201);
    const { body: second } = await delegate(cem, { to_user: ann.user.id, ends_at }).expect(201);
    const parked = await drive.park({ assignees: bea.id });
    expect(brief(await drive.decide(parked, ann))).toEqual(NOT_ASSIGNED);
    await drive.decide(parked, cem, { ...APPROVE, on_behalf_of: bea.id }).expect(200);
    for (const { id } of [first, second]) await drive.post(`/api/delegations/${id}/revoke`, ann).expect(200);
    const late = await drive.park({ assignees: bea.id });
    const asked = { ...APPROVE, on_behalf_of: bea.id };
    expect(brief(await drive.decide(late, cem, asked))).toEqual([403, 'NO_MANDATE']);
  });
});

describe('(n) demoting a person takes effect on their next decision', () => {
  const MISSING = [403, 'PERMISSION_MISSING'];
  const setRole = ({ id }: TestMember, role: string) =>
    test.http().patch(`/api/organizations/current/members/${id}`).set(ann.auth).send({ role }).expect(200);

  it('of a role', async () => {
    const dan = await addMember(test, ann.organization.id, 'approver', 'Dan');
    const [one, two] = [await drive.park(), await drive.park()];
    await drive.decide(one, dan).expect(200);
    await setRole(dan, 'editor');
    expect(brief(await drive.decide(two, dan))).toEqual(MISSING);
    const decisions = [{ id: two.id, revision: 1, ...APPROVE }];
    const { body } = await drive.post('/api/checkpoints/decide', dan, { decisions }).expect(200);
    expect(body.data).toMatchObject([{ status: 403 }]);
    await setRole(dan, 'approver');
    await drive.decide(two, dan).expect(200);
  });

  it('of a role, for whoever stands in for them', async () => {
    const dan = await addMember(test, ann.organization.id, 'approver', 'Dan');
    const ends_at = new Date(Date.now() + 60_000).toISOString();
    await drive.post('/api/delegations', dan, { to_user: bea.id, ends_at }).expect(201);
    const parked = await drive.park({ assignees: dan.id });
    await setRole(dan, 'viewer');
    expect(brief(await drive.decide(parked, bea))).toEqual(NOT_ASSIGNED);
    await setRole(dan, 'approver');
    await drive.decide(parked, bea).expect(200);
  });

  it('of a role that a checkpoint asks for', async () => {
    const dan = await addMember(test, ann.organization.id, 'admin', 'Dan');
    const parked = await drive.park({ assignees: { roles: 'admin' } });
    await setRole(dan, 'approver');
    expect(brief(await drive.decide(parked, dan))).toEqual(NOT_ASSIGNED);
  });

  it('of a group', async () => {
    const group = await makeGroup('Board', [bea]);
    const parked = await drive.park({ assignees: { groups: 'Board' } });
    await groupMember(group, bea.id, 'delete').expect(204);
    expect(brief(await drive.decide(parked, bea))).toEqual(NOT_ASSIGNED);
  });

  it('of an organization', async () => {
    const dan = await addMember(test, ann.organization.id, 'approver', 'Dan');
    const parked = await drive.park();
    await test.http().delete(`/api/organizations/current/members/${dan.id}`).set(ann.auth).expect(204);
    expect((await drive.decide(parked, dan)).status).toBe(401);
    expect(await drive.read(parked)).toMatchObject({ status: 'open' });
  });

  it('of a role, by a link that they had already', async () => {
    const dan = await addMember(test, ann.organization.id, 'approver', 'Dan');
    const parked = await drive.park({ allow_links: 'members' });
    const link = await drive.link(parked, dan);
    await setRole(dan, 'viewer');
    expect((await link.decide()).status).toBe(403);
    expect(await drive.read(parked)).toMatchObject({ status: 'open', decisions: [] });
    await setRole(dan, 'approver');
    await link.decide().expect(200);
    expect((await link.decide()).status).toBe(409);
  });

  it('of an API key, and of its person', async () => {
    const dan = await addMember(test, ann.organization.id, 'approver', 'Dan');
    const scopes = ['checkpoint:read', 'checkpoint:decide'];
    const { body } = await drive.post('/api/auth/api-keys', dan, { name: 'robot', scopes }).expect(201);
    const key = { auth: { Authorization: `Bearer ${body.key}` } };
    const parked = await drive.park({ allow_api_keys: true });
    await setRole(dan, 'viewer');
    expect(brief(await drive.decide(parked, key))).toEqual(MISSING);
    await setRole(dan, 'approver');
    expect(brief(await drive.decide(await drive.park(), key))).toEqual([403, 'API_KEY_MAY_NOT_DECIDE']);
    await test.http().delete(`/api/auth/api-keys/${body.id}`).set(dan.auth).expect(204);
    expect(brief(await drive.decide(parked, key))).toEqual([401, 'API_KEY_INVALID']);
    await drive.decide(parked, dan).expect(200);
  });
});

it('leaves a record that is intact', async () => {
  expect((await drive.get('/api/audit/verify').expect(200)).body).toMatchObject({ intact: true });
});
