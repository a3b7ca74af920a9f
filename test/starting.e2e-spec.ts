import { edge, node } from './definitions.js';
import { type Driver, driveExecutions } from './drive-executions.js';
import { answerJson, CALL_LOOPBACK, startLoopbackServer } from './loopback-server.js';
import { startTestApp, type TestApp } from './start-test-app.js';
import { waitFor } from './wait-for.js';

const review = node('review', 'checkpoint', { title: 'Good?', content: 1 });

// An app of its own, before the other: the strategy of passport that it registers is one for the whole process.
describe('priorities', () => {
  it('let high go before normal and normal before low when one place is free', async () => {
    const server = await startLoopbackServer();
    const test = await startTestApp({ ...CALL_LOOPBACK, WORKER_CONCURRENCY: '1' });
    const drive = driveExecutions(test, await test.register());
    let answer: () => void = () => undefined;
    server.on('/hold', (_, response) => (answer = () => answerJson(response, 200, null)));
    const holder = await drive.start([node('hold', 'http', { url: `${server.url}/hold` })]);
    await waitFor(
      'the call',
      () => Promise.resolve(server.received),
      (requests) => requests.length === 1,
    );
    const workflow = await drive.createWorkflow([node('only', 'end')]);
    const ids = new Map<string, string>();
    for (const priority of ['low', 'normal', 'high'])
      ids.set(await drive.startWorkflow(workflow, { priority }), priority);
    answer();
    const all = await Promise.all([...ids.keys()].map((id) => drive.ended(id)));
    const order = all.toSorted((a, b) => Date.parse(a.started_at!) - Date.parse(b.started_at!));
    expect(order.map(({ priority }) => priority)).toEqual(['high', 'normal', 'low']);
    expect(all.map(({ id, priority }) => ids.get(id) === priority)).toEqual([true, true, true]);
    expect((await drive.ended(holder)).status).toBe('completed');
    await test.close();
    await server.close();
  });
});

