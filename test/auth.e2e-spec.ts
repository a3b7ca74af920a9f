import { createLocalJWKSet, jwtVerify } from 'jose';
import { signAccessToken } from '../src/auth/access-token.js';
import { SigningKeys } from '../src/auth/signing-keys.js';
import { AccountsService } from '../src/auth/accounts.service.js';
import { Transactions } from '../src/platform/database/transactions.js';
import { PERMISSIONS, ROLE_PERMISSIONS, ROLES } from '../src/platform/http/permissions.js';
import { startTestApp, type TestApp } from './start-test-app.js';

const PASSWORD = 'correct horse battery staple';

let app: TestApp;
let count = 0;

beforeAll(async () => {
  app = await startTestApp();
});

afterAll(() => app.close());

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** A new account, and what registering it answered. */
async function newPerson(fields: Record<string, unknown> = {}) {
  const email = `person-${++count}@example.com`;
  const { status, body } = await app
    .http()
    .post('/api/auth/register')
    .send({ email, password: PASSWORD, name: 'Ada', ...fields });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return { email, auth: bearer(body.access_token), ...(body as Registered) };
}

interface Registered {
  access_token: string;
  refresh_token: string;
  user: { id: string; email: string; name: string };
  organization: { id: string; name: string };
}

function bearer(token: unknown) {
  return { Authorization: `Bearer ${String(token)}` };
}

function logIn(email: string, password = PASSWORD) {
  return app.http().post('/api/auth/login').send({ email, password });
}

function refresh(token: unknown) {
  return app.http().post('/api/auth/refresh').send({ refresh_token: token });
}

function me(auth: { Authorization: string }) {
  return app.http().get('/api/auth/me').set(auth);
}

function summary({ status, body }: Answer) {
  return { status, code: body.code };
}

async function actionsOf(organizationId: string): Promise<string[]> {
  const rows = await app.database.query<{ action: string }>(
    'select action from audit_records where organization_id = $1 order by seq',
    [organizationId],
  );
  return rows.map(({ action }) => action);
}

function sessionIdOf(refreshToken: string): string {
  return refreshToken.slice(4, 40);
}

describe('registration', () => {
  it('makes an account that owns its organization and is signed in', async () => {
    const person = await newPerson({ name: 'Ada Lovelace', organization_name: 'Analytical Engines' });
    const { body } = await me(person.auth).expect(200);
    expect(body).toEqual({
      user: { id: person.user.id, email: person.email, name: 'Ada Lovelace' },
      organization: { id: person.organization.id, name: 'Analytical Engines' },
      role: 'owner',
      permissions: [...PERMISSIONS],
    });
    expect(await actionsOf(person.organization.id)).toEqual(['user.registered', 'session.started']);
  });

  it('names the organization after the person when nobody names it', async () => {
    expect((await newPerson({ name: 'Grace' })).organization.name).toBe('Grace’s organization');
  });

  it('shows no hash and nothing else of the account', async () => {
    const email = `person-${++count}@example.com`;
    const { body } = await app.http().post('/api/auth/register').send({ email, password: PASSWORD, name: 'Ada' });
    expect(Object.keys(body as object)).toEqual([
      'user',
      'organization',
      'access_token',
      'token_type',
      'expires_in',
      'refresh_token',
    ]);
    expect(Object.keys((body as Registered).user)).toEqual(['id', 'email', 'name']);
  });

  it('knows an e-mail in any spelling of its letters and with spaces around it', async () => {
    const person = await newPerson({ email: '  Mixed.Case@Example.COM ' });
    expect(person.user.email).toBe('mixed.case@example.com');
    const again = { email: 'MIXED.case@example.com', password: PASSWORD, name: 'Ada' };
    expect(summary(await app.http().post('/api/auth/register').send(again))).toEqual({
      status: 409,
      code: 'EMAIL_TAKEN',
    });
    await logIn('mixed.CASE@example.com').expect(200);
  });

  it('lets exactly one of five that come together have an e-mail, and leaves nothing of the others', async () => {
    const body = { email: 'wanted@example.com', password: PASSWORD, name: 'Ada', organization_name: 'Wanted' };
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => app.http().post('/api/auth/register').send(body)),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409, 409, 409]);
    const rows = await app.database.query("select count(*)::int as count from organizations where name = 'Wanted'");
    expect(rows).toEqual([{ count: 1 }]);
  });

  it.each([
    [
      'a password that is too short',
      { password: 'fourteen chars' },
      'PASSWORD_REFUSED',
      '/password',
      'PASSWORD_TOO_SHORT',
    ],
    [
      'a predictable password',
      { password: 'passwordpassword1' },
      'PASSWORD_REFUSED',
      '/password',
      'PASSWORD_PREDICTABLE',
    ],
    ['an e-mail without a domain', { email: 'ada' }, 'VALIDATION_FAILED', '/email', 'INVALID_FORMAT'],
    [
      'an e-mail of 255 characters',
      { email: `a@${'d.'.repeat(123)}example` },
      'VALIDATION_FAILED',
      '/email',
      'TOO_BIG',
    ],
    ['a blank name', { name: '   ' }, 'VALIDATION_FAILED', '/name', 'INVALID_FORMAT'],
    ['a name of two lines', { name: 'Ada\r\nBcc: all' }, 'VALIDATION_FAILED', '/name', 'INVALID_FORMAT'],
    ['a field that does not exist', { role: 'owner' }, 'VALIDATION_FAILED', '/role', 'UNKNOWN_FIELD'],
  ])('refuses %s', async (_, fields, code, pointer, reason) => {
    const { status, body } = await app
      .http()
      .post('/api/auth/register')
      .send({ email: `person-${++count}@example.com`, password: PASSWORD, name: 'Ada', ...fields });
    expect(summary({ status, body })).toEqual({ status: 422, code });
    expect((body as { errors: object[] }).errors).toEqual([expect.objectContaining({ pointer, code: reason })]);
  });
});

