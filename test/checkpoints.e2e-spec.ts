import jsonPatch, { type Operation } from 'fast-json-patch';
import { hashJson } from '../src/platform/hashing/hash-json.js';
import { addMember, type TestMember } from './add-member.js';
import { edge, node, reviewDefinition } from './definitions.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

let test: TestApp;
/** Starts everything. */
let ann: TestPerson;
/** May decide, like Ann. */
let bea: TestMember;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
});

afterAll(() => test.close());

type Auth = Pick<TestMember, 'auth'>;

/** One that waits for a decision: its execution, itself, and the entity tag it was read with. */
interface Parked {
  executionId: string;
  id: string;
  tag: string;
}

const get = (path: string, who: Auth = ann) => test.http().get(path).set(who.auth);

async function start(definition: object, input: unknown = { name: 'Bo' }, who: Auth = ann): Promise<string> {
  const workflow = await test
    .http()
    .post('/api/workflows')
    .set(who.auth)
    .send({ name: 'Reply', definition })
    .expect(201);
  const body = { workflow_id: workflow.body.id, input };
  return (await test.http().post('/api/executions').set(who.auth).send(body).expect(202)).body.id;
}

async function openOnes(executionId: string, count = 1, who: Auth = ann): Promise<Parked[]> {
  const { body } = await waitFor(
    'an open checkpoint',
    () => get(`/api/checkpoints?status=open&execution_id=${executionId}`, who),
    (answer) => answer.body.data.length === count,
  );
  return body.data.map(({ id, revision }: { id: string; revision: number }) => ({
    executionId,
    id,
    tag: `"${revision}"`,
  }));
}

/** An execution of Ann's that waits at a checkpoint. */
async function parked(definition: object = reviewDefinition(), input?: unknown): Promise<Parked> {
  const [checkpoint] = await openOnes(await start(definition, input));
  return checkpoint as Parked;
}

const decide = ({ id, tag }: Pick<Parked, 'id' | 'tag'>, body: object, who: Auth = bea) =>
  test.http().post(`/api/checkpoints/${id}/decide`).set(who.auth).set('If-Match', tag).send(body);

const APPROVE = { action: 'approve' };
const edited = (text: string) => ({ action: 'edit', content: { text } });

const ended = async (executionId: string) =>
  (
    await waitFor(
      'the end of the execution',
      () => get(`/api/executions/${executionId}`),
      ({ body }) => body.ended_at !== null,
    )
  ).body;

const summary = ({ status, body }: { status: number; body: { code?: string } }) => ({ status, code: body.code });

async function auditOf(checkpointId: string) {
  const { body } = await get(`/api/audit?subject_type=checkpoint&subject_id=${checkpointId}`).expect(200);
  return (body.data as { action: string; actor_id: string; details: Record<string, unknown> }[]).map((record) => {
    const { history_seq, history_hash, ...details } = record.details;
    expect([history_seq, history_hash]).toEqual([expect.any(Number), expect.stringMatching(/^[0-9a-f]{64}$/)]);
    return { action: record.action, actor_id: record.actor_id, details };
  });
}

/** It was refused so, is as open as before, and the refusal is on record. */
async function expectRefused(
  checkpoint: Parked,
  body: { action: string; [field: string]: unknown },
  refusal: { status: number; code: string },
  who = bea.auth,
) {
  const before = (await get(`/api/checkpoints/${checkpoint.id}`).expect(200)).body;
  const answer = await decide(checkpoint, body, { auth: who });
  expect(summary(answer)).toEqual(refusal);
  expect((await get(`/api/checkpoints/${checkpoint.id}`).expect(200)).body).toEqual(before);
  const [latest] = await auditOf(checkpoint.id);
  expect(latest).toEqual({
    action: 'checkpoint.refused',
    actor_id: who === ann.auth ? ann.user.id : bea.id,
    details: { action: body.action, code: refusal.code },
  });
  return answer;
}

