import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ExportedRecord } from '../audit/audit-export.service.js';
import { hashRecord } from '../audit/hash-record.js';
import { canonicalJson } from '../platform/hashing/canonical-json.js';
import { hashJson } from '../platform/hashing/hash-json.js';
import { diffContent } from './diff-content.js';
import { approvedAfterEdit, evidenceOf } from './evidence-file.fixture.js';
import { FIRST_HASH, hashEvent } from './hash-event.js';

/** What the scripts offer; they are plain Node, without types. */
interface Verifier {
  verifyFile(
    path: string,
    options?: { heads?: string[]; chain?: string },
  ): Promise<{ breaches: { at: string; what: string }[]; report: string[] }>;
  canonicalJson(value: unknown): string;
  applyPatch(document: unknown, patch: unknown): unknown;
}

const SCRIPT = resolve('scripts/verify-audit.mjs');
const load = async (path: string): Promise<object> => import(pathToFileURL(resolve('scripts', path)).href);

let verifier: Verifier;
let folder: string;

beforeAll(async () => {
  const parts = ['verify-audit.mjs', 'verify-audit/hash-link.mjs', 'verify-audit/apply-patch.mjs'];
  verifier = Object.assign({}, ...(await Promise.all(parts.map(load)))) as Verifier;
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-evidence-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function written(text: string | Buffer): string {
  const path = join(folder, 'export');
  writeFileSync(path, text);
  return path;
}

/** Each breach as `at what`. */
async function breachesOf(text: string | Buffer, options?: Parameters<Verifier['verifyFile']>[1]): Promise<string[]> {
  const { breaches } = await verifier.verifyFile(written(text), options);
  return breaches.map(({ at, what }) => `${at} ${what}`);
}

async function run(...args: string[]) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((done) => {
    const child = execFile(process.execPath, [SCRIPT, ...args], (_error, stdout, stderr) => {
      done({ code: child.exitCode, stdout, stderr });
    });
  });
}

type Json = Record<string, unknown>;

interface Link extends Json {
  seq: string | number;
  occurred_at: string;
  previous_hash: string;
  hash: string;
}

interface LooseEvent extends Link {
  actor: Json;
  data: Json & { verdict: Json; policy: { actions: Json[] } };
}

interface LooseRecord extends Link {
  details: Json & { history_seq: number };
}

/** Evidence that somebody tampers with. */
interface LooseFile extends Json {
  checkpoint: Json & { content: Json; original_content: Json; policy: { actions: Json[] } };
  decisions: (Json & { edited_content: Json })[];
  events: LooseEvent[];
  audit_records: LooseRecord[];
  audit_head: Json;
}

const place = {
  organization_id: '01900000-0000-7000-8000-000000000001',
  execution_id: '01900000-0000-7000-8000-000000000002',
  workflow_id: '01900000-0000-7000-8000-000000000003',
};

/** A file as it is downloaded, and read again. */
const evidence = () => JSON.parse(JSON.stringify(evidenceOf(approvedAfterEdit(place)))) as LooseFile;

/** What somebody does who knows how hashes are made: all of them anew, and the records too. */
function rehash(file: LooseFile): LooseFile {
  let previous_hash = FIRST_HASH;
  for (const event of file.events) {
    event.previous_hash = previous_hash;
    event.hash = hashEvent({ ...event, occurred_at: new Date(event.occurred_at) } as never);
    previous_hash = event.hash;
  }
  file.checkpoint.history_hash = previous_hash;
  file.checkpoint.history_length = file.events.length;
  let before: LooseRecord | undefined;
  for (const record of file.audit_records) {
    const named = file.events[record.details.history_seq - 1];
    record.details.history_hash = named?.hash;
    if (before && Number(before.seq) + 1 === Number(record.seq)) record.previous_hash = before.hash;
    record.hash = hashRecord({ ...record, occurred_at: new Date(record.occurred_at) } as never);
    before = record;
  }
  return file;
}

describe('evidence of a checkpoint', () => {
  it('as it was exported is in order, and says who decided what', async () => {
    const file = evidence();
    const { breaches, report } = await verifier.verifyFile(written(JSON.stringify(file)));
    expect(breaches).toEqual([]);
    const text = report.join('\n');
    expect(text).toContain('edit by "Cleo"');
    expect(text).toContain('refused approve by "Bea"');
    expect(text).toContain('8 events without a gap, 3 decisions, 1 edits');
    expect(text).toContain('It is approved');
    expect(text).toContain('Not proven');
  });

  it('is in order too where somebody has put it on several lines', async () => {
    expect(await breachesOf(JSON.stringify(evidence(), null, 2))).toEqual([]);
  });

  it('is in order as often as its rows are hashed anew', async () => {
    expect(await breachesOf(JSON.stringify(rehash(evidence())))).toEqual([]);
  });

  const event = (file: LooseFile, seq: number) => file.events[seq - 1] as LooseEvent;
  const decision = (file: LooseFile, at: number) => file.decisions[at] as LooseFile['decisions'][0];
  const record = (file: LooseFile, at: number) => file.audit_records[at] as LooseRecord;
  const policy = (file: LooseFile) => file.checkpoint.policy.actions[0] as Json;

  it.each<[string, (file: LooseFile) => unknown, RegExp]>([
    ['a changed comment', (f) => (event(f, 3).data.comment = 'no'), /^event 3 \(decided\) was changed/],
    ['another person', (f) => (event(f, 7).actor.name = 'Eve'), /^event 7 \(decided\) was changed/],
    ['another moment', (f) => (event(f, 2).occurred_at = '2026-01-02T03:04:03.678Z'), /^event 2 .*was changed/],
    ['a field more', (f) => (event(f, 2).note = 'approved by all'), /^event 2 .*exactly the fields/],
    ['a removed event', (f) => f.events.splice(1, 1), /^event 3 \(decided\) does not come after 1/],
    ['a removed first event', (f) => f.events.shift(), /^event 2 .*out of place/],
    ['a removed last event', (f) => f.events.pop(), /^the history does not end where/],
    ['swapped events', (f) => f.events.splice(1, 2, event(f, 3), event(f, 2)), /^event 3 .*does not come after 1/],
    ['an event of another', (f) => (event(f, 2).checkpoint_id = place.execution_id), /^event 2 .*another checkpoint/],
    ['a changed hash', (f) => (event(f, 2).hash = FIRST_HASH), /^event 3 .*does not name the hash/],
    ['changed content', (f) => (f.checkpoint.content.text = 'Pay Eve'), /^the content is not what the edits lead to/],
    ['changed original', (f) => (f.checkpoint.original_content.text = 'x'), /^the content is not what was shown when/],
    ['another title', (f) => (f.checkpoint.title = 'Ok?'), /^the checkpoint has another title/],
    ['other instructions', (f) => (f.checkpoint.instructions = ''), /^the checkpoint has other instructions/],
    ['another schema', (f) => (f.checkpoint.schema = {}), /^the checkpoint has another schema/],
    ['an easier policy', (f) => (policy(f).quorum = 1), /^the checkpoint has another policy/],
    ['another status', (f) => (f.checkpoint.status = 'rejected'), /^the checkpoint is rejected, and approved by/],
    ['another action', (f) => (f.checkpoint.action = 'pay'), /^the checkpoint has another action/],
    ['a field of the checkpoint more', (f) => (f.checkpoint.boss = 'Eve'), /^the checkpoint does not have exactly/],
    ['a field of the file more', (f) => (f.note = 1), /^the file does not have exactly/],
    ['a changed edit', (f) => (decision(f, 1).edited_content.text = 'x'), /^event 4 .*has other edited content/],
    ['a foreign patch', (f) => (decision(f, 1).patch = []), /^decision .* has another patch than its event/],
    ['a removed decision', (f) => f.decisions.pop(), /^decision .* is in an event, and missing/],
    ['an added decision', (f) => f.decisions.push({ ...decision(f, 0), id: 'x' }), /^decision x is in no event/],
    ['a void one that counts', (f) => (decision(f, 0).void_reason = null), /^decision .* counts or is void against/],
    ['content beside no edit', (f) => (decision(f, 2).edited_content = {}), /^decision .* has edited content/],
    ['a changed record', (f) => (record(f, 0).actor_id = null), /^audit record 4 .*was changed/],
    ['a record of others', (f) => (record(f, 0).organization_id = 'x'), /^audit record 4 .*another organization/],
    ['a removed record', (f) => f.audit_records.pop(), /^event 7 \(decided\) is in no audit record/],
    ['swapped records', (f) => f.audit_records.unshift(record(f, 3)), /^audit record 4 .*out of order/],
    ['a record after the head', (f) => (f.audit_head.seq = '3'), /^the audit records do not end at the head/],
    ['events that are none', (f) => (f.events = 'none' as never), /^the file does not have the form/],
    ['an event that is null', (f) => (f.events[2] = null as never), /^the file does not have the form/],
  ])('with %s is not', async (_, change, expected) => {
    const file = evidence();
    change(file);
    expect(await breachesOf(JSON.stringify(file))).toContainEqual(expect.stringMatching(expected));
  });

  it('tells a single change by a single place', async () => {
    const file = evidence();
    event(file, 3).data.comment = 'no';
    const { breaches, report } = await verifier.verifyFile(written(JSON.stringify(file)));
    expect(breaches).toHaveLength(1);
    expect(report.join('\n')).not.toContain('Verified');
  });

  const vote = (file: LooseFile, seq: number) => event(file, seq).data;

  it.each<[string, (file: LooseFile) => unknown, RegExp]>([
    ['a foreign patch', (f) => patchBoth(f, [{ op: 'replace', path: '/text', value: 'x' }]), /does not lead to/],
    ['a patch of other content', (f) => patchBoth(f, [{ op: 'remove', path: '/nothing' }]), /does not fit what was/],
    ['an edit without a patch', (f) => patchBoth(f, null), /^event 4 .*changed the content, and has no patch/],
    ['a vote on other content', (f) => (vote(f, 7).content_hash = hashJson('x')), /^event 7 .*on other content/],
    ['a person twice', (f) => (vote(f, 7).person = vote(f, 4).person), /^event 8 .*counts a person twice/],
    ['too few votes', (f) => (vote(f, 7).verdict.counted = 1), /^event 8 .*took 2 votes/],
    ['votes that are not there', (f) => (vote(f, 7).verdict.quorum = 3), /^event 8 .*took 3 votes, and has 2/],
    ['a quorum of its own', (f) => lowerQuorum(f), /^event 8 .*took a quorum of 2, which the policy does not/],
    ['no vote that completes', (f) => (vote(f, 7).verdict.completes = false), /^event 8 .*no vote that completes/],
    ['another end than the votes', (f) => (vote(f, 8).action = 'reject'), /^event 8 .*another action than its votes/],
    ['other content at the end', (f) => (vote(f, 8).content_hash = hashJson('x')), /^event 8 .*has other content/],
    ['a second end', (f) => f.events.push({ ...event(f, 8), seq: 9 }), /^event 9 .*is a second end/],
    ['no end', (f) => f.events.pop(), /^the history has a vote that completes the quorum, and no end/],
    ['a record that names no event', (f) => (record(f, 0).details.history_seq = 99), /names event 99/],
  ])('that was hashed anew around %s is not in order either', async (_, change, expected) => {
    const file = evidence();
    change(file);
    expect(await breachesOf(JSON.stringify(rehash(file)))).toContainEqual(expect.stringMatching(expected));
  });

  function lowerQuorum(file: LooseFile) {
    policy(file).quorum = 1;
    (event(file, 1).data.policy.actions[0] as Json).quorum = 1;
  }

  function patchBoth(file: LooseFile, patch: unknown) {
    vote(file, 4).patch = patch;
    decision(file, 1).patch = patch;
  }

  it('that was wholly hashed anew is found out by a hash that was kept elsewhere', async () => {
    const file = evidence();
    const heads = [String(file.checkpoint.history_hash), event(file, 5).hash, record(file, 1).hash];
    expect(await breachesOf(JSON.stringify(file), { heads })).toEqual([]);
    vote(file, 3).comment = 'no';
    const found = await breachesOf(JSON.stringify(rehash(file)), { heads });
    expect(found).toEqual(heads.map((head) => expect.stringContaining(`--head ${head} is the hash of nothing here`)));
  });

  it('that has a name twice, which readers take differently, is none', async () => {
    const text = JSON.stringify(evidence()).replace('"comment":', '"comment":"I never said that","comment":');
    await expect(breachesOf(text)).rejects.toThrow('twice');
  });

  it.each([
    ['cut off', () => JSON.stringify(evidence()).slice(0, -100), 'cut off or damaged'],
    ['empty', () => '', 'cut off or damaged'],
    ['no UTF-8', () => Buffer.from([0x7b, 0xff, 0x7d]), 'UTF-8'],
    ['something else', () => '{"format":"holdpoint-other","version":1}', 'neither evidence nor'],
    ['null', () => 'null', 'neither evidence nor'],
    ['of a later version', () => JSON.stringify({ ...evidence(), version: 2 }), 'version 2'],
  ])('that is %s cannot be read', async (_, text, reason) => {
    await expect(breachesOf(text())).rejects.toThrow(reason);
  });
});

const HEADER = {
  format: 'holdpoint-audit',
  version: 1,
  organization_id: place.organization_id,
  exported_at: '2026-01-03T00:00:00.000Z',
};

/** A header or a record. */
type Line = Link & { details: Json; head: Json };

/** Lines of an export: the header, then records from 1 to `count`. */
function chain(count = 6): Line[] {
  const records: ExportedRecord[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const occurred_at = new Date(Date.UTC(2026, 0, 2, 3, 4, seq));
    const record = {
      organization_id: place.organization_id,
      seq: String(seq),
      occurred_at,
      action: 'thing.done',
      actor_type: 'user' as const,
      actor_id: null,
      subject_type: 'thing',
      subject_id: 'x',
      details: { text: 'two\u2028lines\u2029"and" \\ more\n', numbers: [1e21, 0.1, -0, 1e-7] },
      request_id: null,
      address: '127.0.0.1',
      user_agent: 'Grüße \u{1F600}',
      previous_hash: records.at(-1)?.hash ?? FIRST_HASH,
    };
    records.push({ ...record, occurred_at: occurred_at.toISOString(), hash: hashRecord(record) });
  }
  const head = { seq: String(count), hash: records.at(-1)?.hash };
  const header = { ...HEADER, from_seq: '1', to_seq: String(count), previous_hash: FIRST_HASH, head };
  return JSON.parse(JSON.stringify([header, ...records])) as Line[];
}

const asLines = (values: unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join('');

describe('an export of an audit record', () => {
  it('is in order from its first record to its head', async () => {
    const { breaches, report } = await verifier.verifyFile(written(asLines(chain())));
    expect(breaches).toEqual([]);
    expect(report.join('\n')).toContain('Records 1 to 6');
    expect(report.join('\n')).toContain('thing.done 6');
  });

  it('of a part is in order too', async () => {
    const [header, ...records] = chain() as [Line, ...Line[]];
    const part = { ...header, from_seq: '3', to_seq: '5', previous_hash: records[1]?.hash };
    expect(await breachesOf(asLines([part, ...records.slice(2, 5)]))).toEqual([]);
  });

  it.each<[string, (lines: Line[]) => unknown, RegExp]>([
    ['a changed record', (l) => ((l[3] as Line).details.text = ''), /^line 4, record 3 was changed/],
    ['a field more', (l) => ((l[3] as Line).note = ''), /^line 4, record 3 does not have exactly the fields/],
    ['a removed record', (l) => l.splice(3, 1), /^line 4, record 4 does not come after 2/],
    ['a removed first record', (l) => l.splice(1, 1), /^line 2, record 2 does not come after 0/],
    ['swapped records', (l) => l.splice(3, 2, l[4] as Line, l[3] as Line), /^line 4, record 4 does not come after 2/],
    ['a cut-off end', (l) => l.pop(), /^the end is record 5, and the header says 6/],
    ['no record', (l) => l.splice(1), /^the end is record 0/],
    ['another beginning', (l) => ((l[0] as Line).previous_hash = hashJson(1)), /^line 2, record 1 does not name/],
    ['another head', (l) => ((l[0] as Line).head.hash = hashJson(1)), /^the end is not the head/],
    ['a foreign record', (l) => ((l[2] as Line).organization_id = 'x'), /^line 3 belongs to another organization/],
    ['a line that is null', (l) => l.splice(2, 1, null as never), /^line 3 is no record/],
    ['a line that is a list', (l) => l.splice(2, 1, [] as never), /^line 3, record undefined does not have/],
  ])('with %s is not', async (_, change, expected) => {
    const lines = chain();
    change(lines);
    expect(await breachesOf(asLines(lines))).toContainEqual(expect.stringMatching(expected));
  });

  it('that was cut off, header and all, is found out by a hash that was kept elsewhere', async () => {
    const [whole, cut] = [chain(6), chain(4)];
    const heads = [String(whole.at(-1)?.hash)];
    expect(await breachesOf(asLines(whole), { heads })).toEqual([]);
    expect(await breachesOf(asLines(cut))).toEqual([]);
    expect(await breachesOf(asLines(cut), { heads })).toEqual([expect.stringContaining('the end was cut off')]);
  });

  it('that has grown since still has the hash that was kept', async () => {
    const heads = [String(chain(4).at(-1)?.hash)];
    const { breaches, report } = await verifier.verifyFile(written(asLines(chain(6))), { heads });
    expect(breaches).toEqual([]);
    expect(report.at(-1)).toContain('is that of record 4');
  });

  it('that ends within a line is damaged there', async () => {
    const found = await breachesOf(asLines(chain()).slice(0, -30));
    expect(found).toEqual([expect.stringMatching(/^line 7 .*cut off or damaged/), expect.stringMatching(/^the end/)]);
  });

  it('whose first line is damaged cannot be read', async () => {
    await expect(breachesOf('{"format":"holdpoint-audit",\n')).rejects.toThrow('first line');
  });

  it('holds the audit records of evidence, or the evidence is of something else', async () => {
    const file = evidence();
    const path = join(folder, 'chain');
    const [header, ...records] = chain(12) as [Line, ...Line[]];
    for (const own of file.audit_records) records[Number(own.seq) - 1] = own as never;
    let previous_hash = FIRST_HASH;
    for (const record of records) {
      record.previous_hash = previous_hash;
      record.hash = hashRecord({ ...record, occurred_at: new Date(record.occurred_at) } as never);
      previous_hash = record.hash;
    }
    writeFileSync(path, asLines([{ ...header, head: { seq: '12', hash: previous_hash } }, ...records]));
    file.audit_head = { seq: '12', hash: previous_hash };
    expect(await breachesOf(JSON.stringify(file), { chain: path, heads: [previous_hash] })).toEqual([]);
    const other = JSON.stringify(evidence());
    expect(await breachesOf(other, { chain: path })).toContain('line 5 is not what the evidence has');
    writeFileSync(path, asLines(chain(3)));
    expect(await breachesOf(other, { chain: path })).toContain('audit record 4 of the evidence is not in the chain');
  });
});

describe('npm run audit:verify', () => {
  it('ends with 0 for what is in order, 1 for what is not, and 2 for what it cannot read', async () => {
    const file = evidence();
    const good = await run(written(JSON.stringify(file)));
    expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing is wrong.') });
    (file.events[2] as LooseEvent).data.comment = '\u001b[2J\u202egood';
    const bad = await run(written(JSON.stringify(file)));
    expect(bad).toMatchObject({ code: 1, stdout: expect.stringMatching(/^WRONG {2}event 3 /m) });
    for (const hidden of ['\u001b', '\u202e']) expect(bad.stdout).not.toContain(hidden);
    expect(await run(written('{'))).toMatchObject({ code: 2, stderr: expect.stringContaining('cut off') });
    expect(await run(join(folder, 'nothing'))).toMatchObject({ code: 2 });
    expect(await run(folder)).toMatchObject({ code: 2 });
    expect(await run()).toMatchObject({ code: 2, stderr: expect.stringContaining('Usage') });
    expect(await run(written('{}'), '--head', 'abc')).toMatchObject({ code: 2 });
    expect(await run(written('{}'), '--unknown')).toMatchObject({ code: 2 });
  });
});

describe('what is computed on both sides', () => {
  const values = [
    null,
    [],
    {},
    'ä"\\\n\u2028\ud800',
    { b: 1, a: [1e21, 0.1, -0, 5e-324, 123456789012345680000, true], '': null, '\u{1F600}': 1, '\ufb33': 2 },
    JSON.parse('{"__proto__":{"x":1},"10":1,"9":2}'),
  ];

  it('is the same canonical JSON', () => {
    for (const value of values) expect(verifier.canonicalJson(value)).toBe(canonicalJson(value));
  });

  it('is the content that a patch of the product leads to', () => {
    for (const from of values) {
      for (const to of values) {
        const inside = { from: [from, { of: from }], to: [to], same: 1 };
        const after = { from: [to, { of: to }, from], to: [], other: from };
        for (const [a, b] of [[from, to] as const, [inside, after] as const, [after, inside] as const]) {
          const patch: unknown = JSON.parse(JSON.stringify(diffContent(a, b)));
          expect(canonicalJson(verifier.applyPatch(JSON.parse(JSON.stringify(a)), patch))).toBe(canonicalJson(b));
        }
      }
    }
  });

  it.each([
    [{ op: 'test', path: '/a', value: 1 }],
    [{ op: 'add', path: '/list/3', value: 1 }],
    [{ op: 'add', path: '/list/-', value: 1 }],
    [{ op: 'add', path: '/list/00', value: 1 }],
    [{ op: 'add', path: '/a/b', value: 1 }],
    [{ op: 'replace', path: '/b', value: 1 }],
    [{ op: 'replace', path: '/toString', value: 1 }],
    [{ op: 'replace', path: '/list/length', value: 1 }],
    [{ op: 'replace', path: 'a', value: 1 }],
    [{ op: 'replace', path: '/a~2', value: 1 }],
    [{ op: 'replace', path: '/a' }],
    [{ op: 'remove', path: '/a', value: 1 }],
    [{ op: 'remove', path: '/b/c' }],
    [{ op: 'remove', path: '' }],
  ])('is no other content by a patch that the product would not write: %j', (operation) => {
    expect(() => verifier.applyPatch({ a: 1, list: [1, 2] }, [operation])).toThrow(/./);
  });
});
