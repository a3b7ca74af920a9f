import { SignedToken } from '../src/platform/http/signed-token.js';
import { addMember, type TestMember } from './add-member.js';
import { type CheckpointDriver, driveCheckpoints } from './drive-checkpoints.js';
import { ANYONE, driveLinks, type LinkDriver, MEMBERS, NAMED } from './drive-links.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

let test: TestApp;
/** Owns the organization, and starts everything. */
let ann: TestPerson;
let bea: TestMember;
let drive: CheckpointDriver;
let links: LinkDriver;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  bea = await add('Bea');
  drive = driveCheckpoints(test, ann);
  links = driveLinks(test, drive, ann);
});
afterAll(() => test.close());

const add = (name: string) => addMember(test, ann.organization.id, 'approver', name);

/** How many rows each table has, and a hash over all of them; those of the queue too. */
async function fingerprint() {
  const tables = await test.database.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
  );
  // The queue's own housekeeping goes on meanwhile.
  const jobs = { name: `(select id, data from pgboss.job where name not like '\\_\\_%')` };
  const each = [...tables, jobs].map(
    ({ name }) =>
      `select $q$${name}$q$ as name, count(*)::int, md5(coalesce(string_agg(t::text, '' order by t::text), '')) from ${name} t`,
  );
  return test.database.query<{ name: string; count: number }>(each.join(' union all '));
}

it('(a) GET and HEAD on any link a hundred times leave everything unchanged', async () => {
  const [parked, decided] = [await drive.park(ANYONE), await drive.park(ANYONE)];
  const [unnamed, own, used, revoked, expired] = [
    await links.make(parked),
    await links.make(parked, bea, { user_id: bea.id }),
    await links.make(decided),
    await links.make(parked),
    await links.make(parked),
  ];
  await links.send(used.url, NAMED).expect(200);
  await drive.ended(decided);
  await links.revoke(revoked).expect(200);
  await links.expire(expired);
  const tried: [url: string, status: number][] = [
    [unnamed.url, 200],
    [own.url, 200],
    [used.url, 409],
    [revoked.url, 410],
    [expired.url, 410],
    [`${unnamed.url}x`, 404],
    ['/decide/x', 404],
  ];
  const before = await fingerprint();
  expect(before.find(({ name }) => name === 'decision_links')?.count).toBeGreaterThanOrEqual(5);
  for (const [url, status] of tried) {
    for (let i = 0; i < 100; i++) {
      const answer = i % 2 === 0 ? await links.open(url) : await test.http().head(url);
      expect([url, answer.status]).toEqual([url, status]);
    }
  }
  expect(await fingerprint()).toEqual(before);
  await links.send(own.url).expect(200);
  expect(await drive.ended(parked)).toMatchObject({ status: 'completed' });
});

