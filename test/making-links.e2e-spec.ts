import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DecisionLinksService } from '../src/checkpoints/decision-links.service.js';
import { Settings } from '../src/config/settings.js';
import { addMember, type TestMember } from './add-member.js';
import {
  APPROVE,
  brief,
  type CheckpointDriver,
  driveCheckpoints,
  type Parked,
  type Person,
} from './drive-checkpoints.js';
import { ANYONE, driveLinks, type LinkDriver, type MadeLink, MEMBERS } from './drive-links.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

let test: TestApp;
/** Owns the organization, and starts everything. */
let ann: TestPerson;
let bea: TestMember;
let cem: TestMember;
let drive: CheckpointDriver;
let links: LinkDriver;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  [bea, cem] = [await add('approver', 'Bea'), await add('approver', 'Cem')];
  drive = driveCheckpoints(test, ann);
  links = driveLinks(test, drive, ann);
});
afterAll(() => test.close());

const add = (role: 'approver' | 'viewer' | 'admin', name: string) => addMember(test, ann.organization.id, role, name);

describe('making a link', () => {
  const refusal = async (parked: Parked, who: Person, body: object = {}) => brief(await links.ask(parked, who, body));

  it('is refused where the definition does not let links decide, or not those without an account', async () => {
    const [no, members] = [await drive.park(), await drive.park(MEMBERS)];
    const refused = [403, 'LINK_MAY_NOT_DECIDE'];
    for (const body of [{}, { user_id: bea.id }]) expect(await refusal(no, bea, body)).toEqual(refused);
    expect(await refusal(members, ann)).toEqual(refused);
    expect(await refusal(members, bea, { user_id: bea.id })).toEqual([201]);
    expect((await drive.events(no)).at(-1)).toMatchObject({ type: 'refused', data: { code: 'LINK_MAY_NOT_DECIDE' } });
  });

  it('for a colleague is for admins; for somebody outside, for whoever could decide it, too', async () => {
    const parked = await drive.park({ ...ANYONE, assignees: bea.id });
    const vic = await add('viewer', 'Vic');
    const admin = await add('admin', 'Ada');
    expect(await refusal(parked, cem, { user_id: bea.id })).toEqual([403, 'PERMISSION_MISSING']);
    expect(await refusal(parked, cem)).toEqual([403, 'NOT_ASSIGNED']);
    expect(await refusal(parked, vic)).toEqual([403, 'PERMISSION_MISSING']);
    expect(await refusal(parked, bea)).toEqual([201]);
    for (const body of [{}, { user_id: bea.id }]) expect(await refusal(parked, admin, body)).toEqual([201]);
  });

  it('for a colleague is refused to everybody where different people have to decide', async () => {
    for (const policy of [{ not_requester: true }, { quorum: 2 }]) {
      const parked = await drive.park({ ...MEMBERS, ...policy });
      expect(await refusal(parked, ann, { user_id: bea.id })).toEqual([403, 'LINK_FOR_ANOTHER']);
      expect(await refusal(parked, bea, { user_id: bea.id })).toEqual([201]);
    }
  });

  it('is refused to an API key where keys may not decide, so that none gets round that', async () => {
    const scopes = ['checkpoint:read', 'checkpoint:decide', 'organization:manage'];
    const { body } = await drive.post('/api/auth/api-keys', ann, { name: 'robot', scopes }).expect(201);
    const robot = { auth: { Authorization: `Bearer ${body.key}` } };
    for (const asked of [{}, { user_id: ann.user.id }]) {
      expect(await refusal(await drive.park(ANYONE), robot, asked)).toEqual([403, 'API_KEY_MAY_NOT_DECIDE']);
      expect(await refusal(await drive.park({ ...ANYONE, allow_api_keys: true }), robot, asked)).toEqual([201]);
    }
  });

  it('is refused for what is closed, for nobody of the organization, and for times out of range', async () => {
    const parked = await drive.park(ANYONE);
    const eve = await test.register('Eve');
    expect(await refusal(parked, ann, { user_id: eve.user.id })).toEqual([404, 'NOT_FOUND']);
    for (const expires_in_seconds of [59, 2_592_001, 1.5]) {
      expect(await refusal(parked, ann, { expires_in_seconds })).toEqual([422, 'VALIDATION_FAILED']);
    }
    await drive.decide(parked, bea, APPROVE).expect(200);
    expect(await refusal(parked, ann)).toEqual([409, 'CHECKPOINT_CLOSED']);
  });
});

