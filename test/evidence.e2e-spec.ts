import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AuditExportService } from '../src/audit/audit-export.service.js';
import { AuditRepository } from '../src/audit/audit.repository.js';
import { addMember, type TestMember } from './add-member.js';
import { edge, node, reviewDefinition } from './definitions.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

let test: TestApp;
/** Starts everything. */
let ann: TestPerson;
let bea: TestMember;
let cleo: TestMember;
/** Owns another organization. */
let eve: TestPerson;
let folder: string;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  eve = await test.register('Eve');
  bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
  cleo = await addMember(test, ann.organization.id, 'approver', 'Cleo');
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-evidence-'));
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await test.close();
});

type Auth = Pick<TestMember, 'auth'>;

const get = (path: string, who: Auth = ann) => test.http().get(path).set(who.auth);
const post = (path: string, body: object, who: Auth = ann) => test.http().post(path).set(who.auth).send(body);

async function start(definition: object): Promise<string> {
  const workflow = await post('/api/workflows', { name: 'Reply', definition }).expect(201);
  const body = { workflow_id: workflow.body.id, input: { name: 'Bo' } };
  return (await post('/api/executions', body).expect(202)).body.id;
}

/** The open checkpoint of an execution, once there is one, at that node. */
async function openOne(executionId: string, node_id = 'review'): Promise<string> {
  const { body } = await waitFor(
    'an open checkpoint',
    () => get(`/api/checkpoints?status=open&execution_id=${executionId}`),
    (answer) => answer.body.data[0]?.node_id === node_id,
  );
  return body.data[0].id;
}

const parked = async (data: object = {}) => openOne(await start(reviewDefinition(data)));

async function decide(id: string, body: object, who: Auth = bea) {
  const { headers } = await get(`/api/checkpoints/${id}`).expect(200);
  return test
    .http()
    .post(`/api/checkpoints/${id}/decide`)
    .set(who.auth)
    .set('If-Match', headers['etag'] ?? '')
    .send(body);
}

const closed = (id: string) =>
  waitFor(
    'the end of the checkpoint',
    () => get(`/api/checkpoints/${id}`),
    ({ body }) => body.status !== 'open',
  );

async function verified(text: string, options: object = {}) {
  const path = join(folder, 'export');
  writeFileSync(path, text);
  const verifier = (await import(pathToFileURL(resolve('scripts/verify-audit.mjs')).href)) as {
    verifyFile(path: string, options: object): Promise<{ breaches: object[]; report: string[] }>;
  };
  return verifier.verifyFile(path, options);
}

/** As it comes over the wire: its evidence has to be in order. */
async function evidenceOf(id: string) {
  const { text, headers } = await get(`/api/checkpoints/${id}/evidence`).expect(200);
  expect(headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'content-disposition': `attachment; filename=checkpoint-${id}.json`,
    'cache-control': 'no-store',
  });
  const { breaches, report } = await verified(text);
  expect(breaches).toEqual([]);
  return { text, report: report.join('\n'), file: JSON.parse(text) as { events: { type: string }[] } };
}

