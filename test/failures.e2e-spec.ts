import { edge, node } from './definitions.js';
import { type Driver, driveExecutions, statusesOf } from './drive-executions.js';
import { answerJson, CALL_LOOPBACK, type LoopbackServer, startLoopbackServer } from './loopback-server.js';
import { startTestApp, type TestApp } from './start-test-app.js';

const QUICK = { backoff: 'linear', initial_seconds: 0.1, jitter: false };

const secondsBetween = (from: string, to: string) => (Date.parse(to) - Date.parse(from)) / 1000;

interface Attempt {
  attempt: number;
  status: string;
  error: { code: string } | null;
  output: unknown;
  started_at: string;
  ended_at: string;
}

// An app of its own, before the other: the strategy of passport that it registers is one for the whole process.
describe('an address that nobody has allowed', () => {
  it('fails the step before any connection is made', async () => {
    const server = await startLoopbackServer();
    const test = await startTestApp();
    const drive = driveExecutions(test, await test.register());
    const id = await drive.start([node('call', 'http', { url: server.url })]);
    expect((await drive.ended(id)).error).toMatchObject({ code: 'HTTP_ADDRESS_REFUSED', node_id: 'call' });
    expect(server.connections()).toBe(0);
    await test.close();
    await server.close();
  });
});

