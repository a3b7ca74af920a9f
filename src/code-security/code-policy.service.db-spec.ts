import { addMember } from '../../test/add-member.js';
import { startTestApp, type TestApp, type TestPerson } from '../../test/start-test-app.js';

const POLICY = '/api/security/policy';
const WIDEST = { allowed_addresses: [], max_timeout_seconds: 300, max_memory_mb: 2048 };

interface Auth extends Record<string, string> {
  Authorization: string;
}

let test: TestApp;
let ann: TestPerson;
let bob: TestPerson;

beforeAll(async () => {
  test = await startTestApp({ HOLDPOINT_ROLES: 'api', TRUST_PROXY: '127.0.0.1' });
});

beforeEach(async () => {
  ann = await test.register('Ann');
  bob = await test.register('Bob');
});

afterAll(() => test.close());

const read = ({ auth }: { auth: Auth }) => test.http().get(POLICY).set(auth);
const change = ({ auth }: { auth: Auth }, version: number, changes: object) =>
  test
    .http()
    .put(POLICY)
    .set({ ...auth, 'If-Match': `"${version}"` })
    .send({ ...WIDEST, ...changes });
const execute = ({ auth }: { auth: Auth }, body: object = {}, from = '203.0.113.9') =>
  test
    .http()
    .post('/api/security/execute')
    .set({ ...auth, 'X-Forwarded-For': from })
    .send({ code: 'print(1)', ...body });

describe('the policy of an organization', () => {
  it('is the widest until it is changed, by who saw it as it is, and each change is on record', async () => {
    const first = await read(ann).expect(200).expect('ETag', '"1"');
    expect(first.body).toEqual({ ...WIDEST, version: 1 });
    const changes = { allowed_addresses: ['203.0.113.0/24'], max_timeout_seconds: 20, max_memory_mb: 256 };
    await change(ann, 2, changes).expect(412);
    const changed = await change(ann, 1, changes).expect(200).expect('ETag', '"2"');
    expect(changed.body).toEqual({ ...changes, version: 2 });
    await change(ann, 1, {}).expect(412);
    expect((await read(ann).expect(200)).body).toEqual({ ...changes, version: 2 });
    await change(ann, 2, {}).expect(200).expect('ETag', '"3"');
    await test.http().put(POLICY).set(ann.auth).send(WIDEST).expect(428);
    expect((await read(bob).expect(200)).body).toEqual({ ...WIDEST, version: 1 });
    const { body } = await test.http().get('/api/audit').query({ subject_type: 'organization' }).set(ann.auth);
    const own = (body as { data: { action: string }[] }).data.filter(({ action }) => action === 'code_policy.changed');
    expect(own).toMatchObject([
      { details: { ...WIDEST, version: 3 }, actor_id: ann.user.id },
      { details: { ...changes, version: 2 } },
    ]);
  });

  it('lets exactly one of ten changes of the same version through', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => change(ann, 1, { max_timeout_seconds: 10 + index })),
    );
    expect(answers.map(({ status }) => `${status}`).toSorted()).toEqual([
      '200',
      ...Array.from({ length: 9 }, () => '412'),
    ]);
  });

  it('may be read by members and changed by admins', async () => {
    const editor = await addMember(test, ann.organization.id, 'editor');
    const admin = await addMember(test, ann.organization.id, 'admin');
    await read(editor).expect(200);
    await change(editor, 1, {}).expect(403);
    await change(admin, 1, {}).expect(200);
  });

  it.each([
    ['an address that is none', { allowed_addresses: ['example.com'] }, '/allowed_addresses/0'],
    ['a network that is none', { allowed_addresses: ['10.0.0.0/8', '10.0.0.0/33'] }, '/allowed_addresses/1'],
    ['101 addresses', { allowed_addresses: Array.from({ length: 101 }, () => '::1') }, '/allowed_addresses'],
    ['no time', { max_timeout_seconds: 0 }, '/max_timeout_seconds'],
    ['too much time', { max_timeout_seconds: 301 }, '/max_timeout_seconds'],
    ['too little memory', { max_memory_mb: 63 }, '/max_memory_mb'],
    ['an unknown field', { version: 1 }, '/version'],
  ])('cannot have %s', async (_, changes, pointer) => {
    const { body } = await change(ann, 1, changes).expect(422);
    expect((body as { errors: object[] }).errors).toMatchObject([{ pointer }]);
  });
});

describe('allowed addresses', () => {
  it.each([
    ['203.0.113.9', 200],
    ['::ffff:203.0.113.77', 200],
    ['2001:db8::5', 200],
    ['198.51.100.1', 403],
    ['203.0.114.9', 403],
    ['2001:db9::5', 403],
    ['nonsense', 403],
  ])('let in or refuse who runs code from %s: %d', async (from, status) => {
    await change(ann, 1, { allowed_addresses: ['203.0.113.0/24', '2001:db8::/32'] }).expect(200);
    const { body } = await execute(ann, {}, from).expect(status);
    if (status === 403) expect(body).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED' });
    else expect(body).toMatchObject({ stdout: '1\n' });
  });

  it('put who is refused on record, run nothing for them, and concern nobody else', async () => {
    await change(ann, 1, { allowed_addresses: ['198.51.100.1'] }).expect(200);
    await execute(ann).expect(403);
    const rows = await test.database.query(
      `select action, address, details->>'reason' as reason from audit_records
       where organization_id = $1 and subject_type = 'code_run'`,
      [ann.organization.id],
    );
    expect(rows).toEqual([{ action: 'code.refused', address: '203.0.113.9', reason: 'ADDRESS_NOT_ALLOWED' }]);
    const history = await test.http().get('/api/security/executions').set(ann.auth).expect(200);
    expect(history.body).toEqual({ data: [], next_cursor: null });
    await execute(bob).expect(200);
  });

  it('keep nobody from changing the policy', async () => {
    await change(ann, 1, { allowed_addresses: ['198.51.100.1'] }).expect(200);
    await execute(ann).expect(403);
    await change(ann, 2, {}).expect(200);
    await execute(ann).expect(200);
  });
});

describe('limits of an organization', () => {
  const limits = async (person: TestPerson) =>
    (await test.http().get('/api/security/limits').set(person.auth).expect(200)).body as object;

  it('hold for its runs, the defaults included, and are told', async () => {
    await change(ann, 1, { max_timeout_seconds: 20, max_memory_mb: 256 }).expect(200);
    expect(await limits(ann)).toMatchObject({
      timeout: { min: 1, max: 20, default: 20 },
      max_memory_mb: { min: 64, max: 256, default: 256 },
    });
    expect(await limits(bob)).toMatchObject({ timeout: { max: 300 }, max_memory_mb: { max: 2048 } });
    const { body } = await execute(ann, { timeout: 21, max_memory_mb: 257 }).expect(422);
    expect(body).toMatchObject({
      code: 'VALIDATION_FAILED',
      errors: [
        { pointer: '/timeout', code: 'TOO_BIG', message: expect.stringContaining('at most 20 s') },
        { pointer: '/max_memory_mb', code: 'TOO_BIG', message: expect.stringContaining('at most 256 MB') },
      ],
    });
    await execute(ann, { timeout: 20, max_memory_mb: 256 }).expect(200);
    const ran = await execute(ann).expect(200);
    const { execution_id } = ran.body as { execution_id: string };
    const row = await test.http().get(`/api/security/executions/${execution_id}`).set(ann.auth).expect(200);
    expect(row.body).toMatchObject({ timeout_seconds: 20, max_memory_mb: 256 });
    await execute(bob, { timeout: 21, max_memory_mb: 257 }).expect(200);
  });
});