describe('an open checkpoint', () => {
  it('shows what is to be decided, and by what', async () => {
    const schema = { type: 'object', properties: { text: { type: 'string' } } };
    const { executionId, id } = await parked(
      reviewDefinition({ instructions: 'Be kind to {{ input.name }}.', schema }),
    );
    const { body, headers } = await get(`/api/checkpoints/${id}`, bea).expect(200);
    expect(body).toEqual({
      id,
      execution_id: executionId,
      node_id: 'review',
      iteration: 1,
      status: 'open',
      title: 'Send it?',
      instructions: 'Be kind to Bo.',
      content: { text: 'Dear Bo' },
      schema,
      original_content: null,
      policy: expect.objectContaining({ editable: true, not_requester: false, on_expiry: 'fail' }),
      workflow_id: expect.any(String),
      version: 1,
      round: 1,
      action: null,
      assigned_to: null,
      claimed_by: null,
      claimed_by_name: null,
      claimed_at: null,
      due_at: null,
      expired_at: null,
      requested_by: ann.user.id,
      revision: 1,
      created_at: expect.stringMatching(/Z$/),
      closed_at: null,
      decision: null,
      decisions: [],
      you: ['approve', 'edit', 'reject'].map((action) => ({ action, allowed: true, code: null, detail: null })),
    });
    expect(headers['etag']).toBe('"1"');
    expect((await get(`/api/executions/${executionId}`)).body).toMatchObject({
      status: 'awaiting_checkpoint',
      ended_at: null,
    });
  });

  it('is in the inbox, what has waited longest first, until it is decided', async () => {
    const [first, second] = [await parked(), await parked()];
    const inbox = async () => {
      const { body } = await get('/api/checkpoints?status=open&limit=100', bea).expect(200);
      return (body.data as { id: string }[]).map(({ id }) => id).filter((id) => id === first.id || id === second.id);
    };
    expect(await inbox()).toEqual([first.id, second.id]);
    await decide(first, APPROVE).expect(200);
    expect(await inbox()).toEqual([second.id]);
  });
});

describe('approving', () => {
  it('lets the execution go on with what was shown, and says who, when and what', async () => {
    const checkpoint = await parked();
    const { body, headers } = await decide(checkpoint, { ...APPROVE, comment: 'Looks good' }).expect(200);
    expect(body).toMatchObject({
      status: 'approved',
      revision: 2,
      content: { text: 'Dear Bo' },
      closed_at: expect.stringMatching(/Z$/),
      decision: {
        action: 'approve',
        decided_by: bea.id,
        decided_by_name: 'Bea',
        decided_at: expect.stringMatching(/Z$/),
        comment: 'Looks good',
        content_hash: hashJson({ text: 'Dear Bo' }),
        edited_content: null,
        patch: null,
      },
    });
    expect(headers['etag']).toBe('"2"');
    expect((await get(`/api/checkpoints/${checkpoint.id}`).expect(200)).body).toEqual(body);
    expect(await ended(checkpoint.executionId)).toMatchObject({ status: 'completed', output: 'Dear Bo' });
    expect(await auditOf(checkpoint.id)).toEqual([
      {
        action: 'checkpoint.approved',
        actor_id: bea.id,
        details: {
          action: 'approve',
          execution_id: checkpoint.executionId,
          content_hash: hashJson({ text: 'Dear Bo' }),
          closed: true,
        },
      },
    ]);
  });
});

