import { addMember, type TestMember } from './add-member.js';
import { edge, node } from './definitions.js';
import { APPROVE, brief, type CheckpointDriver, driveCheckpoints, edited, REJECT } from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

let test: TestApp;
/** Owns the organization and starts everything. */
let ann: TestPerson;
let bea: TestMember;
let cem: TestMember;
let dan: TestMember;
let drive: CheckpointDriver;

beforeAll(async () => {
  test = await startTestApp();
  ann = await test.register('Ann');
  const add = (name: string) => addMember(test, ann.organization.id, 'approver', name);
  [bea, cem, dan] = [await add('Bea'), await add('Cem'), await add('Dan')];
  drive = driveCheckpoints(test, ann);
});
afterAll(() => test.close());

interface Vote {
  decided_by: string;
  action: string;
  void_reason: string | null;
}
const votesOf = async (parked: { id: string }) =>
  ((await drive.read(parked)).decisions as Vote[]).map(({ decided_by, action, void_reason }) => [
    decided_by,
    action,
    void_reason,
  ]);

describe('a quorum', () => {
  it('of two needs two people, and the second closes it', async () => {
    const parked = await drive.park({ quorum: 2 });
    const { body } = await drive.decide(parked, bea).expect(200);
    expect(body).toMatchObject({ status: 'open', decision: null, revision: 2 });
    expect((await drive.read({ id: parked.id })).decisions).toHaveLength(1);
    const last = await drive.decide(await drive.again(parked), cem).expect(200);
    expect(last.body).toMatchObject({ status: 'approved', decision: { decided_by: cem.id } });
    expect(await drive.ended(parked)).toMatchObject({ status: 'completed', output: { decided_by: cem.id } });
  });

  it('an edit in between voids the vote on what is no more; both editor and voter count on the new content', async () => {
    const parked = await drive.park({ quorum: 2 });
    await drive.decide(parked, bea).expect(200);
    await drive.decide(await drive.again(parked), cem, edited({ text: 'better' })).expect(200);
    expect(await votesOf(parked)).toEqual([
      [bea.id, 'approve', 'content_changed'],
      [cem.id, 'edit', null],
    ]);
    expect(await drive.read(parked)).toMatchObject({
      status: 'open',
      content: { text: 'better' },
      original_content: { text: 'shown' },
    });
    const { body } = await drive.decide(await drive.again(parked), bea).expect(200);
    expect(body).toMatchObject({ status: 'approved', content: { text: 'better' } });
    expect(await drive.ended(parked)).toMatchObject({ output: { content: { text: 'better' }, decided_by: bea.id } });
    const types = (await drive.events(parked)).map(({ type }) => type);
    expect(types).toEqual(['opened', 'decided', 'decided', 'decisions_voided', 'decided', 'closed']);
  });

  it('an edit that changes nothing voids nothing', async () => {
    const parked = await drive.park({ quorum: 2 });
    await drive.decide(parked, bea).expect(200);
    const { body } = await drive.decide(await drive.again(parked), cem, edited({ text: 'shown' })).expect(200);
    expect(body).toMatchObject({ status: 'approved', original_content: null });
  });

  it('is that of each action: one rejection ends what takes three approvals', async () => {
    const parked = await drive.park({ quorum: { approve: 3, reject: 1 } });
    await drive.decide(parked, bea).expect(200);
    await drive.decide(await drive.again(parked), cem).expect(200);
    const { body } = await drive.decide(await drive.again(parked), dan, REJECT).expect(200);
    expect(body).toMatchObject({ status: 'rejected', decision: { decided_by: dan.id } });
  });

  it('of rejections is counted apart from that of approvals', async () => {
    const parked = await drive.park({ quorum: { approve: 2, reject: 2 } });
    await drive.decide(parked, bea).expect(200);
    const { body } = await drive.decide(await drive.again(parked), cem, REJECT).expect(200);
    expect(body.status).toBe('open');
    const last = await drive.decide(await drive.again(parked), dan, REJECT).expect(200);
    expect(last.body.status).toBe('rejected');
  });

  it('a vote can be taken back until it is reached, and given again', async () => {
    const parked = await drive.park({ quorum: 2 });
    await drive.decide(parked, bea).expect(200);
    expect(brief(await drive.act(parked, 'withdraw-decision', cem))).toEqual([409, 'NO_VOTE']);
    await drive.act(parked, 'withdraw-decision', bea).expect(200);
    expect(await votesOf(parked)).toEqual([[bea.id, 'approve', 'withdrawn']]);
    const { body } = await drive.decide(await drive.again(parked), cem).expect(200);
    expect(body.status).toBe('open');
    await drive.decide(await drive.again(parked), bea).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ status: 'completed' });
    expect(brief(await drive.act(parked, 'withdraw-decision', bea))).toEqual([409, 'CHECKPOINT_CLOSED']);
  });
});

