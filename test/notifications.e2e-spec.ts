import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from 'pg';
import type { Notice } from '../src/notifications/notices.events.js';
import { NotificationsService } from '../src/notifications/notifications.service.js';
import { type Transaction, Transactions } from '../src/platform/database/transactions.js';
import { addMember, type TestMember } from './add-member.js';
import { startSmtpServer } from './smtp-server.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { waitFor } from './wait-for.js';

let database: TestDatabase;
let folder: string;
let test: TestApp;
let ann: TestPerson;
let bea: TestMember;
let vic: TestMember;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-notifications-'));
  test = await startTestApp({ DATA_DIR: folder, PUBLIC_URL: 'https://holdpoint.example/' }, database);
  ann = await test.register('Ann');
  bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
  vic = await addMember(test, ann.organization.id, 'viewer', 'Vic');
});
afterAll(async () => {
  await test.close();
  await database.drop();
  rmSync(folder, { recursive: true });
});

const nobody = { users: [], roles: [], groups: [] };

const notice = (given: Partial<Notice> = {}): Notice => ({
  organization_id: ann.organization.id,
  type: 'checkpoint.opened',
  subject: { type: 'checkpoint', id: '01900000-0000-7000-8000-000000000000' },
  recipients: { ...nobody, users: [bea.id] },
  title: 'Reply to Bo?',
  text: 'Somebody has to look at it.',
  data: {},
  link: { path: '/checkpoints/7', label: 'Look at it' },
  ...given,
});

const notify = (app: TestApp, ...notices: Notice[]) =>
  app.app.get(Transactions).run(async (tx) => {
    for (const one of notices) await app.app.get(NotificationsService).notify(tx, one);
  });

const mailFolder = () => join(folder, 'mail');

const mailsAbout = (title: string) =>
  (existsSync(mailFolder()) ? readdirSync(mailFolder()) : [])
    .filter((name) => name.endsWith('.eml'))
    .map((name) => readFileSync(join(mailFolder(), name), 'utf8'))
    .filter((text) => text.includes(`Subject: ${title}\r\n`));

const recipientOf = (eml: string) => /^To: .*<(.+)>\r$/m.exec(eml)?.[1] ?? '';

const unfinished = () => database.query(`select 1 from pgboss.job where state in ('created', 'retry', 'active')`);

/** When nothing is left to be done, everybody whom it concerns has their mail. */
async function sentAbout(title: string): Promise<string[]> {
  await waitFor('the queue to be empty', unfinished, (rows) => rows.length === 0);
  return mailsAbout(title);
}

describe('a notice', () => {
  it('reaches each member who is named once, however often', async () => {
    const users = [bea.id, bea.email.toUpperCase(), 'stranger@elsewhere.example', 'x'];
    await notify(test, notice({ title: 'Once', recipients: { users, roles: ['approver', 'owner'], groups: [] } }));
    const mails = await sentAbout('Once');
    expect(mails.map(recipientOf).toSorted()).toEqual([ann.email, bea.email].toSorted());
    expect(mails[0]).toContain('Look at it: https://holdpoint.example/checkpoints/7');
  });

  it('reaches nobody of another organization', async () => {
    const eve = await test.register('Eve');
    const recipients = { users: [eve.user.id, eve.email, vic.id], roles: [], groups: [] };
    await notify(test, notice({ title: 'Ours', recipients }));
    expect((await sentAbout('Ours')).map(recipientOf)).toEqual([vic.email]);
  });

  it('of a transaction that is rolled back reaches nobody', async () => {
    const broken = test.app.get(Transactions).run(async (tx) => {
      await test.app.get(NotificationsService).notify(tx, notice({ title: 'Never' }));
      throw new Error('changed its mind');
    });
    await expect(broken).rejects.toThrow('changed its mind');
    await notify(test, notice({ title: 'Afterwards' }));
    expect(await sentAbout('Afterwards')).toHaveLength(1);
    expect(mailsAbout('Never')).toEqual([]);
  });

  it('of a process that ended before it was told is told by the next', async () => {
    const other = await createTestDatabase();
    const dying = await startTestApp({ HOLDPOINT_ROLES: 'api' }, other);
    const { organization, user, email } = await dying.register('Ann');
    const recipients = { ...nobody, users: [user.id] };
    await notify(dying, notice({ title: 'Survivor', organization_id: organization.id, recipients }));
    await dying.close();
    expect(mailsAbout('Survivor')).toEqual([]);
    const next = await startTestApp({ DATA_DIR: folder }, other);
    const told = await waitFor(
      'the mail',
      () => Promise.resolve(mailsAbout('Survivor')),
      (mails) => mails.length > 0,
    );
    expect(told.map(recipientOf)).toEqual([email]);
    await next.close();
    await other.drop();
  });

  it('is told once where two processes work', async () => {
    const second = await startTestApp({ DATA_DIR: folder }, database);
    await notify(test, ...Array.from({ length: 20 }, (_, i) => notice({ title: `Twin ${i}` })));
    await sentAbout('');
    const jobs = await database.query<{ retry_count: number; times: number }>(
      `select retry_count, count(*)::int as times from pgboss.job
       where name = 'mails' and data->'letter'->>'title' like 'Twin %' group by 1`,
    );
    expect(jobs).toEqual([{ retry_count: 0, times: 20 }]);
    for (let i = 0; i < 20; i++) expect(mailsAbout(`Twin ${i}`)).toHaveLength(1);
    await second.close();
  });

  it('keeps NUL characters and half characters from nobody’s transaction', async () => {
    await notify(test, notice({ title: 'Half \ud800 and \0', data: { text: '\0' } }));
    await waitFor('the queue to be empty', unfinished, (rows) => rows.length === 0);
  });

  it('costs one statement, and none when it is known that nobody could take it', async () => {
    const statementsFor = (given: Notice) =>
      test.app.get(Transactions).run(async (tx: Transaction) => {
        const statements = jest.spyOn((await tx.queryRunner?.connect()) as Client, 'query');
        await test.app.get(NotificationsService).notify(tx, given);
        const count = statements.mock.calls.length;
        statements.mockRestore();
        return count;
      });
    expect(await statementsFor(notice())).toBe(1);
    const forNobody = notice({ recipients: null });
    expect(await statementsFor(forNobody)).toBeLessThanOrEqual(1);
    await waitFor(
      'it to be known',
      () => statementsFor(forNobody),
      (count) => count === 0,
    );
  });
});

describe('mail', () => {
  it('goes to the server of SMTP_URL, and is given up for an address that it refuses for good', async () => {
    const smtp = await startSmtpServer();
    const other = await startTestApp({ SMTP_URL: smtp.url, MAIL_FROM: 'review@holdpoint.example' });
    const owner = await other.register('Ann');
    const gone = await addMember(other, owner.organization.id, 'viewer', 'Nobody');
    const recipients = { ...nobody, users: [owner.email, gone.id] };
    await notify(other, notice({ organization_id: owner.organization.id, title: 'By wire', recipients }));
    const jobs = await waitFor(
      'both to end',
      () =>
        other.database.query<{ id: string; state: string }>(
          `select id, state::text from pgboss.job where name = 'mails' and state in ('completed', 'failed') order by state`,
        ),
      (rows) => rows.length === 2,
    );
    expect(jobs.map(({ state }) => state)).toEqual(['completed', 'failed']);
    expect(smtp.received.map(({ to }) => to)).toEqual([owner.email]);
    expect(smtp.received[0]?.message).toContain(`Message-ID: <${jobs[0]?.id}@holdpoint.example>`);
    await other.close();
    await smtp.close();
  });
});
