import { addMember, type TestMember } from './add-member.js';
import { edge, node } from './definitions.js';
import {
  APPROVE,
  brief,
  type CheckpointDriver,
  driveCheckpoints,
  type Person,
  reviewFlow,
} from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

/** What somebody else may do who holds an API key of a person: what its scopes say and no more. */
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

async function makeKey(who: Person, ...scopes: string[]): Promise<Person> {
  const { body } = await drive.post('/api/auth/api-keys', who, { name: 'robot', scopes }).expect(201);
  return { auth: { Authorization: `Bearer ${body.key}` } };
}

const reading = (who: Person) => makeKey(who, 'checkpoint:read');
const deciding = (who: Person) => makeKey(who, 'checkpoint:read', 'checkpoint:decide');

describe('an API key', () => {
  it('that only reads makes no link that decides', async () => {
    const parked = await drive.park({ allow_api_keys: true, allow_links: 'anyone' });
    const key = await reading(bea);
    for (const body of [{ user_id: bea.id }, {}]) {
      expect(brief(await drive.act(parked, 'links', key, body))).toEqual([403, 'PERMISSION_MISSING']);
    }
    const manager = await makeKey(ann, 'checkpoint:read', 'organization:manage');
    for (const body of [{ user_id: bea.id }, {}]) {
      expect(brief(await drive.act(parked, 'links', manager, body))).toEqual([403, 'PERMISSION_MISSING']);
    }
    await drive.act(parked, 'links', await deciding(bea), { user_id: bea.id }).expect(201);
  });

  it('takes no decision back that it could not have taken', async () => {
    const parked = await drive.park({ quorum: 2 });
    await drive.decide(parked, bea).expect(200);
    const withdraw = (who: Person) => drive.act(parked, 'withdraw-decision', who);
    expect(brief(await withdraw(await deciding(bea)))).toEqual([403, 'API_KEY_MAY_NOT_DECIDE']);
    const open = await drive.park({ quorum: 2, allow_api_keys: true });
    await drive.decide(open, bea).expect(200);
    const refused = await drive.act(open, 'withdraw-decision', await reading(bea));
    expect(brief(refused)).toEqual([403, 'PERMISSION_MISSING']);
    await drive.act(open, 'withdraw-decision', await deciding(bea)).expect(200);
    await withdraw(bea).expect(200);
  });

  it('lets nobody stand in for its person', async () => {
    const cem = await addMember(test, ann.organization.id, 'approver', 'Cem');
    const parked = await drive.park({ assignees: bea.id });
    const body = { to_user: cem.id, ends_at: new Date(Date.now() + 3_600_000).toISOString() };
    for (const key of [await reading(bea), await deciding(bea), await makeKey(ann, 'checkpoint:read')]) {
      expect(brief(await drive.post('/api/delegations', key, body))).toEqual([403, 'SESSION_REQUIRED']);
    }
    expect(brief(await drive.decide(parked, cem, APPROVE))).toEqual([403, 'NOT_ASSIGNED']);
    await drive.post('/api/delegations', bea, body).expect(201);
    await drive.decide(parked, cem).expect(200);
  });

  it('decides nothing after it was revoked, early decisions neither', async () => {
    const { nodes, edges } = reviewFlow({ allow_api_keys: true });
    const wait = node('go', 'wait', { signal: 'go' });
    const id = await drive.start({ nodes: [wait, ...nodes], edges: [edge('go', 'review'), ...edges] });
    const early = { execution_id: id, node_id: 'review', ...APPROVE };
    const scopes = ['checkpoint:read', 'checkpoint:decide'];
    const { body } = await drive.post('/api/auth/api-keys', bea, { name: 'lost', scopes }).expect(201);
    const key = { auth: { Authorization: `Bearer ${body.key}` } };
    await drive.post('/api/early-decisions', key, early).expect(202);
    await test.http().delete(`/api/auth/api-keys/${body.id}`).set(bea.auth).expect(204);
    await drive.signal(id, 'go');
    const parked = await drive.openAt(id, 'review');
    expect(await drive.untilEarly(id, 'refused')).toMatchObject([{ refusal: 'PERMISSION_MISSING' }]);
    await drive.decide(await drive.again(parked), bea).expect(200);
  });
});