describe('an action', () => {
  it('of the definition’s own leaves by its own handle', async () => {
    const actions = ['approve', { action: 'hold', comment: 'required' }];
    const parked = await drive.park({ actions }, ['approved', 'hold']);
    expect(brief(await drive.decide(parked, bea, { action: 'hold' }))).toEqual([422, 'COMMENT_REQUIRED']);
    const { body } = await drive.decide(parked, bea, { action: 'hold', comment: 'Not today' }).expect(200);
    expect(body).toMatchObject({ status: 'decided', action: 'hold' });
    const { output, steps } = await drive.ended(parked);
    expect(output).toMatchObject({ action: 'hold', comment: 'Not today' });
    expect(steps.map(({ node_id }) => node_id)).toEqual(['review', 'by_hold']);
  });

  it('that the definition does not offer is refused', async () => {
    const parked = await drive.park({ actions: ['approve'] }, ['approved']);
    expect(brief(await drive.decide(parked, bea, REJECT))).toEqual([403, 'ACTION_UNAVAILABLE']);
    expect(brief(await drive.decide(parked, bea, { action: 'constructor' }))).toEqual([403, 'ACTION_UNAVAILABLE']);
  });

  it('needs no comment where the definition says so', async () => {
    const parked = await drive.park({ actions: ['approve', { action: 'reject', comment: 'optional' }] });
    await drive.decide(parked, bea, { action: 'reject' }).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ output: { action: 'reject', comment: null } });
  });
});