describe('login', () => {
  it('starts a further session', async () => {
    const person = await newPerson();
    const { body } = await logIn(person.email).expect(200);
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 600,
      refresh_token: expect.stringMatching(/^hpr_/),
    });
    await me(bearer(body.access_token)).expect(200);
    await me(person.auth).expect(200);
  });

  it('says the same to a wrong password and an unknown e-mail, and records the one that concerns an account', async () => {
    const person = await newPerson();
    const [wrong, unknown] = [await logIn(person.email, 'another long password'), await logIn('nobody@example.com')];
    const { request_id: one, ...wrongBody } = wrong.body as Record<string, unknown>;
    const { request_id: two, ...unknownBody } = unknown.body as Record<string, unknown>;
    expect(wrongBody).toEqual(unknownBody);
    expect(one).not.toBe(two);
    expect(summary(wrong)).toEqual({ status: 401, code: 'INVALID_CREDENTIALS' });
    expect(await actionsOf(person.organization.id)).toEqual(['user.registered', 'session.started', 'session.refused']);
  });

  it('takes as long for an unknown e-mail as for a wrong password', async () => {
    const { email } = await newPerson();
    const [known, unknown]: [number[], number[]] = [[], []];
    for (let i = 0; i < 5; i++) {
      known.push(await timed(() => logIn(email, 'another long password')));
      unknown.push(await timed(() => logIn('nobody@example.com', 'another long password')));
    }
    expect(Math.min(...known, ...unknown)).toBeGreaterThanOrEqual(249);
    expect(Math.abs(median(known) - median(unknown))).toBeLessThan(40);
  });

  it('tells an account without an organization that it has none', async () => {
    const person = await newPerson();
    await app.database.query('delete from memberships where user_id = $1', [person.user.id]);
    expect(summary(await logIn(person.email))).toEqual({ status: 403, code: 'NO_ORGANIZATION' });
  });

  it('by the OAuth password form is for Swagger UI and ignores fields it does not know', async () => {
    const { email } = await newPerson();
    const form = { grant_type: 'password', username: email, password: PASSWORD, scope: 'all', client_id: '' };
    const { body } = await app.http().post('/api/auth/token').type('form').send(form).expect(200);
    await me(bearer(body.access_token)).expect(200);
    const wrong = await app
      .http()
      .post('/api/auth/token')
      .type('form')
      .send({ ...form, password: 'another long password' });
    expect(summary(wrong)).toEqual({ status: 401, code: 'INVALID_CREDENTIALS' });
  });
});

