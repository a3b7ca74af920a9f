import { AuditService } from '../src/audit/audit.service.js';
import { MAX_LIVE_KEYS } from '../src/auth/api-keys.service.js';
import { type Permission, ROLE_PERMISSIONS, ROLES } from '../src/platform/http/permissions.js';
import { addMember, type TestMember } from './add-member.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

const KEYS = '/api/auth/api-keys';
const MEMBERS = '/api/organizations/current/members';
const GROUPS = '/api/organizations/current/groups';

interface Auth extends Record<string, string> {
  Authorization: string;
}

let test: TestApp;

beforeAll(async () => {
  test = await startTestApp();
});

afterAll(() => test.close());

const get = (path: string, { auth }: { auth: Auth }) => test.http().get(path).set(auth);
const post = (path: string, { auth }: { auth: Auth }, body: object) => test.http().post(path).set(auth).send(body);
const patch = (path: string, { auth }: { auth: Auth }, body: object) => test.http().patch(path).set(auth).send(body);
const put = (path: string, { auth }: { auth: Auth }) => test.http().put(path).set(auth);
const del = (path: string, { auth }: { auth: Auth }) => test.http().delete(path).set(auth);

const summary = ({ status, body }: { status: number; body: { code?: string } }) => [status, body.code];

interface Key {
  id: string;
  key: string;
  auth: Auth;
}

async function makeKey(person: { auth: Auth }, scopes: readonly Permission[], more: object = {}): Promise<Key> {
  const { body } = await post(KEYS, person, { name: 'import', scopes, ...more }).expect(201);
  const { id, key } = body as { id: string; key: string };
  return { id, key, auth: { Authorization: `Bearer ${key}` } };
}

async function auditOf({ organization }: TestPerson, subjectType: string) {
  return test.database.query<{ action: string; actor_id: string; subject_id: string; details: object }>(
    `select action, actor_id, subject_id, details from audit_records
     where organization_id = $1 and subject_type = $2 order by seq`,
    [organization.id, subjectType],
  );
}

const permissionsOf = async (who: { auth: Auth }) =>
  ((await get('/api/auth/me', who).expect(200)).body as { permissions: string[] }).permissions;

/** The same person, signed in to another organization that they belong to. */
async function enter(person: TestPerson, organizationId: string): Promise<{ auth: Auth }> {
  const { email, password } = person;
  const login = { email, password, organization_id: organizationId };
  const { body } = await test.http().post('/api/auth/login').send(login).expect(200);
  return { auth: { Authorization: `Bearer ${String(body.access_token)}` } };
}