describe('evidence is in order', () => {
  it('while a checkpoint is open', async () => {
    expect((await evidenceOf(await parked())).report).toContain('It is open');
  });

  it('of edits, void votes, refusals, comments and a quorum', async () => {
    const id = await parked({ quorum: 2, schema: { type: 'object' }, instructions: 'Be kind.' });
    await decide(id, { action: 'approve', comment: 'Fine.' }).then(({ status }) => expect(status).toBe(200));
    await post(`/api/checkpoints/${id}/comments`, { text: 'Say hello.\u2028Please.' }, cleo).expect(201);
    const edit = { action: 'edit', content: { text: 'Hello Bo', 'a/b~': [1.5, null, { '': '\u{1F600}' }] } };
    expect((await decide(id, edit, cleo)).status).toBe(200);
    expect((await decide(id, { action: 'approve' }, cleo)).status).toBeGreaterThanOrEqual(400);
    expect((await decide(id, { action: 'approve' })).status).toBe(200);
    const { report, file } = await evidenceOf(id);
    expect(report).toContain('edit by "Cleo"');
    expect(report).toContain('It is approved');
    expect(file.events.map(({ type }) => type)).toEqual([
      'opened',
      'decided',
      'commented',
      'decided',
      'decisions_voided',
      'refused',
      'decided',
      'closed',
    ]);
  });

  it('of a vote that was taken back, and a rejection', async () => {
    const id = await parked({ quorum: 2 });
    expect((await decide(id, { action: 'approve' })).status).toBe(200);
    await post(`/api/checkpoints/${id}/withdraw-decision`, {}, bea).expect(200);
    expect((await decide(id, { action: 'reject', comment: 'No.' })).status).toBe(200);
    expect((await evidenceOf(id)).report).toContain('It is rejected');
  });

  it('of an edit that changes nothing, and of content that is null', async () => {
    const same = await parked();
    expect((await decide(same, { action: 'edit', content: { text: 'Dear Bo' } })).status).toBe(200);
    await evidenceOf(same);
    const empty = await parked({ content: null, quorum: 3 });
    expect((await decide(empty, { action: 'edit', content: [1] })).status).toBe(200);
    expect((await decide(empty, { action: 'edit', content: [1, 2] }, cleo)).status).toBe(200);
    await evidenceOf(empty);
  });

  it.each([
    ['fail', 'It is expired'],
    ['reject', 'It is rejected'],
    ['approve', 'It is approved'],
  ])('of what time did: %s', async (on_expiry, expected) => {
    const id = await parked({ due_in: 0.2, on_expiry });
    await closed(id);
    expect((await evidenceOf(id)).report).toContain(expected);
  });

  it('of an escalation that people end', async () => {
    const to = { roles: ['approver'] };
    const data = { due_in: 0.2, on_expiry: 'escalate', assignees: { roles: ['owner'] } };
    const id = await parked({
      ...data,
      escalation: [{ after_seconds: 0.1, to }],
      reminders: [{ after_seconds: 0.05 }],
    });
    const isExpired = (answer: { body: { data: { type: string }[] } }) =>
      answer.body.data.some(({ type }) => type === 'expired');
    await waitFor('its expiry', () => get(`/api/checkpoints/${id}/history`), isExpired);
    expect((await decide(id, { action: 'approve' })).status).toBe(200);
    expect((await evidenceOf(id)).report).toContain('It is approved');
  });

  it('of what was withdrawn with its execution', async () => {
    const execution = await start(reviewDefinition());
    const id = await openOne(execution);
    await post(`/api/executions/${execution}/cancel`, {}).expect(200);
    await closed(id);
    expect((await evidenceOf(id)).report).toContain('It is withdrawn');
  });

  it('of an earlier round whose votes do not count any more, and of a decision that came early', async () => {
    const actions = ['approve', 'reject', 'request_changes'];
    const execution = await start({
      nodes: [
        node('pause', 'wait', { signal: 'go' }),
        node('draft', 'transform', { output: { text: 'Draft {{ execution.id }}' } }),
        node('first', 'checkpoint', { title: 'First?', content: '{{ steps.draft.output }}', actions }),
        node('second', 'checkpoint', { title: 'Second?', content: '{{ steps.draft.output }}', actions }),
        node('done', 'end', {}),
      ],
      edges: [
        edge('pause', 'draft'),
        edge('draft', 'first'),
        edge('first', 'second', 'approved'),
        edge('first', 'draft', 'changes_requested'),
        edge('second', 'draft', 'changes_requested'),
        edge('second', 'done', 'approved'),
      ],
    });
    const early = { execution_id: execution, node_id: 'first', action: 'edit', content: { text: 'Better' } };
    await post('/api/early-decisions', early, bea).expect(202);
    await post(`/api/executions/${execution}/signals`, { name: 'go' }).expect(202);
    const second = await openOne(execution, 'second');
    expect((await decide(second, { action: 'request_changes', comment: 'Again.' })).status).toBe(200);
    const again = await openOne(execution, 'first');
    expect((await decide(again, { action: 'request_changes', comment: 'Again.' })).status).toBe(200);
    await waitFor(
      'the third round',
      () => get(`/api/checkpoints?status=open&execution_id=${execution}`),
      (answer) => answer.body.data[0] !== undefined && answer.body.data[0].id !== again,
    );
    const { body } = await get(`/api/checkpoints?execution_id=${execution}`);
    expect(body.data.length).toBeGreaterThanOrEqual(4);
    for (const { id } of body.data as { id: string }[]) await evidenceOf(id);
  });
});