describe('editing', () => {
  it('keeps the original and the difference, and later steps see only the edited content', async () => {
    const checkpoint = await parked();
    const { body } = await decide(checkpoint, edited('Hello Bo')).expect(200);
    expect(body).toMatchObject({
      status: 'approved',
      content: { text: 'Hello Bo' },
      original_content: { text: 'Dear Bo' },
      decision: {
        action: 'edit',
        content_hash: hashJson({ text: 'Dear Bo' }),
        edited_content: { text: 'Hello Bo' },
        patch: [{ op: 'replace', path: '/text', value: 'Hello Bo' }],
      },
    });
    const execution = await ended(checkpoint.executionId);
    expect(execution).toMatchObject({ status: 'completed', output: 'Hello Bo' });
    const steps = (execution.steps as { node_id: string; output: unknown }[]).filter(
      (step) => step.node_id !== 'draft',
    );
    expect(JSON.stringify(steps.map(({ output }) => output))).not.toContain('Dear');
  });

  it.each([
    ['members and items', { a: [1, 2, { 'x/y~z': 1 }], gone: true }, { a: [1, { 'x/y~z': null }], new: {} }],
    ['nothing', { a: [1], b: null }, { b: null, a: [1] }],
    ['an object to a list', { a: 1 }, [1]],
    ['a list to a text', [1, 2], 'text'],
    ['a text to null', 'text', null],
    ['null to an object', null, { a: 1 }],
    ['a number', 1, 2],
  ])('of %s keeps a JSON Patch that leads from the one to the other', async (_, shown, wanted) => {
    const definition = {
      nodes: [
        node('review', 'checkpoint', { title: 'So?', content: '{{ input }}' }),
        node('done', 'end', { output: '{{ steps.review.output }}' }),
      ],
      edges: [edge('review', 'done')],
    };
    const checkpoint = await parked(definition, shown);
    const { body } = await decide(checkpoint, { action: 'edit', content: wanted }).expect(200);
    expect(body.content).toEqual(wanted);
    const isChanged = hashJson(wanted) !== hashJson(shown);
    expect(body.original_content).toEqual(isChanged ? shown : null);
    expect(body.decision.edited_content).toEqual(wanted);
    const patched = jsonPatch.applyPatch(
      structuredClone(shown),
      body.decision.patch as Operation[],
      true,
      false,
    ).newDocument;
    expect(patched).toEqual(wanted);
    expect((await ended(checkpoint.executionId)).output).toEqual({
      action: 'edit',
      content: wanted,
      comment: null,
      decided_by: bea.id,
      round: 1,
    });
  });

  it('against the schema of the checkpoint is refused with all places, and nothing is decided', async () => {
    const schema = {
      type: 'object',
      required: ['text', 'to'],
      additionalProperties: false,
      properties: { text: { type: 'string', minLength: 3 }, to: { type: 'array', items: { type: 'string' } } },
    };
    const checkpoint = await parked(reviewDefinition({ schema }));
    const body = { action: 'edit', content: { text: 'Hi', to: ['a', 1], 'b/c': 0 } };
    const answer = await expectRefused(checkpoint, body, { status: 422, code: 'CONTENT_AGAINST_SCHEMA' });
    const pointers = (answer.body.errors as { pointer: string }[]).map(({ pointer }) => pointer);
    expect(pointers.toSorted()).toEqual(['/content/b~1c', '/content/text', '/content/to/1']);
    await decide(checkpoint, { action: 'edit', content: { text: 'Hello', to: ['a'] } }).expect(200);
    expect(await ended(checkpoint.executionId)).toMatchObject({ status: 'completed', output: 'Hello' });
  });

  it('of what the workflow does not let be edited is refused; approving it is not', async () => {
    const checkpoint = await parked(reviewDefinition({ editable: false }));
    await expectRefused(checkpoint, edited('Hello Bo'), { status: 403, code: 'CONTENT_NOT_EDITABLE' });
    await decide(checkpoint, APPROVE).expect(200);
  });
});

describe('rejecting', () => {
  const REASON = 'The tone is wrong';

  it('leads on by the rejected handle, where later steps can read the reason', async () => {
    const definition = reviewDefinition();
    definition.nodes.push(node('refused', 'end', { output: '{{ steps.review.output.comment }}' }));
    definition.edges.push(edge('review', 'refused', 'rejected'));
    const checkpoint = await parked(definition);
    const { body } = await decide(checkpoint, { action: 'reject', comment: `  ${REASON}\n` }).expect(200);
    expect(body).toMatchObject({ status: 'rejected', decision: { action: 'reject', comment: REASON, patch: null } });
    const execution = await ended(checkpoint.executionId);
    expect(execution).toMatchObject({ status: 'completed', output: REASON, error: null });
    expect((execution.steps as { node_id: string }[]).map((step) => step.node_id)).toEqual([
      'draft',
      'review',
      'refused',
    ]);
    expect((await auditOf(checkpoint.id))[0]).toMatchObject({ action: 'checkpoint.rejected', actor_id: bea.id });
  });

  it('without such a way fails the execution, which says who rejected it and why', async () => {
    const checkpoint = await parked();
    await decide(checkpoint, { action: 'reject', comment: REASON }).expect(200);
    const execution = await ended(checkpoint.executionId);
    expect(execution).toMatchObject({
      status: 'failed',
      output: null,
      error: { code: 'CHECKPOINT_REJECTED', message: `Bea rejected it: ${REASON}`, node_id: 'review', iteration: 1 },
    });
    expect((execution.steps as { status: string }[]).map(({ status }) => status)).toEqual(['completed', 'failed']);
  });

  it('leads back to the author for another round, which is a checkpoint of its own', async () => {
    const definition = reviewDefinition();
    definition.edges.push(edge('review', 'draft', 'rejected'));
    definition.nodes.unshift(node('in', 'transform', { output: 1 }));
    definition.edges.unshift(edge('in', 'draft'));
    const first = await parked(definition);
    await decide(first, { action: 'reject', comment: REASON }).expect(200);
    const [second] = await openOnes(first.executionId);
    expect(second?.id).not.toBe(first.id);
    expect((await get(`/api/checkpoints/${second?.id}`)).body).toMatchObject({
      iteration: 2,
      status: 'open',
      decision: null,
    });
    expect(summary(await decide(first, APPROVE))).toEqual({ status: 409, code: 'CHECKPOINT_DECIDED' });
    await decide(second as Parked, APPROVE).expect(200);
    expect(await ended(first.executionId)).toMatchObject({ status: 'completed' });
  });

  it('needs a reason', async () => {
    const checkpoint = await parked();
    for (const body of [
      { action: 'reject' },
      { action: 'reject', comment: '' },
      { action: 'reject', comment: ' \n ' },
    ]) {
      const { status, body: problem } = await decide(checkpoint, body);
      expect({ status, pointers: problem.errors.map(({ pointer }: { pointer: string }) => pointer) }).toEqual({
        status: 422,
        pointers: ['/comment'],
      });
    }
    expect((await get(`/api/checkpoints/${checkpoint.id}`)).body).toMatchObject({ status: 'open', revision: 1 });
  });
});

