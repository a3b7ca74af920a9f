import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Letter } from '../notices.events.js';
import { composeMail } from './compose-mail.js';
import { FileMailer } from './file-mailer.js';

const ID = '01900000-0000-7000-8000-000000000001';
const CREATED = new Date('2026-11-21T10:11:12.345Z');

const LETTER: Letter = {
  organization_id: ID,
  type: 'checkpoint.opened',
  subject: { type: 'checkpoint', id: ID },
  title: 'Reply to Bo?',
  text: 'Please look at it.\nThank you.',
};

const RECIPIENT = { user_id: ID, email: 'ann@test.example', name: 'Ann', role: 'approver' as const };

const compose = (
  letter: Partial<Letter> = {},
  recipient: Partial<typeof RECIPIENT> = {},
  url = 'https://h.example/x',
) =>
  composeMail({
    id: ID,
    letter: { ...LETTER, ...letter },
    recipient: { ...RECIPIENT, ...recipient },
    link: { url, label: 'Decide' },
    created_at: CREATED,
  });

describe('a mail', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-mail-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const mails = () => readdirSync(join(folder, 'mail')).toSorted();

  async function written(...given: Parameters<typeof compose>): Promise<string> {
    await new FileMailer(folder, 'Holdpoint <holdpoint@test.example>').send(compose(...given));
    return readFileSync(join(folder, 'mail', mails().at(-1) ?? ''), 'utf8');
  }

  it('is written to a file that is named for the moment, with all that a mail needs', async () => {
    const eml = await written();
    expect(mails()).toEqual([`20261121T101112345Z-${ID}.eml`]);
    for (const line of [
      'From: Holdpoint <holdpoint@test.example>',
      'To: Ann <ann@test.example>',
      'Subject: Reply to Bo?',
      `Message-ID: <${ID}@test.example>`,
      'Auto-Submitted: auto-generated',
      'Date: Sat, 21 Nov 2026 10:11:12 +0000',
      'Decide: https://h.example/x',
    ]) {
      expect(eml.split('\r\n')).toContain(line);
    }
    expect(eml).toMatch(/multipart\/alternative[^]*text\/plain[^]*text\/html/);
  });

  it('sent again is the same file', async () => {
    await written();
    await written();
    expect(mails()).toHaveLength(1);
  });

  it.each(['\r\n', '\n', '\r', '\u2028', '\u0085', '\v', '\0'])(
    'has no further header by %j in any field',
    async (end) => {
      const evil = `x${end}Bcc: eve@evil.example${end}${end}<b>body</b>`;
      const eml = await written(
        { title: evil, text: evil },
        { name: evil, email: `ann@test.example${end}Bcc: eve@evil.example` },
      );
      const [head = ''] = eml.split('\r\n\r\n');
      const names = head.split(/\r\n(?![ \t])/).map((line) => line.split(':')[0] ?? '');
      expect(names.toSorted()).toEqual(
        ['Auto-Submitted', 'Content-Type', 'Date', 'From', 'MIME-Version', 'Message-ID', 'Subject', 'To'].toSorted(),
      );
      expect(head).not.toMatch(/^To:.*,/m); // one recipient still
    },
  );

  it('shows what others wrote as text, never as markup', () => {
    const evil = `<script>alert("1")</script><img src=x onerror='a'>&amp;`;
    const { html, text } = compose({ title: evil, text: evil }, {}, 'https://h.example/?a="><script>');
    expect(html).not.toMatch(/<script|<img|onerror='|"><s/);
    expect(html).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;');
    expect(text).toContain(evil);
  });

  it('pushes out the oldest of a thousand', async () => {
    await written();
    const old = (i: number) => `20200101T000000000Z-${String(i).padStart(4, '0')}.eml`;
    for (let i = 0; i < 1_000; i++) writeFileSync(join(folder, 'mail', old(i)), '');
    await written({ title: 'Again' });
    expect(mails()).toHaveLength(1_000);
    expect(mails()).not.toContain(old(0));
    expect(mails().at(-1)).toBe(`20261121T101112345Z-${ID}.eml`);
  });
});
