import pg from 'pg';
import { edge, node } from './definitions.js';
import { type Driver, driveExecutions, type Execution, statusesOf } from './drive-executions.js';
import { insertExecutions, insertWorkflow } from './execution-rows.js';
import { startTestApp, type TestApp } from './start-test-app.js';
import { waitFor } from './wait-for.js';

const checkpoint = (id: string) => node(id, 'checkpoint', { title: 'Good?', content: 1 });
const only = (type: string, data: object) => ({ nodes: [node('only', type, data)], edges: [] });
const twice = only('transform', { output: '{{ item * 2 }}' });
/** Fails for a negative item, waits for a signal for 0, and gives the place of the item. */
const choosy = {
  nodes: [
    node('choose', 'branch', {
      cases: [
        { handle: 'bad', when: 'item < 0' },
        { handle: 'wait', when: 'item == 0' },
      ],
    }),
    node('bad', 'fail', { message: 'item {{ item }}', code: 'BAD_ITEM' }),
    node('hold', 'wait', { signal: 'go' }),
    node('good', 'end', { output: '{{ index }}' }),
  ],
  edges: [
    edge('choose', 'bad', 'bad'),
    edge('choose', 'hold', 'wait'),
    edge('choose', 'good', 'else'),
    edge('hold', 'good'),
  ],
};