describe('refresh', () => {
  it('gives new tokens, whose refresh token is the next', async () => {
    const person = await newPerson();
    const { body } = await refresh(person.refresh_token).expect(200);
    expect(body.refresh_token).not.toBe(person.refresh_token);
    await me(bearer(body.access_token)).expect(200);
    await refresh(body.refresh_token).expect(200);
  });

  it('gives ten that come with one token the same successor', async () => {
    const person = await newPerson();
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(person.refresh_token)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(new Set(answers.map(({ body }) => (body as Registered).refresh_token)).size).toBe(1);
    const rows = await app.database.query('select counter from sessions where id = $1', [
      sessionIdOf(person.refresh_token),
    ]);
    expect(rows).toEqual([{ counter: 2 }]);
  });

  it('with the previous token gives its successor again for ten seconds, then ends the session', async () => {
    const person = await newPerson();
    const session = sessionIdOf(person.refresh_token);
    const { body: first } = await refresh(person.refresh_token).expect(200);
    await app.database.query("update sessions set rotated_at = clock_timestamp() - interval '8 s' where id = $1", [
      session,
    ]);
    const { body: repeated } = await refresh(person.refresh_token).expect(200);
    expect(repeated.refresh_token).toBe(first.refresh_token);
    await app.database.query("update sessions set rotated_at = clock_timestamp() - interval '11 s' where id = $1", [
      session,
    ]);
    expect(summary(await refresh(person.refresh_token))).toEqual({ status: 401, code: 'REFRESH_TOKEN_REUSED' });
    expect(summary(await refresh(first.refresh_token))).toEqual({ status: 401, code: 'SESSION_ENDED' });
    expect(summary(await me(person.auth))).toEqual({ status: 401, code: 'SESSION_ENDED' });
    expect(await actionsOf(person.organization.id)).toEqual([
      'user.registered',
      'session.started',
      'session.reuse_detected',
    ]);
  });

  it('with a token two steps old ends the session at once, and only this session', async () => {
    const person = await newPerson();
    const { body: other } = await logIn(person.email);
    const { body: second } = await refresh(person.refresh_token);
    await refresh(second.refresh_token).expect(200);
    expect(summary(await refresh(person.refresh_token))).toEqual({ status: 401, code: 'REFRESH_TOKEN_REUSED' });
    expect(summary(await me(person.auth))).toEqual({ status: 401, code: 'SESSION_ENDED' });
    await me(bearer(other.access_token)).expect(200);
  });

  it('moves the end of the session on, but not beyond ninety days from its start', async () => {
    const person = await newPerson();
    const session = sessionIdOf(person.refresh_token);
    const daysLeft = async () => {
      const rows = await app.database.query<{ days: number }>(
        'select round(extract(epoch from expires_at - now()) / 86400)::int as days from sessions where id = $1',
        [session],
      );
      return rows[0]?.days;
    };
    expect(await daysLeft()).toBe(14);
    await app.database.query("update sessions set expires_at = now() + interval '1 day' where id = $1", [session]);
    const { body } = await refresh(person.refresh_token).expect(200);
    expect(await daysLeft()).toBe(14);
    await app.database.query("update sessions set created_at = now() - interval '80 days' where id = $1", [session]);
    await refresh(body.refresh_token).expect(200);
    expect(await daysLeft()).toBe(10);
  });

  it('of an expired session is refused, as is its access token', async () => {
    const person = await newPerson();
    await app.database.query('update sessions set expires_at = now() where id = $1', [
      sessionIdOf(person.refresh_token),
    ]);
    expect(summary(await refresh(person.refresh_token))).toEqual({ status: 401, code: 'SESSION_ENDED' });
    expect(summary(await me(person.auth))).toEqual({ status: 401, code: 'SESSION_ENDED' });
  });

  it('with what is no refresh token of ours is refused', async () => {
    const person = await newPerson();
    for (const text of ['', 'hpr_', person.access_token, `${person.refresh_token.slice(0, -1)}_`]) {
      expect(summary(await refresh(text))).toEqual({ status: 401, code: 'REFRESH_TOKEN_INVALID' });
    }
  });

  it('and logout at once leave the session ended', async () => {
    const person = await newPerson();
    const [refreshed] = await Promise.all([
      refresh(person.refresh_token),
      app.http().post('/api/auth/logout').set(person.auth).expect(204),
    ]);
    expect([200, 401]).toContain(refreshed.status);
    expect(summary(await me(person.auth))).toEqual({ status: 401, code: 'SESSION_ENDED' });
    const rows = await app.database.query('select end_reason from sessions where user_id = $1', [person.user.id]);
    expect(rows).toEqual([{ end_reason: 'logout' }]);
  });
});

