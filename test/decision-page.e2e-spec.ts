import { addMember, type TestMember } from './add-member.js';
import { APPROVE, type CheckpointDriver, driveCheckpoints, edited, type Parked } from './drive-checkpoints.js';
import { ANYONE, driveLinks, type LinkDriver, type MadeLink, MEMBERS, NAMED } from './drive-links.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

let test: TestApp;
/** Owns the organization, and starts everything. */
let ann: TestPerson;
let bea: TestMember;
let drive: CheckpointDriver;
let links: LinkDriver;

beforeAll(async () => {
  test = await startTestApp({ PUBLIC_URL: 'https://holdpoint.example/' });
  ann = await test.register('Ann');
  bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
  drive = driveCheckpoints(test, ann);
  links = driveLinks(test, drive, ann);
});
afterAll(() => test.close());

/** A checkpoint, and the path of a link that is for Bea. */
async function parkWithLink(
  policy: object = {},
  input?: unknown,
): Promise<{ parked: Parked; path: string; link: MadeLink }> {
  const parked = await drive.park({ ...MEMBERS, ...policy }, undefined, input);
  const link = await links.make(parked, bea, { user_id: bea.id });
  return { parked, path: pathOf(link), link };
}

const pathOf = ({ url }: MadeLink) => new URL(url).pathname;

const isUnused = async (link: MadeLink) => (await links.row(link))?.['used_at'] === null;

/** Members whose names or texts a browser would take for markup, if it were let. */
const HOSTILE = `"><script>alert(1)</script><img src=x onerror=alert(2)>'</textarea></title><style>*{}</style>`;