describe('child executions', () => {
  let test: TestApp;
  let drive: Driver;

  beforeAll(async () => {
    test = await startTestApp();
    drive = driveExecutions(test, await test.register());
  });
  afterAll(() => test.close());

  const call = (workflow_id: string, data: object = {}) => node('call', 'workflow', { workflow_id, ...data });

  /** The children of an execution by item, when there are that many that stand so. */
  const children = async (id: string, count: number, status?: string): Promise<Execution[]> => {
    const found = await waitFor(
      `${count} children`,
      () => drive.list(`parent_id=${id}`),
      (all) => all.filter((child) => status === undefined || child.status === status).length === count,
    );
    return found.toSorted((a, b) => (a.item_index ?? 0) - (b.item_index ?? 0));
  };

  /** An execution whose step waits for a child, which waits for a person. */
  async function startParked(data: object = {}) {
    const id = await drive.start([call(await drive.createWorkflow([checkpoint('review')]), data)]);
    const [child] = await children(id, 1, 'awaiting_checkpoint');
    return { id, child: child! };
  }

  describe('of a workflow node', () => {
    it('get its input, and their output is the output of the step', async () => {
      const workflow = await drive.createWorkflow([node('out', 'end', { output: '{{ input.n * 2 }}' })]);
      const id = await drive.start(
        [
          call(workflow, { input: { n: '{{ input }}' } }),
          node('done', 'end', { output: '{{ steps.call.output + 1 }}' }),
        ],
        [edge('call', 'done')],
        20,
      );
      expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: 41 });
      expect(await children(id, 1)).toMatchObject([{ status: 'completed', workflow_id: workflow, parent_id: id }]);
    });

    it('fail the step, which may lead to its error route', async () => {
      const workflow = await drive.createWorkflow([node('stop', 'fail', { message: 'no stock', code: 'NO_STOCK' })]);
      const failed = await drive.ended(await drive.start([call(workflow)]));
      expect(failed).toMatchObject({ status: 'failed', error: { code: 'CHILD_FAILED', node_id: 'call' } });
      expect(failed.error?.details).toMatchObject({ status: 'failed', error: { code: 'NO_STOCK' } });
      const routed = await drive.start(
        [call(workflow, { on_error: 'route' }), node('sorry', 'end', { output: '{{ steps.call.error.code }}' })],
        [edge('call', 'sorry', 'error')],
      );
      expect(await drive.ended(routed)).toMatchObject({ status: 'completed', output: 'CHILD_FAILED' });
    });

    it('have the version that the node names, else the current one', async () => {
      const { id: workflow } = (
        await drive.post('/api/workflows', { name: 'Child', definition: only('end', { output: 'first' }) }).expect(201)
      ).body;
      await drive.changeWorkflow(workflow, only('end', { output: 'second' }));
      expect((await drive.ended(await drive.start([call(workflow)]))).output).toBe('second');
      expect((await drive.ended(await drive.start([call(workflow, { version: 1 })]))).output).toBe('first');
    });

    it('are cancelled with their parent, and the checkpoint of the child is withdrawn', async () => {
      const { id, child } = await startParked();
      await drive.post(`/api/executions/${id}/cancel`).expect(200);
      expect((await drive.read(child.id)).status).toBe('cancelled');
      expect(await drive.checkpoints(child.id)).toMatchObject([{ status: 'withdrawn' }]);
    });

    it('that a person cancels fail the step of the parent', async () => {
      const { id, child } = await startParked();
      await drive.post(`/api/executions/${child.id}/cancel`).expect(200);
      expect(await drive.ended(id)).toMatchObject({ status: 'failed', error: { code: 'CHILD_FAILED' } });
    });

    it('are paused and resumed with their parent', async () => {
      const { id, child } = await startParked();
      await drive.post(`/api/executions/${id}/pause`).expect(200);
      expect((await drive.read(child.id)).status).toBe('paused');
      await drive.decide(child.id, { action: 'approve' });
      await drive.post(`/api/executions/${id}/resume`).expect(200);
      expect((await drive.ended(id)).status).toBe('completed');
    });

    it('are withdrawn when they take longer than its timeout_seconds', async () => {
      const { id, child } = await startParked({ timeout_seconds: 1 });
      expect(await drive.ended(id)).toMatchObject({ status: 'failed', error: { code: 'STEP_TIMED_OUT' } });
      expect((await drive.read(child.id)).status).toBe('cancelled');
    });

    it('of another organization are as good as not there', async () => {
      const eve = driveExecutions(test, await test.register('Eve'));
      const workflow = await eve.createWorkflow([node('only', 'end')]);
      const definition = { nodes: [call(workflow)], edges: [] };
      const { body } = await drive.post('/api/workflows', { name: 'Foreign', definition }).expect(422);
      expect(body.errors).toMatchObject([
        { pointer: '/definition/nodes/0/data/workflow_id', code: 'UNKNOWN_WORKFLOW' },
      ]);
      // However it got into a definition: a step does not start it.
      const of = await insertWorkflow(test.database, definition);
      const [id = ''] = await insertExecutions(test.database, of, 1);
      const row = await waitFor(
        'the end',
        () => test.database.query('select status, error from executions where id = $1', [id]),
        ([execution]) => (execution as { status: string }).status === 'failed',
      );
      expect(row).toMatchObject([{ error: { code: 'NOT_FOUND', node_id: 'call' } }]);
    });

    it('may not call themselves without end', async () => {
      const workflow = await drive.createWorkflow([node('only', 'end')]);
      await drive.changeWorkflow(workflow, { nodes: [call(workflow)], edges: [] });
      const { status, error } = await drive.ended(await drive.startWorkflow(workflow));
      expect(status).toBe('failed');
      expect(JSON.stringify(error)).toContain('NESTED_TOO_DEEP');
      const rows = await test.database.query('select 1 from executions where workflow_id = $1', [workflow]);
      expect(rows).toHaveLength(21);
    });

    it('cannot be tried again by themselves, only with their parent', async () => {
      const workflow = await drive.createWorkflow([node('stop', 'fail', { message: 'no' })]);
      const id = await drive.start([call(workflow)]);
      await drive.ended(id);
      const [child] = await children(id, 1, 'failed');
      const { body } = await drive.post(`/api/executions/${child?.id}/retry`).expect(409);
      expect(body.code).toBe('RETRY_THE_PARENT');
      await drive.post(`/api/executions/${id}/retry`).expect(200);
      await children(id, 2, 'failed');
      expect(await drive.ended(id)).toMatchObject({ status: 'failed', error: { iteration: 2 } });
    });
  });

  describe('of a map node', () => {
    const map = (data: object) => node('each', 'map', data);

    it('run no more at once than its concurrency, and give their results in the order of the items', async () => {
      const items = Array.from({ length: 8 }, () => 0);
      const id = await drive.start([map({ items, definition: choosy, concurrency: 3 })]);
      let left = items.length;
      while (left > 0) {
        const waiting = await children(id, Math.min(3, left), 'waiting');
        const going = waiting.filter(({ status }) => status !== 'queued' && status !== 'completed');
        expect(going).toHaveLength(Math.min(3, left));
        const next = going.at(-1)!;
        await drive.signal(next.id, 'go');
        await drive.ended(next.id);
        left -= 1;
      }
      expect((await drive.ended(id)).output).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    });

    it('stop at the first failure: what runs is cancelled, what queues never starts', async () => {
      const id = await drive.start([map({ items: [0, -1, 0, 0], definition: choosy, concurrency: 2 })]);
      const failed = await drive.ended(id);
      expect(failed).toMatchObject({ status: 'failed', error: { code: 'ITEM_FAILED', details: { index: 1 } } });
      expect((await children(id, 4)).map(({ status }) => status).toSorted()).toEqual([
        'cancelled',
        'cancelled',
        'cancelled',
        'failed',
      ]);
    });

    it('are all waited for with on_item_error: collect, and each says how it ended', async () => {
      const id = await drive.start([map({ items: [1, -1, 2], definition: choosy, on_item_error: 'collect' })]);
      expect(await drive.ended(id)).toMatchObject({
        status: 'completed',
        output: [
          { status: 'completed', output: 0 },
          { status: 'failed', error: { code: 'BAD_ITEM', message: 'item -1' } },
          { status: 'completed', output: 2 },
        ],
      });
    });

    it('are none for an empty list, and the output is an empty list', async () => {
      for (const wait of [true, false]) {
        const id = await drive.start([map({ items: [], definition: twice, wait })]);
        expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: wait ? [] : { count: 0 } });
      }
    });

    it('read item and index, and go through a workflow of their own where one is named', async () => {
      const definition = only('end', { output: ['{{ item.name }}', '{{ index }}'] });
      const inline = await drive.start([map({ items: [{ name: 'a' }, { name: 'b' }], definition })]);
      expect((await drive.ended(inline)).output).toEqual([
        ['a', 0],
        ['b', 1],
      ]);
      const workflow_id = await drive.createWorkflow([node('only', 'end', { output: '{{ input * 2 }}' })]);
      const named = await drive.start([map({ items: [1, 2], workflow_id })]);
      expect((await drive.ended(named)).output).toEqual([2, 4]);
    });

    it('may have children of their own', async () => {
      const inner = only('map', { items: '{{ item }}', definition: twice });
      const id = await drive.start([map({ items: [[1, 2], [], [3]], definition: inner })]);
      expect((await drive.ended(id)).output).toEqual([[2, 4], [], [6]]);
    });

    it('may wait for people, each with a checkpoint of its own', async () => {
      const definition = only('checkpoint', { title: 'Item {{ index }}?', content: '{{ item }}' });
      const id = await drive.start([map({ items: ['a', 'b'], definition })]);
      const [first, second] = await children(id, 2, 'awaiting_checkpoint');
      await drive.decide(second!.id, { action: 'edit', content: 'B' });
      expect(statusesOf(await drive.read(id))).toEqual({ each: 'waiting' });
      await drive.decide(first!.id, { action: 'approve' });
      expect((await drive.ended(id)).output).toMatchObject([{ content: 'a' }, { content: 'B' }]);
    });

    it('that nobody waits for are started, also when the execution ends with that commit beside open steps', async () => {
      const id = await drive.start(
        [
          node('begin', 'transform', { output: 1 }),
          checkpoint('open'),
          map({ items: [1, 2], definition: twice, wait: false }),
          node('over', 'end', { terminate: true }),
        ],
        [edge('begin', 'open'), edge('begin', 'each'), edge('each', 'over')],
      );
      expect((await drive.ended(id)).status).toBe('completed');
      await children(id, 2, 'completed');
    });

    it('stand still when they are made by a step that finishes while the execution is paused', async () => {
      const workflow_id = await drive.createWorkflow([node('only', 'end')]);
      const id = await drive.start([checkpoint('gate'), map({ items: [1, 2], workflow_id })], [edge('gate', 'each')]);
      const holdUp = new pg.Client({ connectionString: test.database.url });
      await holdUp.connect();
      await drive.status(id, 'awaiting_checkpoint');
      await holdUp.query('begin; lock table workflows in access exclusive mode'); // the step has to look up the version
      await drive.decide(id, { action: 'approve' });
      await drive.step(id, 'each', 'running');
      await drive.post(`/api/executions/${id}/pause`).expect(200);
      await holdUp.query('commit');
      await holdUp.end();
      await drive.status(id, 'paused');
      await children(id, 2, 'paused');
      await drive.post(`/api/executions/${id}/resume`).expect(200);
      expect((await drive.ended(id)).status).toBe('completed');
    });

    it('of 10,000 items all run, and make a list of as many results', async () => {
      const items = Array.from({ length: 10_000 }, (_, n) => n);
      const id = await drive.start([map({ items: '{{ input }}', definition: twice, concurrency: 200 })], [], items);
      const left = () => test.database.query('select 1 from executions where id = $1 and ended_at is null', [id]);
      await waitFor('the end', left, (rows) => rows.length === 0, 90);
      expect((await drive.read(id)).output).toEqual(items.map((n) => n * 2));
    }, 100_000);
  });
});