describe('starting executions', () => {
  let test: TestApp;
  let drive: Driver;
  let workflow: string;

  beforeAll(async () => {
    test = await startTestApp();
    drive = driveExecutions(test, await test.register());
    workflow = await drive.createWorkflow([review]);
  });
  afterAll(() => test.close());

  describe('with an Idempotency-Key', () => {
    const start = (key: string, body: object = {}) =>
      drive.post('/api/executions', { workflow_id: workflow, ...body }).set('Idempotency-Key', key);

    it('starts one execution for one body, and says when it was there already', async () => {
      const first = await start('one', { input: { a: 1 } }).expect(202);
      expect(first.headers).not.toHaveProperty('idempotency-replayed');
      const again = await start('one', { input: { a: 1 } }).expect(202);
      expect(again.body.id).toBe(first.body.id);
      expect(again.headers).toMatchObject({
        'idempotency-replayed': 'true',
        location: `/api/executions/${first.body.id}`,
      });
    });

    it('refuses another body under the same key', async () => {
      await start('two', { input: 1 }).expect(202);
      for (const other of [{ input: 2 }, { input: 1, priority: 'high' }, { input: 1, concurrency_key: 'k' }]) {
        expect((await start('two', other).expect(422)).body.code).toBe('IDEMPOTENCY_KEY_REUSED');
      }
    });

    it('starts one execution for twenty at once', async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => start('twenty').expect(202)));
      expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
      expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1);
    });

    it('is a key of the person: another may use the same', async () => {
      const eve = driveExecutions(test, await test.register('Eve'));
      const of = await eve.createWorkflow([review]);
      await start('shared').expect(202);
      const { headers } = await eve.post('/api/executions', { workflow_id: of }).set('Idempotency-Key', 'shared');
      expect(headers).not.toHaveProperty('idempotency-replayed');
    });
  });

  describe('with a concurrency_key', () => {
    const queue = (concurrency_key: string, of = workflow) => drive.startWorkflow(of, { concurrency_key });
    const goes = (id: string) => drive.status(id, 'awaiting_checkpoint');
    const statuses = async (...ids: string[]) => (await Promise.all(ids.map(drive.read))).map(({ status }) => status);

    it('lets one go after the other, in the order in which they were started', async () => {
      const ids = [await queue('order'), await queue('order'), await queue('order')];
      for (const [i, id] of ids.entries()) {
        await goes(id);
        expect(await statuses(...ids.slice(i + 1))).toEqual(ids.slice(i + 1).map(() => 'queued'));
        await drive.decide(id, { action: 'approve' });
        await drive.ended(id);
      }
    });

    it('goes on after a failure and after a cancellation, also of one that is paused or queued', async () => {
      const failing = await drive.createWorkflow(
        [review, node('stop', 'fail', { message: 'no' })],
        [edge('review', 'stop')],
      );
      const first = await queue('ends', failing);
      const [second, third, fourth] = [await queue('ends'), await queue('ends'), await queue('ends')];
      await drive.decide(first, { action: 'approve' });
      expect((await drive.ended(first)).status).toBe('failed');
      await goes(second);
      await drive.post(`/api/executions/${third}/cancel`).expect(200);
      expect(await statuses(second, fourth)).toEqual(['awaiting_checkpoint', 'queued']);
      await drive.post(`/api/executions/${second}/pause`).expect(200);
      await drive.post(`/api/executions/${second}/cancel`).expect(200);
      await goes(fourth);
    });

    it('has one that was paused in the queue stand still when its turn has come', async () => {
      const [first, second] = [await queue('paused'), await queue('paused')];
      await drive.post(`/api/executions/${second}/pause`).expect(200);
      await drive.decide(first, { action: 'approve' });
      expect((await drive.status(second, 'paused')).steps).toEqual([]);
      await drive.post(`/api/executions/${second}/resume`).expect(200);
      await goes(second);
    });

    it('has one that is tried again, or repeated, queue behind the one that goes', async () => {
      const failing = await drive.createWorkflow([node('stop', 'fail', { message: 'no' })]);
      const failed = await queue('again', failing);
      await drive.ended(failed);
      const [going, waiting] = [await queue('again'), await queue('again')];
      await goes(going);
      for (const act of ['retry', 'pause', 'resume']) await drive.post(`/api/executions/${failed}/${act}`).expect(200);
      const from = { from: { node_id: 'review' } };
      const { id: fork } = (await drive.post(`/api/executions/${going}/rerun`, from).expect(202)).body;
      await drive.post(`/api/executions/${waiting}/cancel`).expect(200);
      expect(await statuses(failed, going, fork)).toEqual(['queued', 'awaiting_checkpoint', 'queued']);
      await drive.decide(going, { action: 'approve' });
      expect((await drive.ended(failed)).error).toMatchObject({ iteration: 2 });
      await goes(fork);
    });

    it('is a key of the organization', async () => {
      const eve = driveExecutions(test, await test.register('Eve'));
      await goes(await queue('mine'));
      const of = await eve.createWorkflow([review]);
      await eve.status(await eve.startWorkflow(of, { concurrency_key: 'mine' }), 'awaiting_checkpoint');
    });
  });

  it('makes executions that are found by workflow, status, time and the text of their error', async () => {
    const other = await drive.createWorkflow([node('stop', 'fail', { message: 'No stock of TEA', code: 'NO_STOCK' })]);
    const first = await drive.ended(await drive.startWorkflow(other));
    const second = await drive.ended(await drive.startWorkflow(other));
    const found = async (query: string) => (await drive.list(query)).map(({ id }) => id);
    expect(await found(`workflow_id=${other}`)).toEqual([second.id, first.id]);
    expect(await found(`workflow_id=${other}&status=completed`)).toEqual([]);
    for (const error of ['stock%20of%20tea', 'no_stock'])
      expect(await found(`error=${error}`)).toEqual([second.id, first.id]);
    for (const error of ['coffee', '%25', '_____']) expect(await found(`error=${error}`)).toEqual([]);
    const [row] = await test.database.query<{ at: Date }>('select created_at as at from executions where id = $1', [
      second.id,
    ]);
    const at = row!.at.toISOString();
    expect(await found(`workflow_id=${other}&created_before=${at}`)).toEqual([first.id]);
    expect(await found(`workflow_id=${other}&created_after=${at}`)).toEqual([second.id]);
    for (const past of [
      '0000-01-01T00:00:00Z',
      '2026-01-01T00:00:00%2B23:00',
      `2026-01-01T00:00:00.${'1'.repeat(200)}Z`,
    ])
      expect(await found(`workflow_id=${other}&created_after=${past}`)).toEqual([second.id, first.id]);
    expect(await found(`workflow_id=${other}&created_after=9999-12-31T23:59:59-23:59`)).toEqual([]);
    expect(await found(`status=failed&limit=1`)).toHaveLength(1);
  });
});
