import type { ServerResponse } from 'node:http';
import { RetentionService } from '../src/executions/retention.service.js';
import { edge, node } from './definitions.js';
import { type Driver, driveExecutions } from './drive-executions.js';
import { answerJson, CALL_LOOPBACK, type LoopbackServer, startLoopbackServer } from './loopback-server.js';
import { startTestApp, type TestApp } from './start-test-app.js';
import { waitFor } from './wait-for.js';

const LIMIT = 3;

describe('limits', () => {
  let test: TestApp;
  let server: LoopbackServer;
  let ann: Driver;
  let eve: Driver;

  beforeAll(async () => {
    server = await startLoopbackServer();
    test = await startTestApp({ ORGANIZATION_CONCURRENCY: String(LIMIT), ...CALL_LOOPBACK });
    ann = driveExecutions(test, await test.register('Ann'));
    eve = driveExecutions(test, await test.register('Eve'));
  });
  afterAll(async () => {
    await test.close();
    await server.close();
  });

  const call = (path: string) => ({ nodes: [node('call', 'http', { url: server.url + path })], edges: [] });

  /** A path whose requests are held open; `release` answers all, now and from then on. */
  function held(path: string) {
    const open: ServerResponse[] = [];
    let most = 0;
    let released = false;
    server.on(path, (_, response) => {
      open.push(response);
      most = Math.max(most, open.filter((one) => !one.writableEnded).length);
      if (released) setTimeout(() => answerJson(response, 200, null), 20);
    });
    const release = () => {
      released = true;
      for (const response of open) answerJson(response, 200, null);
    };
    return { most: () => most, open, release };
  }

  const startAll = (driver: Driver, workflow: string, count: number) =>
    Promise.all(Array.from({ length: count }, () => driver.startWorkflow(workflow)));

  it('let no organization have more executions running than it may, and let the others go on', async () => {
    const calls = held('/organization');
    const workflow = await ann.createWorkflow(call('/organization').nodes);
    const ids = await startAll(ann, workflow, 3 * LIMIT);
    await waitFor(
      'the first',
      () => Promise.resolve(calls.open.length),
      (count) => count === LIMIT,
    );
    await eve.ended(await eve.start([node('only', 'end')]));
    expect(calls.open).toHaveLength(LIMIT);
    calls.release();
    for (const id of ids) expect((await ann.ended(id)).status).toBe('completed');
    expect(calls.most()).toBe(LIMIT);
  });

  it('do not count executions that wait for a person', async () => {
    const parked = [node('look', 'checkpoint', { title: 'Good?', content: 1 }), node('end', 'end')];
    const workflow = await ann.createWorkflow(parked, [edge('look', 'end')]);
    const ids = await startAll(ann, workflow, 2 * LIMIT);
    for (const id of ids) await ann.status(id, 'awaiting_checkpoint');
  });

  it('of a workflow hold for all of its executions, and can be lifted', async () => {
    const calls = held('/workflow');
    const given = { name: 'One at a time', max_running: 1, definition: call('/workflow') };
    const { body } = await ann.post('/api/workflows', given).expect(201);
    expect(body.max_running).toBe(1);
    const ids = await startAll(ann, body.id, 3);
    await waitFor(
      'the first',
      () => Promise.resolve(calls.open.length),
      (count) => count === 1,
    );
    await ann.ended(await ann.start([node('only', 'end')]));
    expect(calls.open).toHaveLength(1);
    await ann.changeFields(body.id, { max_running: null });
    await waitFor(
      'the others',
      () => Promise.resolve(calls.open.length),
      (count) => count === 3,
    );
    calls.release();
    for (const id of ids) await ann.ended(id);
  });

  it('delete what ended long ago with everything below it, and nothing else', async () => {
    const child = await eve.createWorkflow([node('only', 'end')]);
    const id = await eve.start([node('call', 'workflow', { workflow_id: child })]);
    await eve.ended(id);
    const recent = await eve.start([node('only', 'end')]);
    await eve.ended(recent);
    await test.database.query(
      `update executions set ended_at = now() - interval '40 days' where id = $1 or parent_id = $1`,
      [id],
    );
    expect(await test.app.get(RetentionService).deleteOld(30)).toBe(2);
    for (const table of ['steps', 'execution_events']) {
      expect(await test.database.query(`select 1 from ${table} where execution_id = $1`, [id])).toEqual([]);
    }
    expect((await eve.list('')).map((execution) => execution.id)).toContain(recent);
    expect((await eve.list('')).map((execution) => execution.id)).not.toContain(id);
  });
});