describe('requesting changes', () => {
  /** brief ─► write ─► early ─► review ─► done, and from the review back to write */
  const rework = (review: object) => ({
    nodes: [
      node('brief', 'transform', { output: '{{ input.topic }}' }),
      node('write', 'transform', {
        output: '{{ steps.brief.output }}{{ has(steps.review) ? ": " + steps.review.output.comment : "" }}',
      }),
      node('early', 'checkpoint', { title: 'Fine so far?', content: '{{ steps.write.output }}' }),
      node('review', 'checkpoint', {
        title: 'Good?',
        content: '{{ steps.write.output }}',
        actions: ['approve', 'reject', 'request_changes'],
        ...review,
      }),
      node('done', 'end', { output: '{{ steps.review.output }}' }),
    ],
    edges: [
      edge('brief', 'write'),
      edge('write', 'early'),
      edge('early', 'review', 'approved'),
      edge('review', 'write', 'changes_requested'),
      edge('review', 'done', 'approved'),
    ],
  });
  const CHANGES = { action: 'request_changes', comment: 'shorter' };

  it('leads back with the notes; the next round is another checkpoint, and earlier approvals are void', async () => {
    const id = await drive.start(rework({}), { topic: 'tea' });
    const early = await drive.openAt(id, 'early');
    await drive.decide(early, bea).expect(200);
    const first = await drive.openAt(id, 'review');
    expect(brief(await drive.decide(first, cem, { action: 'request_changes' }))).toEqual([422, 'COMMENT_REQUIRED']);
    await drive.decide(first, cem, CHANGES).expect(200);
    const again = await drive.openAt(id, 'early');
    expect(await drive.read(again)).toMatchObject({ content: 'tea: shorter', iteration: 2 });
    expect(await votesOf(early)).toEqual([[bea.id, 'approve', 'content_changed']]);
    expect(await drive.read(early)).toMatchObject({ status: 'approved', decision: { decided_by: bea.id } });
    expect(brief(await drive.decide(early, cem))).toEqual([409, 'CHECKPOINT_DECIDED']);
    await drive.decide(again, bea).expect(200);
    const second = await drive.openAt(id, 'review');
    expect(await drive.read(second)).toMatchObject({ round: 2, iteration: 2, content: 'tea: shorter' });
    await drive.decide(second, dan).expect(200);
    expect(await drive.ended(second)).toMatchObject({ output: { round: 2, content: 'tea: shorter' } });
  });

  it('with retain_reviewer the next round goes to who asked for them', async () => {
    const id = await drive.start(rework({ retain_reviewer: true }), { topic: 'tea' });
    await drive.decide(await drive.openAt(id, 'early'), bea).expect(200);
    await drive.decide(await drive.openAt(id, 'review'), cem, CHANGES).expect(200);
    await drive.decide(await drive.openAt(id, 'early'), bea).expect(200);
    const second = await drive.openAt(id, 'review');
    expect(brief(await drive.decide(second, dan))).toEqual([403, 'NOT_ASSIGNED']);
    await drive.decide(second, cem).expect(200);
    await drive.ended(second);
  });

  it('with retain_reviewer does not leave the next round to the requester, who may not approve it', async () => {
    const id = await drive.start(rework({ retain_reviewer: true, not_requester: true }), { topic: 'tea' });
    await drive.decide(await drive.openAt(id, 'early'), bea).expect(200);
    await drive.decide(await drive.openAt(id, 'review'), ann, CHANGES).expect(200);
    await drive.decide(await drive.openAt(id, 'early'), bea).expect(200);
    await drive.decide(await drive.openAt(id, 'review'), dan).expect(200);
  });

  it('in the last round is refused', async () => {
    const id = await drive.start(rework({ max_rounds: 2 }), { topic: 'tea' });
    await drive.decide(await drive.openAt(id, 'early'), bea).expect(200);
    await drive.decide(await drive.openAt(id, 'review'), cem, CHANGES).expect(200);
    await drive.decide(await drive.openAt(id, 'early'), bea).expect(200);
    const second = await drive.openAt(id, 'review');
    expect(brief(await drive.decide(second, cem, CHANGES))).toEqual([403, 'LAST_ROUND']);
    await drive.decide(second, cem).expect(200);
  });
});

it('(j) after an edit the next step sees the edited value only', async () => {
  const nodes = [
    node('review', 'checkpoint', { title: 'So?', content: '{{ input }}' }),
    node('next', 'transform', { output: '{{ steps.review.output }}' }),
    node('done', 'end', { output: { next: '{{ steps.next.output }}', content: '{{ steps.review.output.content }}' } }),
  ];
  const id = await drive.start({ nodes, edges: [edge('review', 'next'), edge('next', 'done')] }, { secret: 'draft' });
  await drive.decide(await drive.openAt(id, 'review'), bea, edited({ secret: 'final' })).expect(200);
  const { output, steps } = await drive.ended({ execution_id: id });
  expect(output).toMatchObject({ next: { content: { secret: 'final' } }, content: { secret: 'final' } });
  expect(JSON.stringify([output, steps.map((step) => [step.input, step.output])])).not.toContain('draft');
});