describe('logout and sessions', () => {
  it('logout acts on the next request and is recorded once', async () => {
    const person = await newPerson();
    await app.http().post('/api/auth/logout').set(person.auth).expect(204);
    expect(summary(await me(person.auth))).toEqual({ status: 401, code: 'SESSION_ENDED' });
    expect(summary(await refresh(person.refresh_token))).toEqual({ status: 401, code: 'SESSION_ENDED' });
    expect(summary(await app.http().post('/api/auth/logout').set(person.auth))).toEqual({
      status: 401,
      code: 'SESSION_ENDED',
    });
    expect(await actionsOf(person.organization.id)).toEqual(['user.registered', 'session.started', 'session.ended']);
  });

  it('lists where the person is signed in, newest first and page by page', async () => {
    const person = await newPerson();
    await app
      .http()
      .post('/api/auth/login')
      .set('User-Agent', 'second device')
      .send({ email: person.email, password: PASSWORD });
    const { body: third } = await logIn(person.email);
    await app.http().post('/api/auth/logout').set(bearer(third.access_token)).expect(204);
    const { body: page } = await app.http().get('/api/auth/sessions?limit=1').set(person.auth).expect(200);
    expect(page.data).toEqual([expect.objectContaining({ user_agent: 'second device', current: false })]);
    const { body: rest } = await app
      .http()
      .get('/api/auth/sessions')
      .query({ limit: 1, cursor: page.next_cursor })
      .set(person.auth)
      .expect(200);
    expect(rest).toEqual({ data: [expect.objectContaining({ current: true })], next_cursor: null });
    expect(Object.keys((rest as { data: object[] }).data[0] ?? {})).not.toContain('counter');
  });

  it('a person ends another session of theirs, and it stays ended', async () => {
    const person = await newPerson();
    const { body: other } = await logIn(person.email);
    const id = sessionIdOf(String(other.refresh_token));
    await app.http().delete(`/api/auth/sessions/${id}`).set(person.auth).expect(204);
    expect(summary(await me(bearer(other.access_token)))).toEqual({ status: 401, code: 'SESSION_ENDED' });
    expect(summary(await refresh(other.refresh_token))).toEqual({ status: 401, code: 'SESSION_ENDED' });
    expect(summary(await app.http().delete(`/api/auth/sessions/${id}`).set(person.auth))).toEqual({
      status: 404,
      code: 'NOT_FOUND',
    });
    await me(person.auth).expect(200);
  });

  it('nobody ends or lists the session of somebody else', async () => {
    const [person, stranger] = [await newPerson(), await newPerson()];
    const id = sessionIdOf(stranger.refresh_token);
    expect(summary(await app.http().delete(`/api/auth/sessions/${id}`).set(person.auth))).toEqual({
      status: 404,
      code: 'NOT_FOUND',
    });
    await me(stranger.auth).expect(200);
    const { body } = await app.http().get('/api/auth/sessions').set(person.auth).expect(200);
    expect((body as { data: { id: string }[] }).data.map((session) => session.id)).toEqual([
      sessionIdOf(person.refresh_token),
    ]);
  });
});