describe('the history of a checkpoint', () => {
  it('is read by whoever sees the checkpoint, without where people work from', async () => {
    const id = await parked();
    await decide(id, { action: 'approve' });
    const whole = await get(`/api/checkpoints/${id}/history`).expect(200);
    expect(whole.body.next_after).toBeNull();
    expect(whole.body.data[1]).toMatchObject({
      seq: 2,
      type: 'decided',
      actor: { name: 'Bea', address: expect.any(String), user_agent: null },
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const { body } = await get(`/api/checkpoints/${id}/history?limit=1&after=1`, bea).expect(200);
    expect(body).toMatchObject({ data: [{ seq: 2 }], next_after: 2 });
    expect(Object.keys(body.data[0].actor).toSorted()).toEqual(['name', 'request_id', 'user_id', 'via']);
  });

  it('and its evidence are not there for others, and the evidence only for who reads the audit record', async () => {
    const id = await parked();
    await get(`/api/checkpoints/${id}/history`, eve).expect(404);
    await get(`/api/checkpoints/${id}/evidence`, eve).expect(404);
    const { body } = await get(`/api/checkpoints/${id}/evidence`, bea).expect(403);
    expect(body.code).toBe('PERMISSION_MISSING');
    for (const query of ['limit=0', 'limit=101', 'after=-1', 'after=x', 'from=1']) {
      await get(`/api/checkpoints/${id}/history?${query}`).expect(422);
    }
  });
});

describe('the export of an audit record', () => {
  it('is lines that the script verifies, holds the evidence, and is itself on record', async () => {
    const id = await parked();
    await decide(id, { action: 'approve' });
    const { text } = await evidenceOf(id);
    const { body: kept } = await get('/api/audit/verify').expect(200);
    const answer = await get('/api/audit/export').expect(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'content-disposition': `attachment; filename=audit-1-${kept.records}.ndjson`,
    });
    const lines = answer.text;
    expect(await verified(lines, { heads: [kept.head_hash] })).toMatchObject({ breaches: [] });
    expect(lines).not.toContain(eve.user.id);
    const chain = join(folder, 'chain');
    writeFileSync(chain, lines);
    expect(await verified(text, { chain })).toMatchObject({ breaches: [] });
    const [last] = (await get('/api/audit?limit=1')).body.data;
    expect(last).toMatchObject({
      action: 'audit.exported',
      actor_id: ann.user.id,
      details: { from_seq: '1', to_seq: String(kept.records), head_hash: kept.head_hash },
    });
  });

  it('of a range that is none is refused', async () => {
    for (const query of ['from_seq=0', 'from_seq=x', 'to_seq=-1', 'seq=1', `from_seq=${'9'.repeat(19)}`]) {
      const { body } = await get(`/api/audit/export?${query}`).expect(422);
      expect(body.code).toBe('VALIDATION_FAILED');
    }
    const { body } = await get('/api/audit/export?from_seq=5&to_seq=4').expect(422);
    expect(body.code).toBe('AUDIT_RANGE_EMPTY');
  });

  it('stops reading when the client goes away, and the server goes on', async () => {
    const details = JSON.stringify({ text: 'x'.repeat(20_000) });
    await test.database.query(
      `insert into audit_records (organization_id, seq, occurred_at, action, actor_type, subject_type, subject_id, details, previous_hash, hash)
       select $1, n, now(), 'x', 'system', 'x', 'x', $2, '', '' from generate_series(100001, 106000) n`,
      [eve.organization.id, details],
    );
    await test.database.query('update audit_heads set seq = 106000 where organization_id = $1', [eve.organization.id]);
    const service = test.app.get(AuditExportService);
    const lines = service.lines.bind(service);
    const reads = jest.spyOn(test.app.get(AuditRepository), 'listAfter');
    const ended = new Promise<void>((end) => {
      jest.spyOn(service, 'lines').mockImplementation(async function* (header) {
        try {
          yield* lines(header);
        } finally {
          end();
        }
      });
    });
    await new Promise<void>((done, fail) => {
      const request = httpGet(`${test.url}/api/audit/export?from_seq=1`, { headers: eve.auth }, (response) => {
        response.once('data', () => {
          request.destroy();
          done();
        });
      });
      request.once('error', fail);
    });
    await ended;
    expect(reads.mock.calls.length).toBeLessThan(6);
    jest.restoreAllMocks();
    await get('/api/audit/export?to_seq=1', eve).expect(200);
  });
});