describe('failures', () => {
  let test: TestApp;
  let server: LoopbackServer;
  let drive: Driver;
  let paths = 0;

  beforeAll(async () => {
    server = await startLoopbackServer();
    test = await startTestApp(CALL_LOOPBACK);
    drive = driveExecutions(test, await test.register());
  });
  afterAll(async () => {
    await test.close();
    await server.close();
  });

  /** A path of its own that answers with these statuses, one after the other, then 200. */
  function answering(...statuses: number[]): string {
    const path = `/${(paths += 1)}`;
    server.on(path, (_, response) => answerJson(response, statuses.shift() ?? 200, { n: statuses.length }));
    return path;
  }

  const call = (id: string, path: string, data: object = {}) =>
    node(id, 'http', { url: `${server.url}${path}`, method: 'POST', ...data });

  const received = (path: string) => server.received.filter((request) => request.path === path);
  const fail = (id = 'stop') => node(id, 'fail', { message: 'enough', code: 'ENOUGH' });

  describe('of http nodes', () => {
    it('do not happen with a status of success: the output is the status, the headers and the body', async () => {
      const path = answering();
      const id = await drive.start(
        [call('call', path, { body: { name: '{{ input }}' }, headers: { 'x-a': 'b' } })],
        [],
        'Bo',
      );
      expect(await drive.ended(id)).toMatchObject({
        status: 'completed',
        output: { status: 200, headers: { 'content-type': 'application/json' }, body: { n: 0 } },
      });
      expect(received(path)).toMatchObject([{ method: 'POST', body: '{"name":"Bo"}', headers: { 'x-a': 'b' } }]);
    });

    it('are statuses that were not asked for, without another try where it would not help', async () => {
      const retry = { ...QUICK, max_attempts: 3 };
      const id = await drive.start([call('call', answering(404), { retry })]);
      const { error, steps } = await drive.ended(id);
      expect(error).toMatchObject({ code: 'HTTP_STATUS', node_id: 'call', details: { status: 404, body: '{"n":0}' } });
      expect(steps).toMatchObject([{ attempt: 1 }]);
      const asked = await drive.start([call('call', answering(404), { success_statuses: [404] })]);
      expect(await drive.ended(asked)).toMatchObject({ status: 'completed', output: { status: 404 } });
    });

    it('are told with the beginning of the answer, also where a surrogate pair would be cut in two', async () => {
      server.on('/long', (_, response) => answerJson(response, 503, 'a'.repeat(1_998) + '\u{1F375}'.repeat(9)));
      const id = await drive.start([call('call', '/long', { on_error: 'continue' })]);
      const { status, steps } = await drive.ended(id);
      expect(status).toBe('completed');
      expect(steps[0]?.error?.details).toEqual({ status: 503, body: `"${'a'.repeat(1_998)}\uFFFD` });
    });

    it('that pass by themselves are tried again with the same Idempotency-Key, and every try can be read', async () => {
      const path = answering(503, 503);
      const id = await drive.start([call('call', path, { retry: { ...QUICK, max_attempts: 4 } })]);
      expect((await drive.ended(id)).status).toBe('completed');
      const keys = received(path).map(({ headers }) => headers['idempotency-key']);
      expect(keys).toEqual([`${id}:call:1`, `${id}:call:1`, `${id}:call:1`]);
      const { data } = (await drive.get(`/api/executions/${id}/steps/call/1/attempts`)) as { data: Attempt[] };
      expect(data).toMatchObject([
        { attempt: 1, status: 'failed', error: { code: 'HTTP_STATUS' }, output: null },
        { attempt: 2, status: 'failed', error: { code: 'HTTP_STATUS' }, output: null },
        { attempt: 3, status: 'completed', error: null, output: { status: 200 } },
      ]);
      for (const { started_at, ended_at } of data)
        expect(secondsBetween(started_at, ended_at)).toBeGreaterThanOrEqual(0);
      expect(secondsBetween(data[0]!.ended_at, data[1]!.started_at)).toBeGreaterThanOrEqual(0.09);
      expect(secondsBetween(data[1]!.ended_at, data[2]!.started_at)).toBeGreaterThanOrEqual(0.19);
      // Linear: a tenth of a second, then two.
      const [first, second, third] = (await drive.events(id)).filter(({ type }) => type !== 'step.started').slice(1);
      expect([first?.data, second?.data]).toMatchObject([{ retry_in_seconds: 0.1 }, { retry_in_seconds: 0.2 }]);
      expect(third).toMatchObject({ type: 'step.completed' });
    });

    it('are time-outs, too', async () => {
      server.on('/never', () => undefined);
      const id = await drive.start([call('call', '/never', { timeout_seconds: 0.2 })]);
      expect((await drive.ended(id)).error).toMatchObject({ code: 'HTTP_TIMED_OUT', node_id: 'call' });
    });
  });

  describe('of any step', () => {
    it('are tried again only for the codes that its retry names', async () => {
      const tries = async (on: string[]) => {
        const retry = { ...QUICK, max_attempts: 2, on };
        return (await drive.ended(await drive.start([call('call', answering(503, 503), { retry })]))).steps[0]?.attempt;
      };
      expect(await tries(['HTTP_STATUS'])).toBe(2);
      expect(await tries(['HTTP_TIMED_OUT'])).toBe(1);
    });

    it('do not fail the execution with on_error: continue, and can be read by what follows', async () => {
      const id = await drive.start(
        [
          call('call', answering(400), { on_error: 'continue' }),
          node('done', 'end', { output: ['{{ steps.call.output }}', '{{ steps.call.error.code }}'] }),
        ],
        [edge('call', 'done')],
      );
      const { status, output, steps } = await drive.ended(id);
      expect({ status, output }).toEqual({ status: 'completed', output: [null, 'HTTP_STATUS'] });
      expect(steps[0]).toMatchObject({ status: 'failed', error: { handled: true } });
    });

    it('leave by the handle error with on_error: route, and only then', async () => {
      const way = async (...statuses: number[]) => {
        const id = await drive.start(
          [
            call('call', answering(...statuses), { on_error: 'route' }),
            node('good', 'end', { output: 'good' }),
            node('bad', 'end', { output: 'bad: {{ steps.call.error.message }}' }),
          ],
          [edge('call', 'good'), edge('call', 'bad', 'error')],
        );
        return (await drive.ended(id)).output;
      };
      expect(await way()).toBe('good');
      expect(await way(400)).toMatch(/^bad: The answer has the status 400/);
    });

    it('are checkpoints that nobody decides in time, and these are withdrawn', async () => {
      const data = { title: 'Good?', content: 1, timeout_seconds: 0.2, on_error: 'route' };
      const id = await drive.start(
        [node('review', 'checkpoint', data), node('late', 'end', { output: '{{ steps.review.error.code }}' })],
        [edge('review', 'late', 'error')],
      );
      expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: 'STEP_TIMED_OUT' });
      expect(await drive.checkpoints(id)).toMatchObject([{ status: 'withdrawn' }]);
    });

    it('are results of a map that are too large together', async () => {
      const definition = { nodes: [node('only', 'end', { output: 'x'.repeat(900_000) })], edges: [] };
      const id = await drive.start([node('each', 'map', { items: [1, 2, 3, 4, 5], definition })]);
      expect((await drive.ended(id)).error).toMatchObject({ code: 'OUTPUT_TOO_LARGE', node_id: 'each' });
    });
  });

  describe('after which something is undone', () => {
    //   book ─► pay ─► (last)          cancelBooking undoes book, refund undoes pay
    const trip = async (last: object[], edges: object[], undo: { refund?: number[] } = {}) => {
      const path = answering(...(undo.refund ?? []));
      const start = await drive.start(
        [
          node('book', 'transform', { output: { booking: 7 }, compensate: 'cancelBooking' }),
          node('pay', 'transform', { output: { payment: 8 }, compensate: 'refund' }),
          node('cancelBooking', 'transform', { output: '{{ steps.book.output.booking }}' }),
          call('refund', path, { body: '{{ steps.pay.output }}' }),
          ...last,
        ],
        [edge('book', 'pay'), ...edges],
      );
      return { id: start, path };
    };

    const order = async (id: string) =>
      (await drive.events(id)).filter(({ type }) => type === 'step.completed').map(({ node_id }) => node_id);

    it('undo what was done, the last first, each with the output of its step', async () => {
      const { id, path } = await trip([fail()], [edge('pay', 'stop')]);
      expect(await drive.ended(id)).toMatchObject({ status: 'failed', error: { code: 'ENOUGH', node_id: 'stop' } });
      expect(await order(id)).toEqual(['book', 'pay', 'refund', 'cancelBooking']);
      expect(received(path)).toMatchObject([{ body: '{"payment":8}' }]);
      const types = (await drive.events(id)).map(({ type }) => type);
      expect(types.slice(-5)).toEqual([
        'step.failed',
        'execution.compensating',
        'step.completed',
        'step.completed',
        'execution.failed',
      ]);
    });

    it('leave what a repeated execution did to that one', async () => {
      const review = node('review', 'checkpoint', { title: 'Good?', content: 1 });
      const { id, path } = await trip([review], [edge('pay', 'review')]);
      await drive.status(id, 'awaiting_checkpoint');
      const { body } = await drive.post(`/api/executions/${id}/rerun`, { from: { node_id: 'pay' } }).expect(202);
      await drive.status(body.id, 'awaiting_checkpoint');
      await drive.post(`/api/executions/${body.id}/cancel`).expect(200);
      expect((await drive.ended(body.id)).status).toBe('cancelled');
      expect(await order(body.id)).toEqual(['pay', 'refund']); // it paid once more, and did not book
      expect(received(path)).toHaveLength(1);
    });

    it('undo with code and with workflows, which get that output as their input', async () => {
      const workflow_id = await drive.createWorkflow([node('only', 'end', { output: { undid: '{{ input }}' } })]);
      const id = await drive.start(
        [
          node('a', 'transform', { output: 'A', compensate: 'undoA' }),
          node('b', 'transform', { output: 'B', compensate: 'undoB' }),
          node('undoA', 'workflow', { workflow_id }),
          node('undoB', 'code', { code: 'output = input' }),
          fail(),
        ],
        [edge('a', 'b'), edge('b', 'stop')],
      );
      const { status, steps } = await drive.ended(id);
      const outputs = steps.filter(({ node_id }) => node_id.startsWith('undo')).map(({ output }) => output);
      expect([status, ...outputs]).toEqual(['failed', 'B', { undid: 'A' }]);
    });

    it('undo it also when a person cancels; cancelling once more is refused', async () => {
      const review = node('review', 'checkpoint', { title: 'Go?', content: 1 });
      const { id, path } = await trip([review], [edge('pay', 'review')]);
      await drive.status(id, 'awaiting_checkpoint');
      const { body } = await drive.post(`/api/executions/${id}/cancel`).expect(200);
      expect(body.status).toBe('compensating');
      expect((await drive.post(`/api/executions/${id}/cancel`)).status).toBe(409);
      expect(await drive.checkpoints(id)).toMatchObject([{ status: 'withdrawn' }]);
      expect(await drive.ended(id)).toMatchObject({ status: 'cancelled', error: null });
      expect(await order(id)).toEqual(['book', 'pay', 'refund', 'cancelBooking']);
      expect(received(path)).toHaveLength(1);
    });

    it('undo each round of a loop with the output of that round', async () => {
      const id = await drive.start(
        [
          node('begin', 'transform', { output: 0 }),
          node('add', 'transform', {
            output: '{{ has(steps.add) ? steps.add.output + 1 : 1 }}',
            compensate: 'subtract',
          }),
          node('more', 'branch', { cases: [{ handle: 'yes', when: 'steps.add.output < 3' }] }),
          node('subtract', 'transform', { output: '{{ steps.add.output }}' }),
          fail(),
        ],
        [edge('begin', 'add'), edge('add', 'more'), edge('more', 'add', 'yes'), edge('more', 'stop', 'else')],
      );
      const { steps } = await drive.ended(id);
      const undone = steps.filter(({ node_id }) => node_id === 'subtract');
      const byIteration = undone.toSorted((a, b) => a.iteration - b.iteration);
      expect(byIteration.map(({ output }) => output)).toEqual([3, 2, 1]);
    });

    it('tell what could not be undone, and go on undoing the rest', async () => {
      const { id } = await trip([fail()], [edge('pay', 'stop')], { refund: [400] });
      const execution = await drive.ended(id);
      expect(execution).toMatchObject({
        status: 'failed',
        error: { code: 'ENOUGH', details: { compensations_failed: ['refund'] } },
      });
      expect(statusesOf(execution)).toMatchObject({ refund: 'failed', cancelBooking: 'completed' });
    });

    it('cannot be tried again', async () => {
      const { id } = await trip([fail()], [edge('pay', 'stop')]);
      await drive.ended(id);
      const { body } = await drive.post(`/api/executions/${id}/retry`).expect(409);
      expect(body.code).toBe('EXECUTION_COMPENSATED');
    });

    it('undo it also when the failing step finishes while the execution is paused', async () => {
      const long = node('long', 'code', { code: 'import time\ntime.sleep(1)\nraise ValueError("no")' });
      const { id } = await trip([long], [edge('pay', 'long')]);
      await drive.step(id, 'long', 'running');
      await drive.post(`/api/executions/${id}/pause`).expect(200);
      expect(await drive.ended(id)).toMatchObject({ status: 'failed', error: { code: 'CODE_FAILED' } });
      expect((await order(id)).slice(-2)).toEqual(['refund', 'cancelBooking']);
    });
  });
});
