import { edge, node } from './definitions.js';
import { type Driver, driveExecutions } from './drive-executions.js';
import { startTestApp, type TestApp } from './start-test-app.js';
import { waitFor } from './wait-for.js';

const wait = (id: string, data: object) => node(id, 'wait', data);
const done = (from: string) => node('done', 'end', { output: `{{ steps.${from}.output }}` });

describe('signals', () => {
  let test: TestApp;
  let ann: Driver;
  let eve: Driver;

  beforeAll(async () => {
    test = await startTestApp();
    ann = driveExecutions(test, await test.register('Ann'));
    eve = driveExecutions(test, await test.register('Eve'));
  });
  afterAll(() => test.close());

  const byKey = { signal: 'paid', correlation_key: '{{ input.order }}' };

  /** Executions that each wait for the signal `paid` under their order. */
  async function startWaiting(driver: Driver, orders: readonly string[], data: object = {}): Promise<string[]> {
    const workflow = await driver.createWorkflow(
      [wait('call', { ...byKey, ...data }), done('call')],
      [edge('call', 'done')],
    );
    return Promise.all(orders.map((order) => driver.startWorkflow(workflow, { input: { order } })));
  }

  const isTaken = async (id: string): Promise<boolean> => {
    const [row] = await test.database.query<{ taken_at: Date | null }>('select taken_at from signals where id = $1', [
      id,
    ]);
    return row?.taken_at !== null;
  };

  it('reach the step that waits, by execution and by key, with their payload', async () => {
    const [first = '', second = ''] = await startWaiting(ann, ['o-1', 'o-2']);
    for (const id of [first, second]) await ann.status(id, 'waiting');
    await ann.signal(first, 'paid', { by: 'execution' });
    await ann.signalByKey('paid', 'o-2', { by: 'key' });
    expect(await ann.ended(first)).toMatchObject({ status: 'completed', output: { by: 'execution' } });
    expect(await ann.ended(second)).toMatchObject({ status: 'completed', output: { by: 'key' } });
  });

  it('that come before the execution exists are kept for it', async () => {
    const { body } = await ann.signalByKey('paid', 'early', 1);
    expect(await isTaken(body.id)).toBe(false);
    const [id = ''] = await startWaiting(ann, ['early']);
    expect(await ann.ended(id)).toMatchObject({ status: 'completed', output: 1 });
    expect(await isTaken(body.id)).toBe(true);
  });

  it('of another name, key or correlation wake nobody', async () => {
    const [id = ''] = await startWaiting(ann, ['mine']);
    await ann.status(id, 'waiting');
    await ann.signal(id, 'other');
    await ann.signalByKey('paid', 'not mine');
    await ann.post(`/api/executions/${id}/signals`, { name: 'paid', correlation_key: 'not mine' }).expect(202);
    await ann.signalByKey('paid', 'mine', 'at last');
    expect((await ann.ended(id)).output).toBe('at last');
  });

  it('are taken once: of two that wait under a key one gets the first, the other the next', async () => {
    const [first = ''] = await startWaiting(ann, ['twice']);
    await ann.status(first, 'waiting');
    const [second = ''] = await startWaiting(ann, ['twice']);
    await ann.status(second, 'waiting');
    await ann.signalByKey('paid', 'twice', 1);
    const [one] = await Promise.race([first, second].map(async (id) => [(await ann.ended(id)).id]));
    const other = one === first ? second : first;
    expect((await ann.status(other, 'waiting')).ended_at).toBeNull();
    await ann.signalByKey('paid', 'twice', 2);
    expect((await ann.ended(other)).output).toBe(2);
  });

  it('that are there before two steps of one execution wait go to one each', async () => {
    const id = await ann.start(
      [
        node('gate', 'checkpoint', { title: 'Go?', content: 1 }),
        wait('a', { signal: 'go' }),
        wait('b', { signal: 'go' }),
      ],
      [edge('gate', 'a', 'approved'), edge('gate', 'b', 'approved')],
    );
    await ann.signal(id, 'go', 1);
    await ann.signal(id, 'go', 2);
    await ann.decide(id, { action: 'approve' });
    const { steps } = await ann.ended(id);
    const outputs = steps.filter(({ node_id }) => node_id !== 'gate').map(({ output }) => output);
    expect(new Set(outputs)).toEqual(new Set([1, 2]));
  });

  it.each([
    ['after', true],
    ['before', false],
  ])('50 that come at once %s 50 executions wait under their key go to exactly one each', async (when, late) => {
    const orders = Array.from({ length: 50 }, () => `many ${when}`);
    const send = () => Promise.all(orders.map((key, n) => ann.signalByKey('paid', key, n)));
    if (!late) await send();
    const ids = await startWaiting(ann, orders);
    if (late) {
      await waitFor(
        'all to wait',
        () => test.database.query(`select 1 from steps where correlation_key = $1 and status = 'waiting'`, [orders[0]]),
        (rows) => rows.length === 50,
      );
      await send();
    }
    const outputs = (await Promise.all(ids.map((id) => ann.ended(id)))).map(({ output }) => output as number);
    expect(outputs.toSorted((a, b) => a - b)).toEqual(orders.map((_, n) => n));
  });

  it('stay in their organization', async () => {
    const [id = ''] = await startWaiting(ann, ['shared']);
    await ann.status(id, 'waiting');
    await eve.post(`/api/executions/${id}/signals`, { name: 'paid' }).expect(404);
    const { body } = await eve.signalByKey('paid', 'shared', 'of Eve');
    await ann.signalByKey('paid', 'shared', 'of Ann');
    expect((await ann.ended(id)).output).toBe('of Ann');
    expect(await isTaken(body.id)).toBe(false);
  });

  it('are refused for an execution that has ended', async () => {
    const id = await ann.start([node('only', 'end')]);
    await ann.ended(id);
    const { body } = await ann.post(`/api/executions/${id}/signals`, { name: 'paid' }).expect(409);
    expect(body.code).toBe('EXECUTION_ENDED');
  });

  // Of 3 bytes each and not to be compressed: what an index cannot hold must not come so far.
  const long = (length: number) =>
    String.fromCodePoint(...Array.from({ length }, (_, i) => 0x4e00 + ((i * 7_919) % 20_000)));

  it('have names and keys of up to 255 characters of any script, and waiting for a longer one fails the step', async () => {
    const [id = ''] = await startWaiting(ann, [long(255)], { signal: long(255) });
    await ann.signalByKey(long(255), long(255), 'came');
    expect((await ann.ended(id)).output).toBe('came');
    await ann.post('/api/signals', { name: 'paid', correlation_key: long(256) }).expect(422);
    await ann.post('/api/signals', { name: long(256), correlation_key: 'k' }).expect(422);
    for (const unsendable of await startWaiting(ann, [long(4_000), '']))
      expect((await ann.ended(unsendable)).error).toMatchObject({ code: 'INVALID_VALUE', node_id: 'call' });
  });

  it('that do not come in time fail the step, or lead where its on_error says', async () => {
    const [failing = ''] = await startWaiting(ann, ['late'], { timeout_seconds: 0.2 });
    expect(await ann.ended(failing)).toMatchObject({
      status: 'failed',
      error: { code: 'STEP_TIMED_OUT', node_id: 'call' },
    });
    const [going = ''] = await startWaiting(ann, ['late'], { timeout_seconds: 0.2, on_error: 'continue' });
    expect(await ann.ended(going)).toMatchObject({ status: 'completed', output: null });
  });

  it('are on record with their name and whom they are for', async () => {
    const { body } = await ann.signalByKey('paid', 'audited');
    const audit = await ann.get(`/api/audit?subject_id=${body.id}`);
    expect(audit.data).toMatchObject([
      { action: 'signal.sent', details: { name: 'paid', correlation_key: 'audited', execution_id: null } },
    ]);
  });

  // The step and the failure of the execution are written together while something else is open.
  it('that a failing execution took are not given to another', async () => {
    const id = await ann.start(
      [
        node('begin', 'transform', { output: 1 }),
        wait('call', { signal: 'paid', correlation_key: 'once' }),
        node('open', 'wait', { signal: 'never' }),
        node('stop', 'fail', { message: 'enough' }),
      ],
      [edge('begin', 'call'), edge('begin', 'open'), edge('call', 'stop')],
    );
    await ann.status(id, 'waiting');
    const { body } = await ann.signalByKey('paid', 'once', 1);
    const { steps } = await ann.ended(id);
    expect(steps.find(({ node_id }) => node_id === 'call')).toMatchObject({ status: 'completed', output: 1 });
    expect(await isTaken(body.id)).toBe(true);
  });
});
