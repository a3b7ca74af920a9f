import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addMember, type TestMember } from './add-member.js';
import { edge, node } from './definitions.js';
import {
  APPROVE,
  brief,
  type CheckpointDriver,
  driveCheckpoints,
  edited,
  REJECT,
  reviewFlow,
} from './drive-checkpoints.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';
import { waitFor } from './wait-for.js';

let database: TestDatabase;
let folder: string;
let test: TestApp;
let ann: TestPerson;
let bea: TestMember;
let drive: CheckpointDriver;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-waiting-'));
  test = await startTestApp({ DATA_DIR: folder }, database);
  ann = await test.register('Ann');
  bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
  drive = driveCheckpoints(test, ann);
});
afterAll(async () => {
  await test.close();
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** Another process of the installation in the place of this one. */
async function restart(): Promise<void> {
  await test.close();
  test = await startTestApp({ DATA_DIR: folder }, database);
  drive = driveCheckpoints(test, ann);
}

const ask = (id: string, content: unknown) => node(id, 'checkpoint', { title: `${id}?`, content });

describe('(e) checkpoints in three parallel branches and in a loop have their own ids and survive a restart', () => {
  /**
   *        ┌─► one ───┐
   *  in ───┼─► two ───┼─► again ─► done
   *        └─► three ─┘   ▲  │ rejected
   *                       └──┘
   */
  const FLOW = {
    nodes: [
      node('in', 'transform', { output: 0 }),
      ask('one', 1),
      ask('two', 2),
      ask('three', 3),
      ask('again', '{{ [steps.one.output.content, steps.two.output.content, steps.three.output.content] }}'),
      node('done', 'end', { output: '{{ steps.again.output.content }}' }),
    ],
    edges: [
      ...['one', 'two', 'three'].flatMap((id) => [edge('in', id), edge(id, 'again', 'approved')]),
      edge('again', 'again', 'rejected'),
      edge('again', 'done', 'approved'),
    ],
  };

  it('branches and rounds', async () => {
    const id = await drive.start(FLOW);
    const branches = await drive.open(id, 3);
    await restart();
    expect(await drive.open(id, 3)).toEqual(branches);
    const ids = new Set(branches.map((parked) => parked.id));
    for (const parked of branches) {
      await drive.decide(parked, bea, edited(`${parked.node_id} seen`)).expect(200);
      await restart();
    }
    for (const iteration of [1, 2, 3]) {
      const parked = await waitFor(
        `round ${iteration}`,
        () => drive.openAt(id, 'again'),
        (one) => one.iteration === iteration,
      );
      ids.add(parked.id);
      expect(await drive.read(parked)).toMatchObject({
        content: ['one seen', 'two seen', 'three seen'],
        decisions: [],
      });
      if (iteration === 2) await restart();
      expect(await drive.again(parked)).toEqual(parked);
      await drive.decide(parked, bea, iteration < 3 ? REJECT : APPROVE).expect(200);
    }
    expect(ids.size).toBe(6);
    expect(await drive.ended({ execution_id: id })).toMatchObject({ output: ['one seen', 'two seen', 'three seen'] });
    const all = await database.query<{ node_id: string; iteration: number; status: string }>(
      'select node_id, iteration, status from checkpoints where execution_id = $1 order by id',
      [id],
    );
    expect(all.map((row) => `${row.node_id} ${row.iteration} ${row.status}`).toSorted()).toEqual([
      'again 1 rejected',
      'again 2 rejected',
      'again 3 approved',
      'one 1 approved',
      'three 1 approved',
      'two 1 approved',
    ]);
    for (const checkpoint of ids) await drive.events({ id: checkpoint });
  });

  it('items of a map', async () => {
    const definition = {
      nodes: [ask('item', '{{ item }}'), node('value', 'end', { output: '{{ steps.item.output.content }}' })],
      edges: [edge('item', 'value')],
    };
    const id = await drive.start({ nodes: [node('all', 'map', { items: ['a', 'b', 'c'], definition })], edges: [] });
    const children = await waitFor(
      'the items',
      () => drive.list(`parent_id=${id}`),
      ({ length }) => length === 3,
    );
    const parked = await Promise.all(children.map((child) => drive.openAt(child.id, 'item')));
    expect(new Set(parked.map((one) => one.id)).size).toBe(3);
    await restart();
    expect(await Promise.all(children.map((child) => drive.openAt(child.id, 'item')))).toEqual(parked);
    for (const one of parked.toReversed()) {
      const { content } = await drive.read(one);
      await drive.decide(one, bea, edited(`${content}!`)).expect(200);
    }
    expect(await drive.ended({ execution_id: id })).toMatchObject({ status: 'completed', output: ['a!', 'b!', 'c!'] });
  });
});

describe('(i) cancel works while waiting and closes the checkpoint', () => {
  it('at once, for all that wait, and they can no longer be decided', async () => {
    const flow = {
      nodes: [node('in', 'transform', { output: 0 }), ask('one', 1), ask('two', 2)],
      edges: [edge('in', 'one'), edge('in', 'two')],
    };
    const id = await drive.start(flow);
    const parked = await drive.open(id, 2);
    await drive.post(`/api/executions/${id}/cancel`, ann).expect(200);
    expect(await drive.ended({ execution_id: id })).toMatchObject({ status: 'cancelled' });
    for (const one of parked) {
      expect(await drive.read(one)).toMatchObject({ status: 'withdrawn', closed_at: expect.any(String), you: [] });
      for (const tag of [one.tag, '"2"']) {
        expect(brief(await drive.decide({ ...one, tag }, bea))).toEqual([409, 'CHECKPOINT_WITHDRAWN']);
      }
      expect(brief(await drive.act(one, 'claim', bea))).toEqual([409, 'CHECKPOINT_WITHDRAWN']);
      const types = (await drive.events(one)).map(({ type }) => type);
      expect(types.slice(0, 2)).toEqual(['opened', 'withdrawn']);
    }
    expect((await drive.get('/api/inbox', bea)).text).not.toContain(id);
  });

  it('in children too', async () => {
    const { nodes, edges } = reviewFlow();
    const workflow_id = await drive.createWorkflow(nodes, edges);
    const id = await drive.start({ nodes: [node('child', 'workflow', { workflow_id })], edges: [] });
    await drive.step(id, 'child', 'waiting');
    const [child] = await drive.list(`parent_id=${id}`);
    const parked = await drive.openAt(child!.id, 'review');
    await drive.post(`/api/executions/${id}/cancel`, ann).expect(200);
    expect(await drive.ended(parked)).toMatchObject({ status: 'cancelled' });
    expect(await drive.read(parked)).toMatchObject({ status: 'withdrawn' });
  });
});

it('(k) a checkpoint in a child workflow returns to the parent', async () => {
  const { nodes, edges } = reviewFlow();
  const workflow_id = await drive.createWorkflow(nodes, edges);
  const middle = await drive.createWorkflow([node('inner', 'workflow', { workflow_id, input: '{{ input }}' })]);
  const parent = {
    nodes: [
      node('call', 'workflow', { workflow_id: middle, input: { text: 'from above' } }),
      node('done', 'end', { output: '{{ steps.call.output }}' }),
    ],
    edges: [edge('call', 'done')],
  };
  const decideInside = async (decision: object) => {
    const id = await drive.start(parent);
    await drive.step(id, 'call', 'waiting');
    const [between] = await drive.list(`parent_id=${id}`);
    await drive.step(between!.id, 'inner', 'waiting');
    const [child] = await drive.list(`parent_id=${between!.id}`);
    const parked = await drive.openAt(child!.id, 'review');
    expect(await drive.read(parked)).toMatchObject({ content: { text: 'from above' }, requested_by: ann.user.id });
    await drive.decide(parked, bea, decision).expect(200);
    return drive.ended({ execution_id: id });
  };
  expect(await decideInside(edited({ text: 'better' }))).toMatchObject({
    status: 'completed',
    output: { action: 'edit', content: { text: 'better' }, decided_by: bea.id },
  });
  expect(await decideInside(REJECT)).toMatchObject({
    status: 'completed',
    output: { action: 'reject', comment: 'No' },
  });
});