describe('a link for a member', () => {
  it('decides once, as that member, and says so in decision, history and audit', async () => {
    const parked = await drive.park(MEMBERS);
    const link = await links.make(parked, bea, { user_id: bea.id });
    expect(link).toEqual({
      id: expect.any(String),
      url: expect.stringMatching(/^\/decide\/[\w.-]+$/),
      expires_at: expect.stringMatching(/Z$/),
      user_id: bea.id,
    });
    const { text } = await links.send(link.url, { comment: 'Good\r\nenough' }).expect(200);
    expect(text).toContain('Recorded: Approve');
    const { decision } = await drive.read(parked);
    expect(decision).toMatchObject({
      action: 'approve',
      decided_by: bea.id,
      decided_by_name: 'Bea',
      verified: true,
      via: 'decision_link',
      comment: 'Good\nenough',
    });
    const events = await drive.events(parked);
    expect(events.find(({ type }) => type === 'decided')).toMatchObject({
      actor: { user_id: bea.id, via: 'decision_link' },
    });
    const records = await links.auditOf(parked);
    expect(records.at(-1)).toMatchObject({
      action: 'checkpoint.approved',
      actor_id: bea.id,
      details: { link_id: link.id },
    });
    expect((await links.row(link))?.['used_at']).toBeInstanceOf(Date);
    const again = await links.send(link.url).expect(409);
    expect(again.text).toContain('This link has been used');
  });

  it('has an event and an audit record of its making, which hold nothing that opens it', async () => {
    const parked = await drive.park(MEMBERS);
    const link = await links.make(parked, ann, { user_id: bea.id, expires_in_seconds: 60 });
    const made = { link_id: link.id, user_id: bea.id, expires_at: link.expires_at };
    const events = await drive.events(parked);
    expect(events.at(-1)).toMatchObject({ type: 'link_made', actor: { user_id: ann.user.id }, data: made });
    const [record] = (await links.auditOf(parked)).slice(-1);
    expect(record).toMatchObject({ action: 'checkpoint.link_made', actor_id: ann.user.id, details: made });
    const [payload = '', signature = ''] = link.url.replace('/decide/', '').split('.');
    const stored = JSON.stringify([events, record, await links.row(link)]);
    for (const secret of [payload, signature]) expect(stored).not.toContain(secret);
    expect((await drive.read(parked)).revision).toBe(1);
  });

  it('decides with the role they have then, not with the one when it was made', async () => {
    const parked = await drive.park(MEMBERS);
    const dan = await add('Dan');
    const link = await links.make(parked, dan, { user_id: dan.id });
    const path = `/api/organizations/current/members/${dan.id}`;
    await test.http().patch(path).set(ann.auth).send({ role: 'viewer' }).expect(200);
    const { text } = await links.send(link.url).expect(403);
    expect(text).toContain('Your role in this organization does not decide checkpoints');
    expect((await links.open(link.url).expect(200)).text).not.toContain('name="action"');
    expect((await links.row(link))?.['used_at']).toBeNull();
    await test.http().patch(path).set(ann.auth).send({ role: 'approver' }).expect(200);
    await links.send(link.url).expect(200);
  });

  it('shows nothing to somebody who left, and refuses them on record', async () => {
    const parked = await drive.park(MEMBERS, undefined, { text: 'a secret of the house' });
    const dan = await add('Dan');
    const link = await links.make(parked, dan, { user_id: dan.id });
    await test.http().delete(`/api/organizations/current/members/${dan.id}`).set(ann.auth).expect(204);
    for (const { text, status } of [await links.open(link.url), await links.send(link.url)]) {
      expect(status).toBe(403);
      expect(text).not.toContain('a secret of the house');
      expect(text).not.toContain('So?');
    }
    expect((await drive.events(parked)).at(-1)).toMatchObject({ type: 'refused', actor: { user_id: dan.id } });
  });

  it('is refused where they started it and may not approve, and is good for sending it back', async () => {
    const parked = await drive.park({ ...MEMBERS, not_requester: true });
    const link = await links.make(parked, ann, { user_id: ann.user.id });
    const { text } = await links.open(link.url).expect(200);
    expect(text).not.toContain('value="approve"');
    expect(text).toContain('value="reject"');
    expect((await links.send(link.url).expect(403)).text).toContain('You started this execution');
    expect((await links.row(link))?.['used_at']).toBeNull();
    await links.send(link.url, { action: 'reject', comment: 'Mine, and wrong' }).expect(200);
    expect(await drive.read(parked)).toMatchObject({ status: 'rejected' });
  });
});

describe('a link for somebody without an account', () => {
  it('records the name that was written as nobody’s, in decision, history and audit', async () => {
    const parked = await drive.park(ANYONE);
    const link = await links.make(parked, bea);
    expect(link.user_id).toBeNull();
    expect((await links.open(link.url).expect(200)).text).toContain('name="name"');
    const { text } = await links.send(link.url, { name: '  Zoë Outside ' }).expect(200);
    expect(text).toContain('Zoë Outside (name not verified)');
    const who = { decided_by: null, decided_by_name: 'Zoë Outside', verified: false, via: 'decision_link' };
    expect((await drive.read(parked)).decision).toMatchObject(who);
    const decided = (await drive.events(parked)).find(({ type }) => type === 'decided');
    expect(decided).toMatchObject({
      actor: { user_id: null, name: 'Zoë Outside', via: 'decision_link' },
      data: { verified: false, person: 'unverified' },
    });
    const details = { name: 'Zoë Outside', verified: false, link_id: link.id };
    expect((await links.auditOf(parked)).at(-1)).toMatchObject({ actor_id: null, details });
    expect(await drive.ended(parked)).toMatchObject({ output: { decided_by: null } });
  });

  it.each([
    ['none', ''],
    ['nothing but spaces', '   '],
    ['of more than a hundred characters', 'x'.repeat(101)],
    ['with a control character', 'Zo\u0007ë'],
    ['that turns the direction of what follows', 'Zo\u202Eë'],
    ['of two lines', 'Zoë\nAnn'],
  ])('is told of a name that cannot be: %s', async (_, name) => {
    const parked = await drive.park(ANYONE);
    const link = await links.make(parked);
    const { text } = await links.send(link.url, { name, comment: 'What I typed' }).expect(422);
    expect(text).toContain('id="name-wrong"');
    expect(text).toContain('What I typed</textarea>');
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1 });
    expect((await links.row(link))?.['used_at']).toBeNull();
  });

  it('is none of several, as nobody knows whose decision it is', async () => {
    const parked = await drive.park(ANYONE);
    const link = await links.make(parked);
    // No definition can say so; the gate does not rely on that.
    await test.database.query(
      `update checkpoints set policy = jsonb_set(policy::jsonb, '{actions,0,quorum}', '2') where id = $1`,
      [parked.id],
    );
    await links.send(link.url, NAMED).expect(403);
    expect((await links.row(link))?.['used_at']).toBeNull();
    expect(await drive.read(parked)).toMatchObject({ status: 'open', decisions: [] });
  });
});