describe('who is asking', () => {
  it('is not known without a token, with a bad one or with an old one, and each is told apart', async () => {
    const person = await newPerson();
    const subject = { user_id: person.user.id, session_id: sessionIdOf(person.refresh_token) };
    const old = await signAccessToken(app.app.get(SigningKeys), subject, -60);
    const codes = await Promise.all(
      [
        {},
        { Authorization: 'Bearer' },
        { Authorization: `Basic ${person.access_token}` },
        bearer('nonsense'),
        bearer(old),
      ].map(async (headers) => summary(await app.http().get('/api/auth/me').set(headers)).code),
    );
    expect(codes).toEqual(['UNAUTHENTICATED', 'TOKEN_INVALID', 'TOKEN_INVALID', 'TOKEN_INVALID', 'TOKEN_EXPIRED']);
  });

  it.each([
    ['a refresh token', (person: Registered) => person.refresh_token],
    ['a token whose payload was changed', (person: Registered) => tampered(person.access_token)],
    ['a token without its signature', (person: Registered) => person.access_token.replace(/[^.]+$/, '')],
    ['a token of ten thousand characters', () => 'x'.repeat(10_000)],
  ])('is not known by %s', async (_, forge) => {
    const person = await newPerson();
    expect(summary(await me(bearer(forge(person))))).toEqual({ status: 401, code: 'TOKEN_INVALID' });
  });

  it('is not known by a session of somebody else under a good signature', async () => {
    const [person, stranger] = [await newPerson(), await newPerson()];
    const mixed = { user_id: person.user.id, session_id: sessionIdOf(stranger.refresh_token) };
    const token = await signAccessToken(app.app.get(SigningKeys), mixed, 600);
    expect(summary(await me(bearer(token)))).toEqual({ status: 401, code: 'SESSION_ENDED' });
  });

  it('does not matter on a public route, not even with a bad token', async () => {
    await app.http().get('/api/auth/jwks').set(bearer('nonsense')).expect(200);
  });

  it('counts against the rate limit even with a bad token', async () => {
    const { headers } = await me(bearer('nonsense')).expect(401);
    expect(headers['ratelimit']).toContain('"minute";r=');
    expect(headers['www-authenticate']).toBe('Bearer');
  });

  it('can be checked by others with the published keys', async () => {
    const person = await newPerson();
    const { body } = await app.http().get('/api/auth/jwks').expect(200);
    const { payload, protectedHeader } = await jwtVerify(
      person.access_token,
      createLocalJWKSet(body as Parameters<typeof createLocalJWKSet>[0]),
      { algorithms: ['ES256'], issuer: 'holdpoint', audience: 'holdpoint-api', typ: 'at+jwt' },
    );
    expect(payload).toMatchObject({ sub: person.user.id, sid: sessionIdOf(person.refresh_token) });
    expect(protectedHeader.kid).toBe((body as { keys: { kid: string }[] }).keys[0]?.kid);
    expect(JSON.stringify(body)).not.toContain('"d"');
  });

  it('has the permissions of their role at this request', async () => {
    const person = await newPerson();
    for (const role of ROLES) {
      await app.database.query('update memberships set role = $2 where user_id = $1', [person.user.id, role]);
      const { body } = await me(person.auth).expect(200);
      expect(body).toMatchObject({ role, permissions: [...ROLE_PERMISSIONS[role]] });
      const allowed = ROLE_PERMISSIONS[role].includes('audit:read');
      expect(summary(await app.http().get('/api/audit').set(person.auth))).toEqual(
        allowed ? { status: 200, code: undefined } : { status: 403, code: 'PERMISSION_MISSING' },
      );
    }
  });

  it('is nobody any more once they are no member', async () => {
    const person = await newPerson();
    await app.database.query('delete from memberships where user_id = $1', [person.user.id]);
    expect(summary(await me(person.auth))).toEqual({ status: 401, code: 'SESSION_ENDED' });
    expect(summary(await refresh(person.refresh_token))).toEqual({ status: 401, code: 'SESSION_ENDED' });
  });
});

describe('the database', () => {
  it('holds nothing that opens an account or a session', async () => {
    const person = await newPerson({ password: 'a very unusual password' });
    const { body: tokens } = await refresh(person.refresh_token).expect(200);
    await logIn(person.email, 'yet another unusual one').expect(401);
    const tables = await app.database.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'public'",
    );
    const rows = await Promise.all(tables.map(({ name }) => app.database.query(`select t::text from "${name}" t`)));
    const everything = JSON.stringify(rows);
    expect(everything).toContain(person.email);
    const secrets = ['unusual', person.refresh_token, person.access_token, String(tokens.refresh_token)];
    const signatures = secrets.map((secret) => secret.split('.').at(-1) ?? '');
    expect(signatures.filter((secret) => everything.includes(secret))).toEqual([]);
  });
});

describe('what cannot be recorded', () => {
  beforeAll(async () => {
    await app.database.query(`create function refuse_record() returns trigger language plpgsql as $$
      begin raise exception 'no record today'; end $$`);
  });

  it('has not happened: no account, no session, no end of one', async () => {
    const person = await newPerson();
    const { body: second } = await refresh(person.refresh_token).expect(200);
    await refresh(second.refresh_token).expect(200);
    const lost = { email: 'lost@example.com', password: PASSWORD, name: 'Ada', organization_name: 'Lost' };
    await withoutRecords(async () => {
      await app.http().post('/api/auth/register').send(lost).expect(500);
      await logIn(person.email).expect(500);
      await refresh(person.refresh_token).expect(500);
      await app.http().post('/api/auth/logout').set(person.auth).expect(500);
    });
    await me(person.auth).expect(200);
    const { body: sessions } = await app.http().get('/api/auth/sessions').set(person.auth).expect(200);
    expect(sessions.data).toHaveLength(1);
    expect(await app.database.query("select 1 from organizations where name = 'Lost'")).toEqual([]);
    await app.http().post('/api/auth/register').send(lost).expect(201);
  });
});

