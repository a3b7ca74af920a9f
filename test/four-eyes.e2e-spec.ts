import { addMember, type TestMember } from './add-member.js';
import { edge, node } from './definitions.js';
import {
  APPROVE,
  brief,
  type CheckpointDriver,
  driveCheckpoints,
  edited,
  type Parked,
  type Person,
  REJECT,
  reviewFlow,
} from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

let test: TestApp;
/** Owns the organization, and starts everything. */
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

/** An hour from now. */
const soon = () => new Date(Date.now() + 3_600_000).toISOString();

/** Lets `to` stand in for `from`, until the test is over. */
async function standIn(from: string, to: string): Promise<void> {
  const body = { from_user: from, to_user: to, ends_at: soon() };
  const { body: made } = await drive.post('/api/delegations', ann, body).expect(201);
  cleanUps.push(() => drive.post(`/api/delegations/${made.id}/revoke`, ann).expect(200));
}

const cleanUps: (() => PromiseLike<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

async function makeKey(who: Person): Promise<Person> {
  const scopes = ['checkpoint:read', 'checkpoint:decide'];
  const { body } = await drive.post('/api/auth/api-keys', who, { name: 'robot', scopes }).expect(201);
  return { auth: { Authorization: `Bearer ${body.key}` } };
}

/** Repeats it from a node on; answers the new execution. */
async function rerun(id: string, node_id: string, who: Person = ann): Promise<string> {
  const { body } = await drive.post(`/api/executions/${id}/rerun`, who, { from: { node_id } }).expect(202);
  return body.id;
}

const REFUSED = [403, 'REQUESTER_MAY_NOT_APPROVE'];

describe('(f) the requester is refused by REST, link, API key, bulk, delegation and as owner', () => {
  const park = (policy: object = {}) => drive.park({ not_requester: true, ...policy });

  /** Refused, on record, and as open as before; somebody else can. */
  async function expectStillOpen(parked: Parked): Promise<void> {
    expect(await drive.read(parked)).toMatchObject({ status: 'open', decisions: [] });
    const refused = (await drive.events(parked)).filter(({ type }) => type === 'refused');
    expect(refused.at(-1)).toMatchObject({ data: { code: 'REQUESTER_MAY_NOT_APPROVE' } });
  }

  it('by REST and as owner, whatever approves', async () => {
    const parked = await park();
    expect((await drive.get('/api/auth/me')).body.role).toBe('owner');
    for (const body of [APPROVE, edited({ text: 'mine' })]) {
      expect(brief(await drive.decide(parked, ann, body))).toEqual(REFUSED);
    }
    await expectStillOpen(parked);
    await drive.decide(parked, bea).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ status: 'completed', output: { decided_by: bea.id } });
  });

  it('with an action of the definition’s own', async () => {
    const parked = await drive.park({ not_requester: true, actions: ['approve', 'hold'] }, ['approved', 'hold']);
    expect(brief(await drive.decide(parked, ann, { action: 'hold' }))).toEqual(REFUSED);
    await expectStillOpen(parked);
  });

  it('by API key, where keys may decide', async () => {
    const parked = await park({ allow_api_keys: true });
    expect(brief(await drive.decide(parked, await makeKey(ann)))).toEqual(REFUSED);
    await expectStillOpen(parked);
    await drive.decide(parked, await makeKey(bea)).expect(200);
  });

  it('by link, their own and one for a colleague', async () => {
    const parked = await park({ allow_links: 'members' });
    const forBea = { user_id: bea.id };
    expect(brief(await drive.act(parked, 'links', ann, forBea))).toEqual([403, 'LINK_FOR_ANOTHER']);
    const link = await drive.link(parked, { ...ann, id: ann.user.id });
    const { status, text } = await link.decide();
    expect([status, /started this execution/.test(text)]).toEqual([403, true]);
    await expectStillOpen(parked);
    await (await drive.link(parked, bea)).decide().expect(200);
    expect(await drive.ended(parked)).toMatchObject({ output: { decided_by: bea.id } });
  });

  it('in bulk', async () => {
    const parked = await park();
    const decisions = [{ id: parked.id, revision: 1, ...APPROVE }];
    const { body } = await drive.post('/api/checkpoints/decide', ann, { decisions }).expect(200);
    expect(body.data).toMatchObject([{ status: 403, error: { code: 'REQUESTER_MAY_NOT_APPROVE' } }]);
    await expectStillOpen(parked);
  });

  it('by delegation, as the one who stands in and as the one who is stood in for', async () => {
    await standIn(bea.id, ann.user.id);
    const one = await park({ assignees: bea.id });
    expect(brief(await drive.decide(one, ann))).toEqual(REFUSED);
    expect(brief(await drive.decide(one, ann, { ...APPROVE, on_behalf_of: bea.id }))).toEqual(REFUSED);
    await expectStillOpen(one);
    await standIn(ann.user.id, cem.id);
    const other = await park({ assignees: ann.user.id });
    expect(brief(await drive.decide(other, cem))).toEqual(REFUSED);
    expect(brief(await drive.decide(other, cem, { ...APPROVE, on_behalf_of: ann.user.id }))).toEqual(REFUSED);
    await expectStillOpen(other);
  });

  it('early', async () => {
    const { nodes, edges } = reviewFlow({ not_requester: true });
    const wait = node('go', 'wait', { signal: 'go' });
    const id = await drive.start({ nodes: [wait, ...nodes], edges: [edge('go', 'review'), ...edges] });
    const early = { execution_id: id, node_id: 'review', ...APPROVE };
    await drive.post('/api/early-decisions', ann, early).expect(202);
    await drive.signal(id, 'go');
    const parked = await drive.openAt(id, 'review');
    await drive.untilEarly(id, 'refused');
    await expectStillOpen(parked);
  });

  it('in a child of what they started', async () => {
    const { nodes, edges } = reviewFlow({ not_requester: true });
    const workflow_id = await drive.createWorkflow(nodes, edges);
    const id = await drive.start({ nodes: [node('child', 'workflow', { workflow_id })], edges: [] });
    await drive.step(id, 'child', 'waiting');
    const [child] = await drive.list(`parent_id=${id}`);
    const parked = await drive.openAt(child!.id, 'review');
    expect(brief(await drive.decide(parked, ann))).toEqual(REFUSED);
    await expectStillOpen(parked);
  });

  it('by taking it on, or handing it to themselves', async () => {
    const parked = await park({ assignees: bea.id });
    await drive.act(parked, 'reassign', ann, { users: [ann.user.id] }).expect(200);
    const now = await drive.again(parked);
    expect(brief(await drive.act(now, 'claim', ann))).toEqual(REFUSED);
    expect(brief(await drive.decide(now, ann))).toEqual(REFUSED);
    await expectStillOpen(now);
  });

  it('in what a colleague repeats of what they started, children included', async () => {
    const eve = await addMember(test, ann.organization.id, 'admin', 'Eve');
    const parked = await park();
    await drive.decide(parked, bea).expect(200);
    await drive.ended(parked);
    const fork = await drive.openAt(await rerun(parked.execution_id, 'review', eve), 'review');
    expect(brief(await drive.decide(fork, ann))).toEqual(REFUSED);
    expect(brief(await drive.decide(fork, eve))).toEqual(REFUSED);
    await expectStillOpen(fork);
    const { nodes, edges } = reviewFlow({ not_requester: true });
    const workflow_id = await drive.createWorkflow(nodes, edges);
    const id = await drive.start({ nodes: [node('child', 'workflow', { workflow_id })], edges: [] });
    const openIn = async (parent: string) => {
      await drive.step(parent, 'child', 'waiting');
      const [child] = await drive.list(`parent_id=${parent}`);
      return drive.openAt(child!.id, 'review');
    };
    await drive.decide(await openIn(id), bea).expect(200);
    await drive.ended({ execution_id: id });
    expect(brief(await drive.decide(await openIn(await rerun(id, 'child', eve)), ann))).toEqual(REFUSED);
  });

  it('but may send it back', async () => {
    const parked = await park();
    await drive.decide(parked, ann, REJECT).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ output: { action: 'reject', decided_by: ann.user.id } });
  });
});