describe('an API key', () => {
  it('is shown once, acts as its person with its scopes, and is listed without it', async () => {
    const ann = await test.register();
    const asked = { name: 'nightly import', scopes: ['workflow:read', 'execution:start', 'workflow:read'] };
    const { body } = await post(KEYS, ann, asked).expect(201);
    const { key, ...shown } = body as { key: string; prefix: string };
    expect(key).toMatch(/^hp_[\da-f]{12}_[\w-]{43}$/);
    expect(shown).toEqual({
      id: expect.any(String),
      name: 'nightly import',
      prefix: key.slice(0, 15),
      scopes: ['workflow:read', 'execution:start'],
      created_at: expect.stringMatching(/Z$/),
      last_used_at: null,
      expires_at: null,
      revoked_at: null,
    });
    const { body: page } = await get(KEYS, ann).expect(200);
    expect(page).toEqual({ data: [shown], next_cursor: null });

    const me = await get('/api/auth/me', { auth: { Authorization: `Bearer ${key}` } }).expect(200);
    expect(me.body).toMatchObject({ user: { id: ann.user.id }, organization: { id: ann.organization.id } });
    expect(me.body.permissions).toEqual(['workflow:read', 'execution:start']);
  });

  it('does what its scopes say and is told what they lack', async () => {
    const ann = await test.register();
    const key = await makeKey(ann, ['workflow:read']);
    await get('/api/workflows', key).expect(200);
    const { status, body } = await get('/api/executions', key);
    expect([status, body.code]).toEqual([403, 'PERMISSION_MISSING']);
    expect(body.detail).toContain('execution:read');
    expect(body.detail).toContain('API key');
  });

  it('never may more than the role of its person at the time of the request', async () => {
    const ann = await test.register();
    const bea = await addMember(test, ann.organization.id, 'admin');
    const scopes = ['audit:read', 'workflow:write', 'workflow:read', 'checkpoint:decide'] as const;
    const key = await makeKey(bea, scopes);
    for (const role of ROLES) {
      await patch(`${MEMBERS}/${bea.id}`, ann, { role }).expect(200);
      const held = ROLE_PERMISSIONS[role].filter((permission) => (scopes as readonly string[]).includes(permission));
      expect(await permissionsOf(key)).toEqual(held);
      expect((await get('/api/audit', key)).status).toBe(held.includes('audit:read') ? 200 : 403);
    }
  });

  it('cannot be given what its person does not have', async () => {
    const ann = await test.register();
    const vic = await addMember(test, ann.organization.id, 'viewer');
    const answer = await post(KEYS, vic, { name: 'x', scopes: ['workflow:read', 'audit:read'] });
    expect(summary(answer)).toEqual([403, 'SCOPE_NOT_HELD']);
    expect(answer.body.errors).toEqual([expect.objectContaining({ pointer: '/scopes/1', code: 'SCOPE_NOT_HELD' })]);
  });

  it('stops working at its revocation and stays revoked', async () => {
    const ann = await test.register();
    const key = await makeKey(ann, ['workflow:read']);
    await del(`${KEYS}/${key.id}`, ann).expect(204);
    expect(summary(await get('/api/workflows', key))).toEqual([401, 'API_KEY_INVALID']);
    expect(summary(await del(`${KEYS}/${key.id}`, ann))).toEqual([404, 'NOT_FOUND']);
    const { body } = await get(KEYS, ann).expect(200);
    expect(body.data).toEqual([expect.objectContaining({ id: key.id, revoked_at: expect.stringMatching(/Z$/) })]);
  });

  it('stops working when it expires, and cannot be made expired', async () => {
    const ann = await test.register();
    const key = await makeKey(ann, ['workflow:read'], { expires_at: new Date(Date.now() + 3_600_000).toISOString() });
    await get('/api/workflows', key).expect(200);
    await test.database.query('update api_keys set expires_at = now() where id = $1', [key.id]);
    expect(summary(await get('/api/workflows', key))).toEqual([401, 'API_KEY_INVALID']);
    for (const expires_at of ['2020-01-01T00:00:00Z', '0000-01-01T00:00:00Z']) {
      const answer = await post(KEYS, ann, { name: 'x', scopes: ['workflow:read'], expires_at });
      expect(summary(answer)).toEqual([422, 'EXPIRY_PASSED']);
    }
    const never = { name: 'x', scopes: ['workflow:read'], expires_at: '9999-12-31T23:59:59Z' };
    expect((await post(KEYS, ann, never).expect(201)).body.expires_at).toBe('9999-12-31T23:59:59.000Z');
  });

  it('goes with the membership and does not come back with another', async () => {
    const ann = await test.register();
    const bob = await test.register('Bob');
    await post(MEMBERS, ann, { email: bob.email, role: 'editor' }).expect(201);
    const key = await makeKey(await enter(bob, ann.organization.id), ['workflow:read']);
    await get('/api/workflows', key).expect(200);
    await del(`${MEMBERS}/${bob.user.id}`, ann).expect(204);
    expect(summary(await get('/api/workflows', key))).toEqual([401, 'API_KEY_INVALID']);
    await post(MEMBERS, ann, { email: bob.email, role: 'owner' }).expect(201);
    expect(summary(await get('/api/workflows', key))).toEqual([401, 'API_KEY_INVALID']);
  });

  it.each([
    ['of nobody', `hp_${'0'.repeat(12)}_${'A'.repeat(43)}`],
    ['cut short', 'hp_000000000000_AAAA'],
    ['of nothing but its beginning', 'hp_'],
  ])('%s is refused', async (_, key) => {
    const answer = await get('/api/auth/me', { auth: { Authorization: `Bearer ${key}` } });
    expect(summary(answer)).toEqual([401, 'API_KEY_INVALID']);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.headers['ratelimit']).toContain('"minute";r=');
  });

  it('with one character changed is refused', async () => {
    const { key } = await makeKey(await test.register(), ['workflow:read']);
    const changed = key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A');
    const answer = await get('/api/auth/me', { auth: { Authorization: `Bearer ${changed}` } });
    expect(summary(answer)).toEqual([401, 'API_KEY_INVALID']);
  });

  it('is of no use as a refresh token or in a query', async () => {
    const { key } = await makeKey(await test.register(), ['workflow:read']);
    const refresh = await test.http().post('/api/auth/refresh').send({ refresh_token: key });
    expect(summary(refresh)).toEqual([401, 'REFRESH_TOKEN_INVALID']);
    const query = await test.http().get(`/api/workflows?access_token=${key}`);
    expect(summary(query)).toEqual([401, 'UNAUTHENTICATED']);
  });

  it('manages neither sessions nor API keys nor leaves the organization, whatever its scopes', async () => {
    const ann = await test.register();
    const ed = await addMember(test, ann.organization.id, 'editor');
    const key = await makeKey(ed, ROLE_PERMISSIONS.editor);
    const attempts = [
      () => get('/api/auth/sessions', key),
      () => post('/api/auth/logout', key, {}),
      () => get(KEYS, key),
      () => post(KEYS, key, { name: 'x', scopes: ['workflow:read'] }),
      () => del(`${KEYS}/${key.id}`, key),
    ];
    for (const attempt of attempts) expect(summary(await attempt())).toEqual([403, 'SESSION_REQUIRED']);
    expect(summary(await del(`${MEMBERS}/${ed.id}`, key))).toEqual([403, 'PERMISSION_MISSING']);
    await get('/api/workflows', key).expect(200);
  });

  it('has its last use on record, to the minute', async () => {
    const ann = await test.register();
    const key = await makeKey(ann, ['workflow:read']);
    const lastUse = async () => (await get(KEYS, ann).expect(200)).body.data[0].last_used_at as string | null;
    expect(await lastUse()).toBeNull();
    await Promise.all(Array.from({ length: 10 }, () => get('/api/workflows', key).expect(200)));
    const first = await waitFor('a use on record', lastUse, (moment) => moment !== null);
    await get('/api/workflows', key).expect(200);
    expect(await lastUse()).toBe(first);
    await test.database.query(`update api_keys set last_used_at = now() - interval '61 seconds' where id = $1`, [
      key.id,
    ]);
    const old = await lastUse();
    await get('/api/workflows', key).expect(200);
    await waitFor('the next use on record', lastUse, (moment) => moment !== old);
  });

  it('works also when its use cannot be recorded', async () => {
    const key = await makeKey(await test.register(), ['workflow:read']);
    await test.database.query(`create function refuse_use() returns trigger language plpgsql as $$
      begin raise exception 'no use today'; end $$`);
    await test.database.query('create trigger refuse before update on api_keys execute function refuse_use()');
    await get('/api/workflows', key).expect(200);
    await get('/api/workflows', key).expect(200);
    await test.database.query('drop function refuse_use cascade');
  });

  it('is one of at most fifty that work, also when many are made at once', async () => {
    const ann = await test.register();
    const bea = await addMember(test, ann.organization.id, 'viewer');
    const one = await makeKey(ann, ['workflow:read']);
    await test.database.query(
      `insert into api_keys (id, organization_id, user_id, name, prefix, hash, scopes)
       select gen_random_uuid(), organization_id, user_id, 'x', 'x', gen_random_uuid(), scopes
       from api_keys, generate_series(1, $2) where id = $1`,
      [one.id, MAX_LIVE_KEYS - 2],
    );
    const make = () => post(KEYS, ann, { name: 'x', scopes: ['workflow:read'] });
    const answers = await Promise.all(Array.from({ length: 5 }, make));
    const codes = answers.map(({ body }) => String(body.code ?? 'made'));
    expect(codes.toSorted()).toEqual([...Array.from({ length: 4 }, () => 'TOO_MANY_API_KEYS'), 'made']);
    await makeKey(bea, ['workflow:read']);
    await del(`${KEYS}/${one.id}`, ann).expect(204);
    await make().expect(201);
  });

  it('is on record when it is made and revoked, without what opens anything', async () => {
    const ann = await test.register();
    const { id, key } = await makeKey(ann, ['workflow:read']);
    await del(`${KEYS}/${id}`, ann).expect(204);
    const [made, revoked] = await auditOf(ann, 'api_key');
    const prefix = key.slice(0, 15);
    expect(made).toEqual({
      action: 'api_key.created',
      actor_id: ann.user.id,
      subject_id: id,
      details: { user_id: ann.user.id, name: 'import', prefix, scopes: ['workflow:read'], expires_at: null },
    });
    expect(revoked).toMatchObject({ action: 'api_key.revoked', actor_id: ann.user.id, subject_id: id });
    const tables = await test.database.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'public'",
    );
    const rows = await Promise.all(tables.map(({ name }) => test.database.query(`select t::text from "${name}" t`)));
    expect(JSON.stringify(rows)).toContain(prefix);
    expect(JSON.stringify(rows)).not.toContain(key.slice(16));
  });

  it('is nobody else’s to see or revoke, and pages through', async () => {
    const ann = await test.register();
    const bea = await addMember(test, ann.organization.id, 'owner');
    const key = await makeKey(ann, ['workflow:read']);
    expect(summary(await del(`${KEYS}/${key.id}`, bea))).toEqual([404, 'NOT_FOUND']);
    expect((await get(KEYS, bea).expect(200)).body.data).toEqual([]);
    const second = await makeKey(ann, ['workflow:read']);
    const { body: page } = await get(`${KEYS}?limit=1`, ann).expect(200);
    expect(page.data[0].id).toBe(second.id);
    const { body: rest } = await get(`${KEYS}?limit=1&cursor=${page.next_cursor}`, ann).expect(200);
    expect([rest.data[0].id, rest.next_cursor]).toEqual([key.id, null]);
  });
});