describe('a decision', () => {
  it.each([
    ['of no possible kind', { action: 'ex pire' }, '/action'],
    ['of no kind', {}, '/action'],
    ['to edit without content', { action: 'edit' }, '/content'],
    ['to approve other content', { action: 'approve', content: {} }, '/content'],
    [
      'in the name of somebody else',
      { action: 'approve', decided_by: '01900000-0000-7000-8000-000000000000' },
      '/decided_by',
    ],
    ['with a reason of 10,001 characters', { action: 'approve', comment: 'x'.repeat(10_001) }, '/comment'],
  ])('%s is refused', async (_, body, pointer) => {
    const { status, body: problem } = await decide({ id: '01900000-0000-7000-8000-000000000000', tag: '"1"' }, body);
    expect(status).toBe(422);
    expect(problem.errors.map((error: { pointer: string }) => error.pointer)).toEqual([pointer]);
  });

  it('needs If-Match with the tag of what was read', async () => {
    const checkpoint = await parked();
    const without = await test.http().post(`/api/checkpoints/${checkpoint.id}/decide`).set(bea.auth).send(APPROVE);
    expect(summary(without)).toEqual({ status: 428, code: 'IF_MATCH_REQUIRED' });
    await expectRefused({ ...checkpoint, tag: '"2"' }, APPROVE, { status: 412, code: 'STALE_VERSION' });
    await decide(checkpoint, APPROVE).expect(200);
  });

  it('that comes second is told who was first, what and when, whatever it has read', async () => {
    const checkpoint = await parked();
    const { body: first } = await decide(checkpoint, edited('Hello'), bea).expect(200);
    for (const [tag, body] of [
      ['"1"', APPROVE],
      ['"2"', APPROVE],
      ['"1"', { action: 'reject', comment: 'No' }],
    ] as const) {
      const answer = await expectRefused(
        { ...checkpoint, tag },
        body,
        { status: 409, code: 'CHECKPOINT_DECIDED' },
        ann.auth,
      );
      expect(answer.body).toMatchObject({
        decided_by: { id: bea.id, name: 'Bea' },
        decided_at: first.decision.decided_at,
        action: 'edit',
        detail: expect.stringContaining('Bea was first: edited and approved at '),
      });
    }
    expect(await ended(checkpoint.executionId)).toMatchObject({ output: 'Hello' });
  });

  it('of who started the execution is refused where another is asked for; rejecting is theirs', async () => {
    const [approved, rejected] = [await parked(fourEyes()), await parked(fourEyes())];
    for (const body of [APPROVE, edited('Mine')]) {
      await expectRefused(approved, body, { status: 403, code: 'REQUESTER_MAY_NOT_APPROVE' }, ann.auth);
    }
    await decide(approved, APPROVE, bea).expect(200);
    await decide(rejected, { action: 'reject', comment: 'A mistake of mine' }, ann).expect(200);
    expect(await ended(approved.executionId)).toMatchObject({ status: 'completed' });
    expect(await ended(rejected.executionId)).toMatchObject({
      status: 'failed',
      error: { code: 'CHECKPOINT_REJECTED' },
    });
  });

  const fourEyes = () => reviewDefinition({ not_requester: true });
});