describe('(g) one person twice never satisfies a quorum of two, also through a delegate', () => {
  type Turn = readonly [who: TestMember, forWhom?: TestMember];
  const TWICE = [409, 'ALREADY_VOTED'];

  /** The first counts; whatever comes then does not, and one who is neither can complete it. */
  async function expectOnce(first: Turn, second: Turn, free: TestMember): Promise<void> {
    const parked = await drive.park({ quorum: 2 });
    await turn(parked, first).expect(200);
    const again = await drive.again(parked);
    expect(brief(await turn(again, second))).toEqual(TWICE);
    expect(await drive.read(parked)).toMatchObject({ status: 'open', decisions: [{ void_reason: null }] });
    await drive.decide(again, free).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ status: 'completed' });
  }

  const turn = (parked: Parked, [who, forWhom]: Turn) =>
    drive.decide(parked, who, { ...APPROVE, on_behalf_of: (forWhom ?? who).id });

  it('themselves, twice', () => expectOnce([bea], [bea], cem));

  it('twice, the second time without a word for whom', async () => {
    await standIn(cem.id, bea.id);
    const parked = await drive.park({ quorum: 2 });
    await drive.decide(parked, bea).expect(200);
    expect(brief(await drive.decide(await drive.again(parked), bea))).toEqual(TWICE);
  });

  it('themselves, then through a delegate', async () => {
    await standIn(cem.id, bea.id);
    await expectOnce([cem], [bea, cem], dan);
  });

  it('through a delegate, then themselves', async () => {
    await standIn(cem.id, bea.id);
    await expectOnce([bea, cem], [cem], dan);
  });

  it('for themselves, then for another', async () => {
    await standIn(cem.id, bea.id);
    await expectOnce([bea], [bea, cem], dan);
  });

  it('for another, then for themselves', async () => {
    await standIn(cem.id, bea.id);
    await expectOnce([bea, cem], [bea], dan);
  });

  it('for one, then for another', async () => {
    await standIn(cem.id, bea.id);
    await standIn(dan.id, bea.id);
    const parked = await drive.park({ quorum: 2 });
    await turn(parked, [bea, cem]).expect(200);
    expect(brief(await turn(await drive.again(parked), [bea, dan]))).toEqual(TWICE);
  });

  it('through two delegates', async () => {
    await standIn(cem.id, bea.id);
    await standIn(cem.id, dan.id);
    const parked = await drive.park({ quorum: 2 });
    await turn(parked, [bea, cem]).expect(200);
    expect(brief(await turn(await drive.again(parked), [dan, cem]))).toEqual(TWICE);
  });

  it('by two who stand in for each other', async () => {
    await standIn(cem.id, bea.id);
    await standIn(bea.id, cem.id);
    const parked = await drive.park({ quorum: 2 });
    await turn(parked, [bea, cem]).expect(200);
    expect(brief(await turn(await drive.again(parked), [cem, bea]))).toEqual(TWICE);
  });

  it('by two ways at once', async () => {
    await standIn(cem.id, bea.id);
    for (const turns of [
      [[bea], [bea]],
      [[cem], [bea, cem]],
      [[bea], [bea, cem]],
    ] as readonly (readonly [Turn, Turn])[]) {
      for (const order of [turns, turns.toReversed()]) {
        const parked = await drive.park({ quorum: 2 });
        const answers = await Promise.all(order.map((one) => turn(parked, one)));
        expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 412]);
        const again = await drive.again(parked);
        const late = await Promise.all(order.map((one) => turn(again, one)));
        expect(late.map(brief)).toEqual([TWICE, TWICE]);
        expect(await drive.read(parked)).toMatchObject({ status: 'open' });
      }
    }
  });

  it('by a link and an API key of theirs, and by bulk', async () => {
    const parked = await drive.park({ quorum: 2, allow_api_keys: true, allow_links: 'members' });
    const link = await drive.link(parked, bea);
    await drive.decide(parked, bea).expect(200);
    const late = await link.decide();
    expect(late.status).not.toBe(200);
    expect((await drive.read(parked)).decisions).toHaveLength(1);
    const other = await drive.link(await drive.again(parked), { ...ann, id: ann.user.id });
    await other.show().expect(200);
    expect((await drive.read(parked)).decisions).toHaveLength(1);
    const again = await drive.again(parked);
    expect(brief(await drive.decide(again, await makeKey(bea)))).toEqual(TWICE);
    const decisions = [
      { id: parked.id, revision: 2, ...APPROVE },
      { id: parked.id, revision: 2, ...APPROVE },
    ];
    const { body } = await drive.post('/api/checkpoints/decide', bea, { decisions }).expect(200);
    expect(body.data).toMatchObject([{ status: 409 }, { status: 409 }]);
  });
});