describe('the page', () => {
  it('shows what is to be decided, for whom, by when, and a button for each action that the gate would allow', async () => {
    const policy = {
      title: 'Send it to {{ input.to }}?',
      instructions: 'Be strict.',
      due_in: 3_600,
      quorum: { approve: 2, reject: 1 },
      actions: ['approve', 'reject', { action: 'hold', label: 'Put on hold' }],
    };
    const parked = await drive.park({ ...MEMBERS, ...policy }, ['approved', 'rejected', 'hold'], { to: 'Bo', sum: 12 });
    const { text } = await links.open(pathOf(await links.make(parked, bea, { user_id: bea.id }))).expect(200);
    for (const shown of ['Send it to Bo?', 'Be strict.', 'Bea', 'Ann', 'Approve: 0 of 2', 'Due', 'Put on hold', '12']) {
      expect(text).toContain(shown);
    }
    const buttons = [...text.matchAll(/name="action"\s+value="(\w+)"/g)].map(([, action]) => action);
    expect(buttons).toEqual(['approve', 'reject', 'hold', 'edit']);
    expect(text).toContain('name="revision" value="1"');
    expect(text).not.toContain('name="name"');
  });

  it('loads and runs nothing, is kept and indexed by nobody, and tells no other site of its address', async () => {
    const { path } = await parkWithLink();
    for (const answer of [
      await links.open(path),
      await test.http().head(path),
      await links.open('/decide/x'),
      await links.send(path, { action: 'dance' }),
      await links.send(path, { colour: 'red' }),
    ]) {
      expect(answer.headers).toMatchObject({
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-robots-tag': 'noindex, nofollow',
        'x-content-type-options': 'nosniff',
        'content-security-policy': expect.stringMatching(
          /^default-src 'none'; style-src 'sha256-[\w+/=]+'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'$/,
        ),
      });
      expect(answer.text ?? '').not.toMatch(/<script|<link|<img|<iframe|\son\w+=|style="|src=|href=|javascript:/i);
    }
    expect((await test.http().head(path)).text).toBeUndefined();
  });

  it('escapes every text of users', async () => {
    const member = await addMember(test, ann.organization.id, 'approver', 'Mal');
    await test.database.query('update users set name = $2 where id = $1', [member.id, HOSTILE]);
    await test.database.query('update organizations set name = $2 where id = $1', [ann.organization.id, HOSTILE]);
    const policy = {
      ...ANYONE,
      title: HOSTILE,
      instructions: HOSTILE,
      actions: ['approve', { action: 'hold', label: HOSTILE.slice(0, 60) }],
    };
    const content = { [HOSTILE]: HOSTILE, list: [HOSTILE, { [HOSTILE]: 1 }] };
    const parked = await drive.park(policy, ['approved', 'hold'], content);
    const [own, unnamed] = [await links.make(parked, member, { user_id: member.id }), await links.make(parked)];
    const form = { name: HOSTILE.slice(0, 99), comment: HOSTILE, content: `{${HOSTILE}` };
    const pages = [
      await links.open(pathOf(own)).expect(200),
      await links.open(pathOf(unnamed)).expect(200),
      await links.send(pathOf(unnamed), form).expect(422),
      await links.send(pathOf(unnamed), { ...form, revision: 7 }).expect(412),
      await links.send(pathOf(unnamed), { ...form, action: HOSTILE.slice(0, 60), content: undefined }).expect(403),
      await links.send(pathOf(unnamed), { ...form, content: undefined }).expect(200),
      await links.open(pathOf(own)).expect(200),
    ];
    for (const { text } of pages) {
      expect(text).not.toMatch(/<script|<img|onerror=alert\(2\)>/i);
      expect(text.match(/<style>/g)).toHaveLength(1);
      expect(text.match(/<\/title>/g)).toHaveLength(1);
      expect(text).toContain('&#60;script&#62;');
    }
    await test.database.query(`update organizations set name = 'Ours' where id = $1`, [ann.organization.id]);
  });

  it('folds what is long, and keeps all of it', async () => {
    const { path } = await parkWithLink({}, { short: 'One line', long: `${'word '.repeat(1_000)}the end` });
    const { text } = await links.open(path).expect(200);
    expect(text).toMatch(/Show all 5\u2009007 characters/);
    expect(text.match(/the end/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it('of what was decided otherwise says by whom, and has no form', async () => {
    const { parked, path } = await parkWithLink();
    await drive.decide(parked, ann, APPROVE).expect(200);
    const { text } = await links.open(path).expect(200);
    expect(text).toMatch(/This was decided: Approve, by <bdi>Ann<\/bdi>/);
    expect(text).not.toContain('<form');
    expect((await links.send(path).expect(409)).text).toContain('Ann was first: approved at');
  });

  it('of what nobody waits for any more says so', async () => {
    const { parked, path } = await parkWithLink();
    await drive.post(`/api/executions/${parked.execution_id}/cancel`, ann).expect(200);
    await drive.ended(parked);
    expect((await links.open(path).expect(200)).text).toContain('went on or ended before this was decided');
    await links.send(path).expect(409);
  });

  it('has an address below PUBLIC_URL', async () => {
    expect((await parkWithLink()).link.url).toMatch(/^https:\/\/holdpoint\.example\/decide\/[\w.-]+$/);
  });
});

describe('its form', () => {
  it('is refused when the checkpoint has changed since, shows the new state and keeps the comment', async () => {
    const { parked, path, link } = await parkWithLink({ quorum: 2 }, { text: 'first' });
    await drive.decide(parked, ann, edited({ text: 'second' })).expect(200);
    const stale = { comment: 'I have read it', content: '{"text":"mine"}', action: 'edit' };
    const { text } = await links.send(path, stale).expect(412);
    expect(text).toContain('It has changed since you read it');
    expect(text).toContain('name="revision" value="2"');
    expect(text).toContain('second');
    expect(text).toContain('I have read it</textarea>');
    expect(text).toContain('What you had written before it changed');
    expect(await isUnused(link)).toBe(true);
    await links.send(path, { revision: 2 }).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ output: { content: { text: 'second' } } });
  });

  it('edits JSON as JSON', async () => {
    const { parked, path } = await parkWithLink({}, { text: 'shown', n: 1 });
    await links.send(path, { action: 'edit', content: '{"text": "edited",\r\n "n": 1}' }).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ output: { action: 'edit', content: { text: 'edited', n: 1 } } });
  });

  it('edits text as text', async () => {
    const { parked, path } = await parkWithLink({}, '\nDear Bo,\r\nyes');
    const { text } = await links.open(path).expect(200);
    expect(text).toContain('>\n\nDear Bo,\nyes</textarea>');
    await links.send(path, { action: 'edit', content: 'Dear Bo,\r\n"no"' }).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ output: { content: 'Dear Bo,\n"no"' } });
  });

  it.each([
    ['that is no JSON', '{"text": shown}', 'This is not JSON'],
    ['that cannot be stored', String.raw`{"text": "\u0000"}`, 'cannot be stored'],
    ['with a key that reaches prototypes', '{"__proto__": {"a": 1}}', 'This key is not allowed'],
    ['that does not fit the schema', '{"text": 7}', 'At /text:'],
    ['of more levels than anybody nests', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'Nest at most 64 levels'],
  ])('with a content %s is refused at its place, and what was typed is kept', async (_, content, words) => {
    const schema = { type: 'object', properties: { text: { type: 'string' } } };
    const { parked, path, link } = await parkWithLink({ schema }, { text: 'shown' });
    const { text } = await links.send(path, { action: 'edit', content, comment: 'why' }).expect(422);
    expect(text).toContain('id="content-wrong"');
    expect(text).toContain(words);
    expect(text).toContain('<details class="edit" open>');
    expect(text).toContain(content.slice(0, 5).replaceAll('"', '&#34;'));
    expect(text).toContain('why</textarea>');
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1 });
    expect(await isUnused(link)).toBe(true);
  });

  it('never approves changes away: with a changed content only the button that keeps it is taken', async () => {
    const { parked, path } = await parkWithLink({}, { text: 'shown', n: 1 });
    const { text } = await links.send(path, { content: '{"text": "edited", "n": 1}' }).expect(422);
    expect(text).toContain('only “Approve with changes” keeps that');
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1 });
    await links.send(path, { content: '{\r\n  "n": 1,\r\n  "text": "shown"\r\n}' }).expect(200);
    expect(await drive.ended(parked)).toMatchObject({
      output: { action: 'approve', content: { text: 'shown', n: 1 } },
    });
  });

  it('asks for a comment where one is needed', async () => {
    const { path } = await parkWithLink();
    expect((await links.send(path, { action: 'reject' }).expect(422)).text).toContain('id="comment-wrong"');
    expect((await links.send(path, { comment: 'x'.repeat(10_001) }).expect(422)).text).toContain('10,000 characters');
    await links.send(path, { action: 'reject', comment: 'Too early' }).expect(200);
  });

  it.each([
    ['an action that is not offered', { action: 'dance' }, 403],
    ['a field that it does not have', { on_behalf_of: 'somebody' }, 422],
    ['no revision', { revision: '' }, 422],
    ['a revision that is none', { revision: '1; drop table' }, 422],
    ['a NUL character', { comment: 'a\0b' }, 422],
  ])('with %s is refused with a page', async (_, form, status) => {
    const { parked, path } = await parkWithLink();
    const answer = await links.send(path, form);
    expect([answer.status, answer.headers['content-type']]).toEqual([status, 'text/html; charset=utf-8']);
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1 });
  });

  it('is a form and nothing else', async () => {
    const { parked, path } = await parkWithLink();
    const body = { action: 'approve', revision: 1 };
    const post = () => test.http().post(path);
    expect((await post().send(body).expect(415)).body.code).toBe('UNSUPPORTED_MEDIA_TYPE');
    await post().type('text/plain').send('action=approve&revision=1').expect(415);
    await post().field(body).expect(415);
    await post().expect(422);
    await post().type('form').send('action=approve&revision=1&comment=a&comment=b').expect(422);
    await post()
      .type('form')
      .send(`action=approve&revision=1&comment=${'x'.repeat(1_100_000)}`)
      .expect(413);
    await test.http().put(path).type('form').send(body).expect(405);
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1 });
  });

  it('is refused when another site sends it', async () => {
    const { parked, path } = await parkWithLink();
    for (const site of ['cross-site', 'same-site']) {
      const { text } = await links.send(path).set('Sec-Fetch-Site', site).expect(403);
      expect(text).toContain('This was sent from another site');
    }
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1 });
    await links.send(path).set('Sec-Fetch-Site', 'same-origin').expect(200);
  });

  it('of somebody without an account is refused where four-eyes needs to know who they are', async () => {
    const { parked, path } = await parkWithLink({ ...ANYONE });
    const unnamed = await links.make(parked);
    // No definition can say so; the gate does not rely on that.
    await test.database.query(
      `update checkpoints set policy = jsonb_set(policy::jsonb, '{not_requester}', 'true') where id = $1`,
      [parked.id],
    );
    expect((await links.send(pathOf(unnamed), NAMED).expect(403)).text).toContain(
      'It takes different people here, so each has to be known',
    );
    await links.send(path).expect(200);
  });

  it('is refused where the definition lets no link decide, however the link was come by', async () => {
    const { parked, path } = await parkWithLink();
    const setRule = (rule: string) =>
      test.database.query(
        `update checkpoints set policy = jsonb_set(policy::jsonb, '{allow_links}', to_jsonb($2::text)) where id = $1`,
        [parked.id, rule],
      );
    await setRule('no');
    expect((await links.send(path).expect(403)).text).toContain('does not let this link decide here');
    await setRule('anyone');
    const unnamed = await links.make(parked);
    await setRule('members');
    await links.send(pathOf(unnamed), NAMED).expect(403);
    await links.send(path).expect(200);
  });

  it('is limited like signing in, and says so with a page', async () => {
    const small = await startTestApp({ AUTH_RATE_LIMIT_PER_MINUTE: '2' }, test.database);
    try {
      const statuses = [];
      for (let i = 0; i < 3; i++) statuses.push(await small.http().post('/decide/x').type('form').send({}));
      const last = statuses.at(-1);
      expect(statuses.map(({ status }) => status)).toEqual([422, 422, 429]);
      expect(last?.headers['retry-after']).toMatch(/^\d+$/);
      expect(last?.text).toContain('Wait');
      await small.http().get('/decide/x').expect(404);
    } finally {
      await small.close();
    }
  });
});