describe('a member', () => {
  it('is added by e-mail with a role, and enters by naming the organization', async () => {
    const [ann, bob] = [await test.register(), await test.register('Bob')];
    const { body } = await post(MEMBERS, ann, { email: ` ${bob.email.toUpperCase()} `, role: 'approver' }).expect(201);
    expect(body).toEqual({
      user_id: bob.user.id,
      email: bob.email,
      name: 'Bob',
      role: 'approver',
      joined_at: expect.stringMatching(/Z$/),
    });
    const there = await enter(bob, ann.organization.id);
    const me = await get('/api/auth/me', there).expect(200);
    expect(me.body).toMatchObject({ organization: { id: ann.organization.id }, role: 'approver' });
    const { body: own } = await get('/api/organizations', there).expect(200);
    expect(own.data).toEqual([
      expect.objectContaining({ role: 'approver', current: true, id: ann.organization.id }),
      expect.objectContaining({ role: 'owner', current: false, id: bob.organization.id }),
    ]);
    expect((await get('/api/auth/me', bob).expect(200)).body.organization.id).toBe(bob.organization.id);
    const [record] = (await auditOf(ann, 'member')).slice(-1);
    expect(record).toEqual({
      action: 'member.added',
      actor_id: ann.user.id,
      subject_id: bob.user.id,
      details: { role: 'approver' },
    });
  });

  it('is not added who has no account or is one already', async () => {
    const [ann, bob] = [await test.register(), await test.register('Bob')];
    const unknown = await post(MEMBERS, ann, { email: 'nobody@test.example', role: 'viewer' });
    expect(summary(unknown)).toEqual([422, 'USER_UNKNOWN']);
    const add = () => post(MEMBERS, ann, { email: bob.email, role: 'viewer' });
    const answers = await Promise.all([add(), add(), add()]);
    const codes = answers.map(({ body }) => String(body.code ?? 'added'));
    expect(codes.toSorted()).toEqual(['ALREADY_MEMBER', 'ALREADY_MEMBER', 'added']);
    expect(await auditOf(ann, 'member')).toHaveLength(1);
  });

  it('enters no organization that is another’s or is not there', async () => {
    const [ann, bob] = [await test.register(), await test.register('Bob')];
    const { email, password } = bob;
    for (const organization_id of [ann.organization.id, '01900000-0000-7000-8000-000000000000']) {
      const answer = await test.http().post('/api/auth/login').send({ email, password, organization_id });
      expect(summary(answer)).toEqual([403, 'NO_ORGANIZATION']);
    }
    const wrong = { email, password: 'wrong', organization_id: ann.organization.id };
    expect(summary(await test.http().post('/api/auth/login').send(wrong))).toEqual([401, 'INVALID_CREDENTIALS']);
  });

  it('has a new role from the next request on', async () => {
    const ann = await test.register();
    const bea = await addMember(test, ann.organization.id, 'editor');
    await get('/api/audit', bea).expect(403);
    const { body } = await patch(`${MEMBERS}/${bea.id}`, ann, { role: 'admin' }).expect(200);
    expect(body).toMatchObject({ user_id: bea.id, role: 'admin' });
    await get('/api/audit', bea).expect(200);
    await patch(`${MEMBERS}/${bea.id}`, ann, { role: 'viewer' }).expect(200);
    await get('/api/audit', bea).expect(403);
    expect(await permissionsOf(bea)).toEqual([...ROLE_PERMISSIONS.viewer]);
    await patch(`${MEMBERS}/${bea.id}`, ann, { role: 'viewer' }).expect(200);
    expect((await auditOf(ann, 'member')).map(({ details }) => details)).toEqual([
      { from: 'editor', to: 'admin' },
      { from: 'admin', to: 'viewer' },
    ]);
  });

  it('who is an admin changes neither owners nor admins, nor makes any', async () => {
    const ann = await test.register();
    const [adam, alma] = [
      await addMember(test, ann.organization.id, 'admin', 'Adam'),
      await addMember(test, ann.organization.id, 'admin', 'Alma'),
    ];
    const ed = await addMember(test, ann.organization.id, 'editor', 'Ed');
    const bob = await test.register('Bob');
    for (const attempt of [
      () => patch(`${MEMBERS}/${ann.user.id}`, adam, { role: 'viewer' }),
      () => patch(`${MEMBERS}/${alma.id}`, adam, { role: 'viewer' }),
      () => patch(`${MEMBERS}/${ed.id}`, adam, { role: 'admin' }),
      () => patch(`${MEMBERS}/${adam.id}`, adam, { role: 'owner' }),
      () => del(`${MEMBERS}/${alma.id}`, adam),
      () => post(MEMBERS, adam, { email: bob.email, role: 'admin' }),
    ]) {
      const [, code] = summary(await attempt());
      expect(['OWNER_REQUIRED', 'LAST_OWNER']).toContain(code);
    }
    await patch(`${MEMBERS}/${ed.id}`, adam, { role: 'approver' }).expect(200);
    await post(MEMBERS, adam, { email: bob.email, role: 'editor' }).expect(201);
    await del(`${MEMBERS}/${ed.id}`, adam).expect(204);
  });

  it('who is removed or leaves has no way in any more', async () => {
    const ann = await test.register();
    const [bea, cleo] = [
      await addMember(test, ann.organization.id, 'viewer', 'Bea'),
      await addMember(test, ann.organization.id, 'admin', 'Cleo'),
    ];
    expect(summary(await del(`${MEMBERS}/${cleo.id}`, bea))).toEqual([403, 'PERMISSION_MISSING']);
    await del(`${MEMBERS}/${bea.id}`, ann).expect(204);
    expect(summary(await get('/api/auth/me', bea))).toEqual([401, 'SESSION_ENDED']);
    expect(summary(await del(`${MEMBERS}/${bea.id}`, ann))).toEqual([404, 'NOT_FOUND']);
    await del(`${MEMBERS}/${cleo.id}`, cleo).expect(204);
    expect(summary(await get('/api/auth/me', cleo))).toEqual([401, 'SESSION_ENDED']);
    expect((await auditOf(ann, 'member')).map(({ action, details }) => ({ action, details }))).toEqual([
      { action: 'member.removed', details: { role: 'viewer' } },
      { action: 'member.left', details: { role: 'admin' } },
    ]);
    expect(await test.app.get(AuditService).verify(ann.organization.id)).toMatchObject({ intact: true });
  });

  it('who is the last owner stays one', async () => {
    const ann = await test.register();
    const lastOwner = [409, 'LAST_OWNER'];
    expect(summary(await patch(`${MEMBERS}/${ann.user.id}`, ann, { role: 'admin' }))).toEqual(lastOwner);
    expect(summary(await del(`${MEMBERS}/${ann.user.id}`, ann))).toEqual(lastOwner);
    const bea = await addMember(test, ann.organization.id, 'viewer');
    await patch(`${MEMBERS}/${bea.id}`, ann, { role: 'owner' }).expect(200);
    await del(`${MEMBERS}/${ann.user.id}`, ann).expect(204);
    expect(summary(await patch(`${MEMBERS}/${bea.id}`, bea, { role: 'admin' }))).toEqual(lastOwner);
  });

  it.each(['demoting', 'removing'])('stays an owner when two owners are %s each other at once', async (way) => {
    for (let round = 0; round < 5; round++) {
      const ann = await test.register();
      const bea = await addMember(test, ann.organization.id, 'owner');
      const turn = (by: TestPerson | TestMember, id: string) =>
        way === 'demoting' ? patch(`${MEMBERS}/${id}`, by, { role: 'viewer' }) : del(`${MEMBERS}/${id}`, by);
      const answers = await Promise.all([turn(ann, bea.id), turn(bea, ann.user.id)]);
      expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
      const owners = await test.database.query(
        "select user_id from memberships where organization_id = $1 and role = 'owner'",
        [ann.organization.id],
      );
      expect(owners).toHaveLength(1);
    }
  });

  it('is one whom an API key with the permission may manage', async () => {
    const ann = await test.register();
    const bea = await addMember(test, ann.organization.id, 'viewer');
    const key = await makeKey(ann, ['organization:read', 'organization:manage']);
    await patch(`${MEMBERS}/${bea.id}`, key, { role: 'editor' }).expect(200);
    const reading = await makeKey(ann, ['organization:read']);
    expect(summary(await del(`${MEMBERS}/${bea.id}`, reading))).toEqual([403, 'PERMISSION_MISSING']);
    await del(`${MEMBERS}/${bea.id}`, key).expect(204);
  });
});