describe('not_same_as', () => {
  /** first ─► second, which wants somebody else */
  const two = (second: object = {}) => ({
    nodes: [
      node('first', 'checkpoint', { title: 'One?', content: 1 }),
      node('second', 'checkpoint', { title: 'Two?', content: 2, not_same_as: ['first'], ...second }),
      node('done', 'end', { output: '{{ steps.second.output.decided_by }}' }),
      node('back', 'end', { output: 'back' }),
    ],
    edges: [edge('first', 'second'), edge('second', 'done', 'approved'), edge('second', 'back', 'rejected')],
  });
  const SAME = [403, 'SAME_PERSON_MAY_NOT_APPROVE'];

  it('refuses who decided the earlier one, in person and through a delegate, both ways', async () => {
    await standIn(cem.id, bea.id);
    await standIn(dan.id, cem.id);
    const id = await drive.start(two());
    await drive.decide(await drive.openAt(id, 'first'), bea, { ...APPROVE, on_behalf_of: cem.id }).expect(200);
    const second = await drive.openAt(id, 'second');
    for (const [who, forWhom] of [
      [bea, bea],
      [bea, cem],
      [cem, cem],
      [cem, dan],
    ] as const) {
      expect(brief(await drive.decide(second, who, { ...APPROVE, on_behalf_of: forWhom.id }))).toEqual(SAME);
    }
    await drive.decide(second, dan).expect(200);
    expect(await drive.ended(second)).toMatchObject({ output: dan.id });
  });

  it('holds in what is repeated, for approvals that are kept', async () => {
    const id = await drive.start(two());
    await drive.decide(await drive.openAt(id, 'first'), bea).expect(200);
    await drive.decide(await drive.openAt(id, 'second'), cem).expect(200);
    await drive.ended({ execution_id: id });
    const fork = await rerun(id, 'second');
    await drive.decide(await drive.openAt(fork, 'second'), dan).expect(200);
    await drive.ended({ execution_id: fork });
    const again = await drive.openAt(await rerun(fork, 'second'), 'second');
    expect(brief(await drive.decide(again, bea))).toEqual(SAME);
    await drive.decide(again, cem).expect(200);
    const anew = await rerun(id, 'first');
    await drive.decide(await drive.openAt(anew, 'first'), cem).expect(200);
    const second = await drive.openAt(anew, 'second');
    expect(brief(await drive.decide(second, cem))).toEqual(SAME);
    await drive.decide(second, bea).expect(200);
  });

  it('lets them send it back', async () => {
    const id = await drive.start(two());
    await drive.decide(await drive.openAt(id, 'first'), bea).expect(200);
    const second = await drive.openAt(id, 'second');
    expect(brief(await drive.decide(second, bea))).toEqual(SAME);
    await drive.decide(second, bea, REJECT).expect(200);
    expect(await drive.ended(second)).toMatchObject({ output: 'back' });
  });
});