describe('what was seen', () => {
  it('(m) a decision on a stale version is 412', async () => {
    const parked = await drive.park({ quorum: 2 });
    await drive.decide(parked, bea, edited({ text: 'better' })).expect(200);
    for (const body of [APPROVE, REJECT, edited({ text: 'mine' })]) {
      expect(brief(await drive.decide(parked, cem, body))).toEqual([412, 'STALE_VERSION']);
    }
    expect(await drive.read(parked)).toMatchObject({ status: 'open', content: { text: 'better' }, revision: 2 });
    expect((await drive.events(parked)).filter(({ type }) => type === 'refused')).toHaveLength(3);
    await drive.decide(await drive.again(parked), cem).expect(200);
  });

  it('an edit against the schema is told each place', async () => {
    const schema = { type: 'object', required: ['text'], properties: { text: { type: 'string' }, n: { minimum: 3 } } };
    const parked = await drive.park({ schema });
    const answer = await drive.decide(parked, bea, edited({ text: 1, n: 2 }));
    expect(brief(answer)).toEqual([422, 'CONTENT_AGAINST_SCHEMA']);
    const pointers = (answer.body.errors as { pointer: string }[]).map(({ pointer }) => pointer);
    expect(pointers.toSorted()).toEqual(['/content/n', '/content/text']);
    expect(await drive.read(parked)).toMatchObject({ status: 'open', revision: 1 });
  });
});

describe('a decision with an Idempotency-Key', () => {
  it('that is sent again is done once and answered the same', async () => {
    const parked = await drive.park();
    const send = () => drive.decide(parked, bea).set('Idempotency-Key', 'once');
    const [one, two] = await Promise.all([send(), send()]);
    const three = await send();
    expect([one.status, two.status, three.status]).toEqual([200, 200, 200]);
    expect([two.body, three.body]).toEqual([one.body, one.body]);
    expect(three.headers['idempotency-replayed']).toBe('true');
    expect(three.headers['etag']).toBe(one.headers['etag']);
    expect(await votesOf(parked)).toHaveLength(1);
  });

  it('is refused with another body, and the key of a refusal may be used again', async () => {
    const parked = await drive.park();
    const send = (body: object) => drive.decide(parked, bea, body).set('Idempotency-Key', 'mine');
    expect(brief(await send({ action: 'reject' }))).toEqual([422, 'COMMENT_REQUIRED']);
    await send(APPROVE).expect(200);
    expect(brief(await send(REJECT))).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    expect(brief(await drive.decide(parked, cem).set('Idempotency-Key', 'mine'))).toEqual([409, 'CHECKPOINT_DECIDED']);
  });
});

it('decides in bulk each for itself', async () => {
  const [good, stale, decided, silent] = [
    await drive.park(),
    await drive.park(),
    await drive.park(),
    await drive.park(),
  ];
  await drive.decide(decided, cem).expect(200);
  const decisions = [
    { id: good.id, revision: 1, ...APPROVE },
    { id: stale.id, revision: 9, ...APPROVE },
    { id: decided.id, revision: 1, ...APPROVE },
    { id: silent.id, revision: 1, action: 'reject' },
    { id: '01900000-0000-7000-8000-000000000000', revision: 1, ...APPROVE },
  ];
  const { body } = await drive.post('/api/checkpoints/decide', bea, { decisions }).expect(200);
  const results = (body.data as { id: string; status: number; error: { code: string } | null }[]).map(
    ({ id, status, error }) => [id, status, error?.code ?? null],
  );
  expect(results).toEqual([
    [good.id, 200, null],
    [stale.id, 412, 'STALE_VERSION'],
    [decided.id, 409, 'CHECKPOINT_DECIDED'],
    [silent.id, 422, 'COMMENT_REQUIRED'],
    ['01900000-0000-7000-8000-000000000000', 404, 'NOT_FOUND'],
  ]);
  expect(await drive.ended(good)).toMatchObject({ status: 'completed' });
  expect(await drive.read(stale)).toMatchObject({ status: 'open' });
});

it('leaves a record that is intact', async () => {
  expect((await drive.get('/api/audit/verify').expect(200)).body).toMatchObject({ intact: true });
});