describe('a token', () => {
  it('that was changed, belongs to nothing, or was signed for something else opens nothing, all with the same page', async () => {
    const parked = await drive.park(ANYONE);
    const { url, id } = await links.make(parked);
    const [payload = '', signature = ''] = url.replace('/decide/', '').split('.');
    const tokens = test.app.get(SignedToken, { strict: false });
    const later = new Date(Date.now() + 60_000);
    const body = Buffer.from(payload, 'base64url').toString();
    const prolonged = Buffer.from(body.replace(/"expires":\d+/, '"expires":99999999999')).toString('base64url');
    const last = signature.at(-1) === 'A' ? 'B' : 'A';
    const forged = [
      `${payload}.`,
      payload,
      `.${signature}`,
      `${payload}.${signature}.`,
      `${payload}.${signature.slice(0, -1)}${last}`,
      `${payload}.${signature.slice(0, -1)}`,
      `${prolonged}.${signature}`,
      id,
      tokens.issue('decision links', id, later),
      tokens.issue('checkpoint analytics', id, later),
      tokens.issue('decision link', '01900000-0000-7000-8000-000000000000', later),
      'x'.repeat(5_000),
      '%00',
      '%22%3E%3Cscript%3E',
    ];
    const known = (await links.open('/decide/x').expect(404)).text;
    for (const token of forged) {
      for (const answer of [await links.open(`/decide/${token}`), await links.send(`/decide/${token}`, NAMED)]) {
        expect([token, answer.status, answer.text === known]).toEqual([token, 404, true]);
      }
    }
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1 });
  });

  it('that expired or was revoked says so and decides nothing', async () => {
    const parked = await drive.park(ANYONE);
    const [expired, revoked] = [await links.make(parked), await links.make(parked)];
    await links.expire(expired);
    expect((await links.revoke(revoked, ann).expect(200)).body.revoked_at).toMatch(/Z$/);
    for (const [{ url }, words] of [
      [expired, 'has expired'],
      [revoked, 'was revoked'],
    ] as const) {
      expect((await links.open(url).expect(410)).text).toContain(words);
      expect((await links.send(url, NAMED).expect(410)).text).toContain(words);
    }
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1 });
    expect((await links.auditOf(parked)).at(-1)).toMatchObject({
      action: 'checkpoint.link_revoked',
      actor_id: ann.user.id,
    });
  });

  it('expires by the moment that is signed in it, whatever is stored', async () => {
    const parked = await drive.park(ANYONE);
    const link = await links.make(parked);
    const tokens = test.app.get(SignedToken, { strict: false });
    const old = tokens.issue('decision link', link.id, new Date(Date.now() - 1_000));
    await links.send(`/decide/${old}`, NAMED).expect(410);
    await links.send(link.url, NAMED).expect(200);
  });
});

describe('twenty who send the same link at once', () => {
  it.each([
    ['without an account', ANYONE, {}],
    ['of a member, one of several', { ...MEMBERS, quorum: 2 }, { user_id: '' }],
  ])('make one decision, and the others are told: %s', async (_who, policy, given) => {
    const parked = await drive.park(policy);
    const isOwn = 'user_id' in given;
    const { url } = await links.make(parked, bea, isOwn ? { user_id: bea.id } : {});
    const names = Array.from({ length: 20 }, (_, i) => `Person ${i}`);
    const answers = await Promise.all(
      names.map((name) =>
        links.send(url, isOwn ? {} : { name }).then((answer) => ({ name: isOwn ? 'Bea' : name, answer })),
      ),
    );
    const winners = answers.filter(({ answer }) => answer.status === 200);
    expect(winners).toHaveLength(1);
    const losers = answers.filter(({ answer }) => answer.status !== 200);
    expect(new Set(losers.map(({ answer }) => answer.status))).toEqual(new Set([409]));
    for (const { answer } of losers) expect(answer.text).toContain('This link has been used');
    const { decisions } = await drive.read(parked);
    expect(decisions).toMatchObject([{ decided_by_name: winners[0]?.name }]);
    expect(await drive.events(parked)).not.toEqual([]);
  });

  it('or different links of one checkpoint, are told who was first', async () => {
    const parked = await drive.park(ANYONE);
    const six = await Promise.all(Array.from({ length: 6 }, () => links.make(parked)));
    const answers = await Promise.all(six.map(({ url }, i) => links.send(url, { name: `Person ${i}` })));
    const winner = answers.findIndex(({ status }) => status === 200);
    const losers = answers.filter((_, i) => i !== winner);
    expect(losers.map(({ status }) => status)).toEqual(Array(5).fill(409));
    for (const { text } of losers)
      expect(text).toContain(`Person ${winner} (name not verified) was first: approved at`);
    const used = await Promise.all(six.map(async (link) => (await links.row(link))?.['used_at'] !== null));
    expect(used).toEqual(six.map((_, i) => i === winner));
  });
});