describe('a checkpoint whose execution ends otherwise', () => {
  const withdrawn = { status: 409, code: 'CHECKPOINT_WITHDRAWN' };
  const cancel = (executionId: string) => test.http().post(`/api/executions/${executionId}/cancel`).set(ann.auth);

  it('is withdrawn when it is cancelled, and can no longer be decided', async () => {
    const checkpoint = await parked();
    await cancel(checkpoint.executionId).expect(200);
    expect((await get(`/api/checkpoints/${checkpoint.id}`)).body).toMatchObject({
      status: 'withdrawn',
      revision: 2,
      closed_at: expect.any(String),
      decision: null,
    });
    await expectRefused(checkpoint, APPROVE, withdrawn);
    await expectRefused({ ...checkpoint, tag: '"2"' }, { action: 'reject', comment: 'No' }, withdrawn);
    expect((await get('/api/checkpoints?status=open&limit=100')).text).not.toContain(checkpoint.id);
    expect(await ended(checkpoint.executionId)).toMatchObject({ status: 'cancelled' });
  });

  it('is withdrawn when another branch fails', async () => {
    const definition = {
      nodes: [
        node('in', 'transform', { output: 1 }),
        node('one', 'checkpoint', { title: 'One?', content: 1 }),
        node('two', 'checkpoint', { title: 'Two?', content: 2 }),
      ],
      edges: [edge('in', 'one'), edge('in', 'two')],
    };
    const executionId = await start(definition);
    const [first, second] = (await openOnes(executionId, 2)) as [Parked, Parked];
    await decide(first, { action: 'reject', comment: 'No' }).expect(200);
    expect(await ended(executionId)).toMatchObject({ status: 'failed', error: { code: 'CHECKPOINT_REJECTED' } });
    expect((await get(`/api/checkpoints/${second.id}`)).body).toMatchObject({ status: 'withdrawn', decision: null });
    await expectRefused({ ...second, tag: '"2"' }, APPROVE, withdrawn);
  });

  it('is either decided or withdrawn when it is decided and cancelled at once', async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const checkpoint = await parked();
      const calls = [() => decide(checkpoint, APPROVE), () => cancel(checkpoint.executionId)];
      const answers = await Promise.all((round % 2 ? calls : calls.toReversed()).map((call) => call()));
      const [decision, cancellation] = round % 2 ? answers : answers.toReversed();
      const { body } = await get(`/api/checkpoints/${checkpoint.id}`);
      outcomes.add(`${decision?.status} ${body.status} ${body.decision?.action ?? 'none'}`);
      const { status } = await ended(checkpoint.executionId);
      expect(cancellation?.status === 200 ? 'cancelled' : 'completed').toBe(status);
    }
    expect(
      [...outcomes].filter((outcome) => !['200 approved approve', '409 withdrawn none'].includes(outcome)),
    ).toEqual([]);
  });
});