describe('the links of a checkpoint', () => {
  it('are listed without addresses, all to admins and to others their own, and revoked by the same', async () => {
    const parked = await drive.park(ANYONE);
    const [forBea, byBea] = [await links.make(parked, ann, { user_id: bea.id }), await links.make(parked, bea)];
    const forCem = await links.make(parked, ann, { user_id: cem.id });
    const path = `/api/checkpoints/${parked.id}/links`;
    const ids = async (who: Person) => {
      const { body } = await drive.get(path, who).expect(200);
      expect(JSON.stringify(body)).not.toContain('/decide/');
      return (body.data as MadeLink[]).map(({ id }) => id);
    };
    expect(await ids(ann)).toEqual([forCem.id, byBea.id, forBea.id]);
    expect(await ids(bea)).toEqual([byBea.id, forBea.id]);
    expect(await ids(cem)).toEqual([forCem.id]);
    const { body: page } = await drive.get(`${path}?limit=2`).expect(200);
    expect((await drive.get(`${path}?limit=2&cursor=${page.next_cursor}`).expect(200)).body.data).toHaveLength(1);
    expect(brief(await links.revoke(forCem, bea))).toEqual([404, 'NOT_FOUND']);
    const { body: revoked } = await links.revoke(forBea, bea).expect(200);
    expect((await links.revoke(forBea, ann).expect(200)).body).toEqual(revoked);
    expect((await links.auditOf(parked)).filter(({ action }) => action === 'checkpoint.link_revoked')).toHaveLength(1);
  });

  it('for a notice are made for members where links decide, until a day past the due moment', async () => {
    const service = test.app.get(DecisionLinksService, { strict: false });
    const makeFor = ({ id }: Parked, userId: string) => service.makeFor(ann.organization.id, id, userId);
    const eve = await test.register('Eve');
    const parked = await drive.park({ ...MEMBERS, due_in: 3_600 });
    const url = await makeFor(parked, bea.id);
    const [row] = await test.database.query<{ created_by: null; expires_at: Date }>(
      'select * from decision_links where checkpoint_id = $1',
      [parked.id],
    );
    const due = new Date((await drive.read(parked)).due_at as string).getTime();
    expect(row?.created_by).toBeNull();
    expect(Math.abs((row?.expires_at.getTime() ?? 0) - due - 86_400_000)).toBeLessThan(1_000);
    expect(await makeFor(parked, bea.id)).toBe(url);
    expect(await makeFor(parked, cem.id)).not.toBe(url);
    expect(await makeFor(parked, eve.user.id)).toBeNull();
    expect(await makeFor(await drive.park(), bea.id)).toBeNull();
    await links.send(url ?? '').expect(200);
    expect(await makeFor(parked, bea.id)).toBeNull();
  });

  it('come with the mail that asks a member to decide', async () => {
    const folder = join(test.app.get(Settings).DATA_DIR, 'mail');
    const parked = await drive.park({ ...MEMBERS, title: 'By mail?', assignees: cem.id });
    const isIt = (text: string) => text.includes(cem.email) && text.includes('By mail?');
    const mails = () =>
      (existsSync(folder) ? readdirSync(folder) : []).map((name) => readFileSync(join(folder, name), 'utf8'));
    const told = await waitFor(
      'the mail',
      () => Promise.resolve(mails().filter(isIt)),
      (found) => found.length > 0,
    );
    const mail = (told[0] ?? '').replaceAll('=\r\n', '').replaceAll('=3D', '=');
    const path = /http:\/\/localhost:\d+(\/decide\/[\w.-]+)/.exec(mail)?.[1] ?? '';
    await links.send(path).expect(200);
    expect(await drive.read(parked)).toMatchObject({ status: 'approved', decision: { decided_by: cem.id } });
  });
});