describe('organization', () => {
  it('shows its own name and members to a member, page by page, and nothing of another', async () => {
    const [owner, stranger] = [await newPerson({ name: 'Owner' }), await newPerson({ name: 'Stranger' })];
    const viewer = await addMember(owner.organization.id, 'viewer');
    const { body: current } = await app.http().get('/api/organizations/current').set(owner.auth).expect(200);
    expect(current).toMatchObject(owner.organization);
    const path = '/api/organizations/current/members';
    const { body: first } = await app.http().get(`${path}?limit=1`).set(owner.auth).expect(200);
    const { body: second } = await app.http().get(path).query({ limit: 1, cursor: first.next_cursor }).set(owner.auth);
    expect(first.data).toEqual([expect.objectContaining({ user_id: owner.user.id, name: 'Owner', role: 'owner' })]);
    expect(second).toEqual({
      data: [expect.objectContaining({ user_id: viewer.id, role: 'viewer' })],
      next_cursor: null,
    });
    const foreign = await app.http().get(path).query({ cursor: first.next_cursor }).set(stranger.auth);
    expect(summary(foreign)).toEqual({ status: 422, code: 'INVALID_CURSOR' });
  });

  it('signs a member in with the role they were made with', async () => {
    const owner = await newPerson();
    const approver = await addMember(owner.organization.id, 'approver');
    const { body: tokens } = await logIn(approver.email).expect(200);
    const { body } = await me(bearer(tokens.access_token)).expect(200);
    expect(body).toMatchObject({ user: { id: approver.id }, organization: owner.organization, role: 'approver' });
  });

  it('keeps an intact record of all of this', async () => {
    const person = await newPerson();
    await logIn(person.email, 'another long password');
    const { body } = await app.http().get('/api/audit/verify').set(person.auth).expect(200);
    expect(body).toMatchObject({ intact: true, records: 3 });
  });
});

describe('an installation that is closed', () => {
  let closed: TestApp;

  beforeAll(async () => {
    closed = await startTestApp({ REGISTRATION: 'closed', PASSWORD_GRANT: 'false', AUTH_RATE_LIMIT_PER_MINUTE: '3' });
  });

  afterAll(() => closed.close());

  it('lets nobody register, has no password form, and counts all attempts to sign in together', async () => {
    const register = { email: 'ada@example.com', password: PASSWORD, name: 'Ada' };
    expect(summary(await closed.http().post('/api/auth/register').send(register))).toEqual({
      status: 403,
      code: 'REGISTRATION_CLOSED',
    });
    const form = { grant_type: 'password', username: 'ada@example.com', password: PASSWORD };
    expect(summary(await closed.http().post('/api/auth/token').type('form').send(form))).toEqual({
      status: 404,
      code: 'ROUTE_NOT_FOUND',
    });
    const login = () => closed.http().post('/api/auth/login').send({ email: 'ada@example.com', password: PASSWORD });
    expect(summary(await login())).toEqual({ status: 401, code: 'INVALID_CREDENTIALS' });
    const { status, body, headers } = await login();
    expect(summary({ status, body })).toEqual({ status: 429, code: 'RATE_LIMITED' });
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  });
});

/** As an invitation or a seeder does it: the hash first, then account and membership in one transaction. */
async function addMember(organizationId: string, role: (typeof ROLES)[number]) {
  const accounts = app.app.get(AccountsService);
  const person = { email: `member-${++count}@example.com`, name: 'Member' };
  const password_hash = await accounts.hashNewPassword(PASSWORD, person);
  return app.app
    .get(Transactions)
    .run((tx) => accounts.createMember(tx, { ...person, password_hash, organization_id: organizationId, role }));
}

/** While `work` goes on, the database takes no audit record. */
async function withoutRecords(work: () => Promise<void>): Promise<void> {
  await app.database.query('create trigger refuse before insert on audit_records execute function refuse_record()');
  try {
    await work();
  } finally {
    await app.database.query('drop trigger refuse on audit_records');
  }
}

function tampered(token: string): string {
  const [head, body = '', signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object;
  const changed = Buffer.from(JSON.stringify({ ...claims, sid: '00000000-0000-7000-8000-000000000000' })).toString(
    'base64url',
  );
  return [head, changed, signature].join('.');
}

async function timed(work: () => PromiseLike<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