describe('two approvers at once', () => {
  const COUNT = 1_000;

  it('make one decision, a thousand times', async () => {
    const cleo = await test.register('Cleo');
    const dora = await addMember(test, cleo.organization.id, 'approver', 'Dora');
    const definition = {
      nodes: [
        node('review', 'checkpoint', { title: 'So?', content: '{{ input }}' }),
        node('done', 'end', { output: '{{ input }}' }),
      ],
      edges: [edge('review', 'done')],
    };
    const workflow = await test
      .http()
      .post('/api/workflows')
      .set(cleo.auth)
      .send({ name: 'Twice', definition })
      .expect(201);
    const inputs = Array.from({ length: COUNT }, (_, i) => i);
    await inParallel(20, inputs, async (input) => {
      const body = { workflow_id: workflow.body.id, input };
      await test.http().post('/api/executions').set(cleo.auth).send(body).expect(202);
    });
    const counts = (sql: string) => test.database.query<{ count: number }>(sql, [cleo.organization.id]);
    await waitFor(
      'a thousand checkpoints',
      () =>
        counts(`select count(*)::int from executions where organization_id = $1 and status = 'awaiting_checkpoint'`),
      ([row]) => row?.count === COUNT,
    );
    const open = await test.database.query<{ id: string }>('select id from checkpoints where organization_id = $1', [
      cleo.organization.id,
    ]);
    const outcomes: string[] = [];
    await inParallel(8, open, async ({ id }) => {
      const answers = await Promise.all([cleo, dora].map((person) => decide({ id, tag: '"1"' }, APPROVE, person)));
      const [winner, loser] = answers.toSorted((a, b) => a.status - b.status);
      outcomes.push(`${winner?.status} ${loser?.status} ${loser?.body.code}`);
      expect(loser?.body.decided_by.id).toBe(winner?.body.decision.decided_by);
    });
    expect(new Set(outcomes)).toEqual(new Set(['200 409 CHECKPOINT_DECIDED']));
    expect(outcomes).toHaveLength(COUNT);
    await waitFor(
      'a thousand ends',
      () => counts(`select count(*)::int from executions where organization_id = $1 and status = 'completed'`),
      ([row]) => row?.count === COUNT,
    );
    for (const [what, sql] of Object.entries(ONCE)) {
      const rows = await test.database.query<{ id: string }>(sql, [cleo.organization.id]);
      expect([what, rows.length, new Set(rows.map(({ id }) => id)).size]).toEqual([what, COUNT, COUNT]);
    }
    expect((await get('/api/audit/verify', cleo).expect(200)).body).toMatchObject({ intact: true, broken_at: null });
  }, 120_000);

  /** What happens once to each, by the id of that to which it happens. */
  const ONCE = {
    decisions: `select d.checkpoint_id as id from decisions d join checkpoints c on c.id = d.checkpoint_id
                where c.organization_id = $1`,
    approvals: `select subject_id as id from audit_records where organization_id = $1 and action = 'checkpoint.approved'`,
    refusals: `select subject_id as id from audit_records where organization_id = $1 and action = 'checkpoint.refused'`,
    ends: `select v.execution_id as id from execution_events v join executions e on e.id = v.execution_id
           where e.organization_id = $1 and v.type = 'execution.completed'`,
    lastSteps: `select s.execution_id as id from steps s join executions e on e.id = s.execution_id
                where e.organization_id = $1 and s.node_id = 'done'`,
  };

  async function inParallel<T>(lanes: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    const queue = items.values();
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        for (const item of queue) await work(item);
      }),
    );
  }
});

describe('the record', () => {
  /** An organization with five records, of which somebody with the database's password changes some. */
  async function tampered(sql: string): Promise<unknown> {
    const person = await test.register('Mallory');
    for (const name of ['One', 'Two', 'Three']) {
      await test
        .http()
        .post('/api/workflows')
        .set(person.auth)
        .send({ name, definition: reviewDefinition() })
        .expect(201);
    }
    expect((await get('/api/audit/verify', person).expect(200)).body).toMatchObject({
      intact: true,
      records: 5,
      broken_at: null,
    });
    await test.database.query(
      `alter table audit_records disable trigger user; ${sql.replaceAll('$1', `'${person.organization.id}'`)};
       alter table audit_records enable trigger user`,
    );
    return (await get('/api/audit/verify', person).expect(200)).body;
  }

  const where = (seq: number) => `where organization_id = $1 and seq = ${seq}`;

  it.each([
    ['changed details', `update audit_records set details = '{"name":"Zwei"}' ${where(4)}`, '4', /content/],
    ['a changed actor', `update audit_records set actor_id = null ${where(3)}`, '3', /content/],
    [
      'a changed time',
      `update audit_records set occurred_at = occurred_at - interval '1 ms' ${where(3)}`,
      '3',
      /content/,
    ],
    ['a changed hash', `update audit_records set hash = repeat('a', 64) ${where(2)}`, '2', /content/],
    ['a changed link', `update audit_records set previous_hash = repeat('a', 64) ${where(2)}`, '2', /before/],
    ['a missing record', `delete from audit_records ${where(3)}`, '4', /missing/],
    ['a missing first record', `delete from audit_records ${where(1)}`, '2', /missing/],
    ['a missing last record', `delete from audit_records ${where(5)}`, '5', /missing/],
  ])('is broken by %s, and says where', async (_, sql, seq, reason) => {
    expect(await tampered(sql)).toMatchObject({
      intact: false,
      broken_at: { seq, reason: expect.stringMatching(reason) },
    });
  });

  it('of all that these tests decided is intact, with what was refused', async () => {
    const { body } = await get('/api/audit/verify').expect(200);
    expect(body).toMatchObject({ intact: true, broken_at: null, head_hash: expect.stringMatching(/^[\da-f]{64}$/) });
    expect(body.records).toBeGreaterThan(100);
    const { body: latest } = await get('/api/audit?limit=1').expect(200);
    expect(latest.data[0]).toMatchObject({ seq: String(body.records), hash: body.head_hash });
  });
});