describe('a group', () => {
  const makeGroup = async (person: { auth: Auth }, name: string) =>
    (await post(GROUPS, person, { name }).expect(201)).body as { id: string };

  it('is made, filled, renamed, emptied and deleted, each on record', async () => {
    const ann = await test.register();
    const bea = await addMember(test, ann.organization.id, 'approver');
    const { body: group } = await post(GROUPS, ann, { name: 'Legal' }).expect(201);
    expect(group).toEqual({ id: expect.any(String), name: 'Legal', members: 0, created_at: expect.any(String) });
    const at = `${GROUPS}/${group.id}`;
    await put(`${at}/members/${bea.id}`, ann).expect(204);
    await put(`${at}/members/${bea.id}`, ann).expect(204);
    const { body: members } = await get(`${at}/members`, bea).expect(200);
    expect(members.data).toEqual([expect.objectContaining({ user_id: bea.id, role: 'approver', email: bea.email })]);
    const { body: renamed } = await patch(at, ann, { name: 'LEGAL' }).expect(200);
    expect(renamed).toEqual({ ...group, name: 'LEGAL', members: 1 });
    expect((await get(GROUPS, bea).expect(200)).body.data).toEqual([renamed]);
    await del(`${at}/members/${bea.id}`, ann).expect(204);
    expect(summary(await del(`${at}/members/${bea.id}`, ann))).toEqual([404, 'NOT_FOUND']);
    await del(at, ann).expect(204);
    expect(summary(await get(`${at}/members`, ann))).toEqual([404, 'NOT_FOUND']);
    expect((await auditOf(ann, 'group')).map(({ action, details }) => [action, details])).toEqual([
      ['group.created', { name: 'Legal' }],
      ['group.member_added', { name: 'Legal', user_id: bea.id }],
      ['group.renamed', { from: 'Legal', to: 'LEGAL' }],
      ['group.member_removed', { name: 'LEGAL', user_id: bea.id }],
      ['group.deleted', { name: 'LEGAL', members: 0 }],
    ]);
  });

  it('has a name that no other of its organization has, whatever the case', async () => {
    const [ann, eve] = [await test.register(), await test.register('Eve')];
    const first = await makeGroup(ann, 'Größe.1_a-b');
    const taken = [409, 'GROUP_NAME_TAKEN'];
    expect(summary(await post(GROUPS, ann, { name: 'GRÖßE.1_A-B' }))).toEqual(taken);
    expect(summary(await post(GROUPS, ann, { name: 'Größe.1_a-b'.normalize('NFD') }))).toEqual(taken);
    const second = await makeGroup(ann, 'other');
    expect(summary(await patch(`${GROUPS}/${second.id}`, ann, { name: 'gröSSe.1_a-b'.replace('SS', 'ß') }))).toEqual(
      taken,
    );
    expect(summary(await patch(`${GROUPS}/${first.id}`, ann, { name: 'größe.1_a-b' }))).toEqual([200, undefined]);
    await makeGroup(eve, 'Other');
  });

  it.each(['', ' ', ' a', 'a ', 'a\n', 'a/b', 'a@b', '{{ x }}', 'x'.repeat(101)])(
    'cannot be named %j',
    async (name) => {
      const ann = await test.register();
      expect(summary(await post(GROUPS, ann, { name }))).toEqual([422, 'VALIDATION_FAILED']);
    },
  );

  it('holds members of its organization only, and loses who leaves', async () => {
    const [ann, eve] = [await test.register(), await test.register('Eve')];
    const bea = await addMember(test, ann.organization.id, 'viewer');
    const { id } = await makeGroup(ann, 'Legal');
    expect(summary(await put(`${GROUPS}/${id}/members/${eve.user.id}`, ann))).toEqual([404, 'NOT_FOUND']);
    await put(`${GROUPS}/${id}/members/${bea.id}`, ann).expect(204);
    await del(`${MEMBERS}/${bea.id}`, ann).expect(204);
    expect((await get(`${GROUPS}/${id}/members`, ann).expect(200)).body.data).toEqual([]);
    expect((await get(GROUPS, ann).expect(200)).body.data).toEqual([expect.objectContaining({ members: 0 })]);
  });

  it('is listed by its name, and its members by id, page by page', async () => {
    const ann = await test.register();
    for (const name of ['b', 'C', 'A']) await makeGroup(ann, name);
    const { body: first } = await get(`${GROUPS}?limit=2`, ann).expect(200);
    const { body: rest } = await get(`${GROUPS}?limit=2&cursor=${first.next_cursor}`, ann).expect(200);
    const names = [...first.data, ...rest.data].map(({ name }: { name: string }) => name);
    expect([names, rest.next_cursor]).toEqual([['A', 'b', 'C'], null]);
    const at = `${GROUPS}/${first.data[0].id}/members`;
    const bea = await addMember(test, ann.organization.id, 'viewer');
    for (const id of [ann.user.id, bea.id]) await put(`${at}/${id}`, ann).expect(204);
    const { body: page } = await get(`${at}?limit=1`, ann).expect(200);
    const { body: last } = await get(`${at}?limit=1&cursor=${page.next_cursor}`, ann).expect(200);
    expect([page.data[0].user_id, last.data[0].user_id, last.next_cursor]).toEqual([ann.user.id, bea.id, null]);
  });
});
