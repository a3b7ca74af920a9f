import { addMember } from './add-member.js';
import { brief, type CheckpointDriver, driveCheckpoints, type Parked, type Person } from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

/** Links for people without an account. */
let test: TestApp;
let ann: TestPerson;
let drive: CheckpointDriver;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  drive = driveCheckpoints(test, ann);
});
afterAll(() => test.close());

const park = () => drive.park({ allow_links: 'anyone' });

async function linkBy(parked: Parked, maker: Person): Promise<string> {
  return (await drive.act(parked, 'links', maker).expect(201)).body.url;
}

const send = (url: string, name: string) =>
  test.http().post(url).type('form').send({ action: 'approve', revision: 1, name });

describe('a link for somebody without an account', () => {
  it('opens nothing once whoever made it left, or may not decide any more', async () => {
    const bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
    const parked = await park();
    const url = await linkBy(parked, bea);
    await test.http().get(url).expect(200);
    const member = `/api/organizations/current/members/${bea.id}`;
    await test.http().patch(member).set(ann.auth).send({ role: 'viewer' }).expect(200);
    await test.http().get(url).expect(410);
    await send(url, 'Zoe').expect(410);
    await test.http().patch(member).set(ann.auth).send({ role: 'approver' }).expect(200);
    await test.http().get(url).expect(200);
    await test.http().delete(member).set(ann.auth).expect(204);
    await send(url, 'Zoe').expect(410);
    expect(await drive.read(parked)).toMatchObject({ status: 'open', decisions: [] });
  });

  it('says everywhere that nobody has verified the name', async () => {
    const parked = await park();
    const [first, second] = [await linkBy(parked, ann), await linkBy(parked, ann)];
    await send(first, 'Ann').expect(200);
    const late = await drive.decide(await drive.again(parked), ann);
    expect(brief(late)).toEqual([409, 'CHECKPOINT_DECIDED']);
    expect(JSON.stringify(late.body)).toContain('Ann (name not verified) was first');
    expect((await test.http().get(second).expect(200)).text).toContain('Ann (name not verified)');
  });
});
