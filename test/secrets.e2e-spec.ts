import { randomBytes } from 'node:crypto';
import { SecretsService } from '../src/secrets/secrets.service.js';
import { Transactions } from '../src/platform/database/transactions.js';
import { addMember } from './add-member.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

interface SecretRow {
  name: string;
  last_used_at: Date | null;
}

describe('secrets', () => {
  let test: TestApp;
  let ann: TestPerson;

  beforeAll(async () => {
    test = await startTestApp({ HOLDPOINT_ROLES: 'api', SANDBOX_DRIVER: 'none' });
    ann = await test.register();
  });
  afterAll(() => test.close());

  type Auth = { Authorization: string };
  const put = (name: string, body: object, auth: Auth = ann.auth) =>
    test.http().put(`/api/secrets/${name}`).set(auth).send(body);
  const list = async (auth: Auth = ann.auth, query = '') =>
    (await test.http().get(`/api/secrets${query}`).set(auth).expect(200)).body as {
      data: { name: string }[];
      next_cursor: string | null;
    };
  const del = (name: string, auth: Auth = ann.auth) => test.http().delete(`/api/secrets/${name}`).set(auth);
  const reveal = (person: TestPerson, names: string[]) =>
    test.app.get(Transactions).read((tx) => test.app.get(SecretsService).reveal(tx, person.organization.id, names));

  it('are set, changed, listed and deleted, each on record, and no answer has a value', async () => {
    const person = await test.register();
    const values = [randomBytes(20).toString('hex'), randomBytes(20).toString('hex')];
    const answers = [];
    for (const value of values) answers.push((await put('API_TOKEN', { value }, person.auth).expect(200)).body);
    expect(answers[1]).toEqual({
      name: 'API_TOKEN',
      set_by: person.user.id,
      set_at: expect.stringMatching(/Z$/),
      last_used_at: null,
    });
    await put('A', { value: 'another value' }, person.auth).expect(200);
    const listed = await list(person.auth);
    expect(listed.data.map(({ name }) => name)).toEqual(['A', 'API_TOKEN']);
    expect(await reveal(person, ['API_TOKEN'])).toMatchObject({ values: { API_TOKEN: values[1] } });
    await del('API_TOKEN', person.auth).expect(204);
    expect((await del('API_TOKEN', person.auth).expect(404)).body.code).toBe('NOT_FOUND');
    const { body: audit } = await test.http().get('/api/audit?subject_type=secret').set(person.auth).expect(200);
    const acts = (audit.data as { action: string; subject_id: string }[]).map((one) => [one.action, one.subject_id]);
    expect(acts).toEqual([
      ['secret.deleted', 'API_TOKEN'],
      ['secret.set', 'A'],
      ['secret.set', 'API_TOKEN'],
      ['secret.set', 'API_TOKEN'],
    ]);
    const said = JSON.stringify([answers, listed, audit]);
    const rows = JSON.stringify(await test.database.query('select * from secrets'));
    for (const value of [...values, 'another value'])
      for (const text of [said, rows]) expect(text).not.toContain(value);
  });

  it.each(['lower', '1ST', '_A', 'A-B', `A${'B'.repeat(64)}`, 'ÄB'])('cannot be named %s', async (name) => {
    const { body } = await put(encodeURIComponent(name), { value: 'long enough' }).expect(422);
    expect(body.code).toBe('VALIDATION_FAILED');
  });

  it.each([
    ['too short to be hidden', { value: '1234567' }],
    ['white space around too little', { value: '  1234567  ' }],
    ['too long', { value: 'x'.repeat(8_193) }],
    ['no text', { value: 12_345_678 }],
    ['nothing', {}],
    ['a NUL character', { value: 'long\0enough' }],
    ['more than a value', { value: 'long enough', name: 'B' }],
  ])(
    'cannot have as their value what is %s, and the answer does not repeat it',
    async (_, body: { value?: unknown }) => {
      const answer = await put('REFUSED', body).expect(422);
      expect(answer.body.code).toBe('VALIDATION_FAILED');
      if (typeof body.value === 'string') expect(answer.text).not.toContain(body.value.trim());
      expect((await list()).data).toEqual([]);
    },
  );

  it('may be as short as 8 and as long as 8,192 characters', async () => {
    const person = await test.register();
    const values = { SHORT: '12345678', LONG: 'ß'.repeat(8_192) };
    for (const [name, value] of Object.entries(values)) await put(name, { value }, person.auth).expect(200);
    expect((await reveal(person, ['SHORT', 'LONG', 'NONE'])).values).toEqual(values);
  });

  it('are written by who manages the organization, and listed by who reads workflows', async () => {
    const person = await test.register();
    const [editor, admin] = [
      await addMember(test, person.organization.id, 'editor'),
      await addMember(test, person.organization.id, 'admin'),
    ];
    await put('TOKEN', { value: 'long enough' }, editor.auth).expect(403);
    await put('TOKEN', { value: 'long enough' }, admin.auth).expect(200);
    await del('TOKEN', editor.auth).expect(403);
    expect((await list(editor.auth)).data).toMatchObject([{ name: 'TOKEN', set_by: admin.id }]);
  });

  it('of another organization are not there', async () => {
    const [one, other] = [await test.register(), await test.register('Bob')];
    await put('TOKEN', { value: 'the value of one' }, one.auth).expect(200);
    expect((await list(other.auth)).data).toEqual([]);
    await del('TOKEN', other.auth).expect(404);
    await put('TOKEN', { value: 'that of the other' }, other.auth).expect(200);
    expect((await reveal(one, ['TOKEN'])).values).toEqual({ TOKEN: 'the value of one' });
    expect(await reveal(other, ['NONE'])).toEqual({ values: {}, missing: ['NONE'], unreadable: [] });
  });

  it('number a hundred at most, and those that are there can be changed all the same', async () => {
    const person = await test.register();
    await test.database.query(
      `insert into secrets (organization_id, name, sealed_value, set_by)
       select $1, 'S' || n, 's1.', $2 from generate_series(1, 99) as n`,
      [person.organization.id, person.user.id],
    );
    await put('LAST', { value: 'long enough' }, person.auth).expect(200);
    const { body } = await put('ONE_MORE', { value: 'long enough' }, person.auth).expect(409);
    expect(body.code).toBe('TOO_MANY_SECRETS');
    await put('LAST', { value: 'another value' }, person.auth).expect(200);
    const first = await list(person.auth, '?limit=60');
    const rest = await list(person.auth, `?limit=60&cursor=${first.next_cursor}`);
    expect(new Set([...first.data, ...rest.data].map(({ name }) => name)).size).toBe(100);
    expect(rest.next_cursor).toBeNull();
  });

  it('say when they were used, which is written at most once an hour', async () => {
    const person = await test.register();
    await put('USED', { value: 'long enough' }, person.auth).expect(200);
    await put('UNUSED', { value: 'long enough' }, person.auth).expect(200);
    const rows = () =>
      test.database.query<SecretRow & { xmin: string }>(
        'select name, last_used_at, xmin::text from secrets where organization_id = $1 order by name desc',
        [person.organization.id],
      );
    await reveal(person, ['USED']);
    const once = await rows();
    expect(once.map((row) => [row.name, row.last_used_at !== null])).toEqual([
      ['USED', true],
      ['UNUSED', false],
    ]);
    await reveal(person, ['USED']);
    expect(await rows()).toEqual(once); // no new version of any row
    await test.database.query(`update secrets set last_used_at = now() - interval '61 minutes' where name = 'USED'`);
    await reveal(person, ['USED']);
    const [used] = await rows();
    expect(Date.now() - (used?.last_used_at?.getTime() ?? 0)).toBeLessThan(60_000);
  });
});
