import { edge, node } from './definitions.js';
import { type Driver, driveExecutions, statusesOf } from './drive-executions.js';
import { CALL_LOOPBACK, type LoopbackServer, startLoopbackServer } from './loopback-server.js';
import { startTestApp, type TestApp } from './start-test-app.js';
import { waitFor } from './wait-for.js';

const checkpoint = (id: string, data: object = {}) => node(id, 'checkpoint', { title: 'Good?', content: 1, ...data });
const said = (id: string, text: string) => node(id, 'end', { output: text });
const double = { nodes: [node('twice', 'transform', { output: '{{ item * 2 }}' })], edges: [] };

/** Numbers of the workflow patterns of van der Aalst et al. (workflowpatterns.com/patterns/control). */
describe('workflow patterns', () => {
  let test: TestApp;
  let server: LoopbackServer;
  let drive: Driver;

  beforeAll(async () => {
    server = await startLoopbackServer();
    test = await startTestApp(CALL_LOOPBACK);
    drive = driveExecutions(test, await test.register());
  });
  afterAll(async () => {
    await test.close();
    await server.close();
  });

  it('WCP-12 multiple instances without synchronization: the items go their own way, the execution ends before', async () => {
    const definition = { nodes: [checkpoint('review')], edges: [] };
    const id = await drive.start(
      [node('each', 'map', { items: [1, 2, 3], definition, wait: false }), node('on', 'end')],
      [edge('each', 'on')],
    );
    const { steps } = await drive.ended(id);
    expect(steps[0]).toMatchObject({ node_id: 'each', status: 'completed', output: { count: 3 } });
    const parked = await waitFor(
      'the items',
      () => drive.list(`parent_id=${id}`),
      (all) => all.length === 3 && all.every(({ status }) => status === 'awaiting_checkpoint'),
    );
    for (const child of parked) await drive.decide(child.id, { action: 'approve' });
    for (const child of parked) expect((await drive.ended(child.id)).status).toBe('completed');
  });

  it('WCP-13 multiple instances with design-time knowledge: a list in the definition', async () => {
    const id = await drive.start([node('each', 'map', { items: [1, 2, 3], definition: double })]);
    expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: [2, 4, 6] });
  });

  it('WCP-14 multiple instances with run-time knowledge: a list from before, the results in its order', async () => {
    const naps = { nodes: [node('nap', 'delay', { for_seconds: '{{ item }}' }), said('done', '{{ index }}')] };
    const definition = { ...naps, edges: [edge('nap', 'done')] };
    const id = await drive.start(
      [
        node('make', 'transform', { output: '{{ input.map(x, x / 10) }}' }),
        node('each', 'map', { items: '{{ steps.make.output }}', definition }),
      ],
      [edge('make', 'each')],
      [4, 1, 3, 0],
    );
    expect((await drive.ended(id)).output).toEqual([0, 1, 2, 3]);
  });

  //               ┌─► person ─► decided
  //   (start) ────┼─► call ───► called       the first wins
  //               └─► nap ────► late
  const race = (nap: number) =>
    drive.start(
      [
        node('begin', 'transform', { output: 1 }),
        checkpoint('person', { race: 'first' }),
        node('call', 'wait', { signal: 'called', race: 'first' }),
        node('nap', 'delay', { for_seconds: nap, race: 'first' }),
        said('decided', 'decided'),
        said('called', 'called'),
        said('late', 'late'),
      ],
      [
        edge('begin', 'person'),
        edge('begin', 'call'),
        edge('begin', 'nap'),
        edge('person', 'decided', 'approved'),
        edge('call', 'called'),
        edge('nap', 'late'),
      ],
    );

  it('WCP-16 deferred choice: a decision withdraws the signal and the delay in its own transaction', async () => {
    const id = await race(300);
    await drive.status(id, 'awaiting_checkpoint');
    await drive.decide(id, { action: 'approve' });
    const statuses = statusesOf(await drive.read(id));
    expect(statuses).toMatchObject({ person: 'completed', call: 'cancelled', nap: 'cancelled' });
    expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: 'decided' });
    expect(statusesOf(await drive.read(id))).toEqual({ begin: 'completed', ...statuses, decided: 'completed' });
  });

  it.each([
    ['signal', 300, 'called', { call: 'completed', nap: 'cancelled' }],
    ['delay', 0.3, 'late', { call: 'cancelled', nap: 'completed' }],
  ] as const)('WCP-16 deferred choice: a %s withdraws the checkpoint with it', async (winner, nap, output, others) => {
    const id = await race(nap);
    if (winner === 'signal') await drive.signal(id, 'called');
    expect(await drive.ended(id)).toMatchObject({ status: 'completed', output });
    expect(statusesOf(await drive.read(id))).toMatchObject({ person: 'cancelled', ...others });
    expect(await drive.checkpoints(id)).toMatchObject([{ status: 'withdrawn' }]);
    const [times] = await test.database.query<{ together: boolean }>(
      `select count(distinct xmin::text) = 1 as together from steps
       where execution_id = $1 and node_id in ('person', 'call', 'nap')`,
      [id],
    );
    expect(times).toEqual({ together: true });
  });

  it('WCP-17 interleaved routing: of the nodes with one concurrency key one is active at a time, in any order', async () => {
    const turn = (id: string) => node(id, 'delay', { for_seconds: 0.1, concurrency_key: 'desk' });
    const id = await drive.start(
      [node('begin', 'transform', { output: 1 }), turn('a'), turn('b'), turn('c'), said('done', 'done')],
      ['a', 'b', 'c'].flatMap((name) => [edge('begin', name), edge(name, 'done')]),
    );
    const { steps } = await drive.ended(id);
    const turns = steps.filter(({ node_id }) => /^[abc]$/.test(node_id));
    const order = turns.toSorted((one, other) => (one.started_at < other.started_at ? -1 : 1));
    expect(order).toHaveLength(3);
    for (const [i, next] of order.slice(1).entries()) {
      expect(Date.parse(next.started_at)).toBeGreaterThanOrEqual(Date.parse(order[i]?.ended_at ?? ''));
    }
  });

  it('WCP-18 milestone: a node starts only while another is as it requires', async () => {
    const id = await drive.start(
      [
        node('begin', 'transform', { output: 1 }),
        node('open', 'wait', { signal: 'opened' }),
        node('order', 'transform', { output: 2, requires: [{ node: 'open', is: 'completed' }] }),
        checkpoint('desk'),
      ],
      [edge('begin', 'open'), edge('begin', 'order'), edge('begin', 'desk')],
    );
    await drive.status(id, 'awaiting_checkpoint');
    expect(statusesOf(await drive.read(id))).not.toHaveProperty('order');
    await drive.signal(id, 'opened');
    await drive.step(id, 'order', 'completed');
    await drive.decide(id, { action: 'approve' });
    expect((await drive.ended(id)).status).toBe('completed');
  });

  it('WCP-19 cancel task: a person takes one step out, and the others go on', async () => {
    const id = await drive.start(
      [node('begin', 'transform', { output: 1 }), checkpoint('a'), checkpoint('b'), said('done', 'done')],
      [edge('begin', 'a'), edge('begin', 'b'), edge('a', 'done', 'approved'), edge('b', 'done', 'approved')],
    );
    await drive.status(id, 'awaiting_checkpoint');
    await drive.post(`/api/executions/${id}/steps/a/1/cancel`).expect(200);
    const checkpoints = (await drive.checkpoints(id)).map(({ node_id, status }) => `${node_id} ${status}`);
    expect(checkpoints.toSorted()).toEqual(['a withdrawn', 'b open']);
    await drive.post(`/api/executions/${id}/steps/a/1/cancel`).expect(409);
    await drive.decide(id, { action: 'approve' });
    expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: 'done' });
    const cancelled = (await drive.events(id)).filter(({ type }) => type === 'step.cancelled');
    expect(cancelled).toMatchObject([{ node_id: 'a', data: { cancelled_by: expect.any(String) } }]);
  });

  it('WCP-19 cancel task: a node that starts ends the work of those that it cancels', async () => {
    const id = await drive.start(
      [
        node('begin', 'transform', { output: 1 }),
        checkpoint('a'),
        node('call', 'wait', { signal: 'enough' }),
        said('stop', 'stopped'),
      ].map((one) => (one.id === 'stop' ? { ...one, data: { ...one.data, cancels: ['a'] } } : one)),
      [edge('begin', 'a'), edge('begin', 'call'), edge('call', 'stop')],
    );
    await drive.status(id, 'awaiting_checkpoint');
    await drive.signal(id, 'enough');
    expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: 'stopped' });
    expect(statusesOf(await drive.read(id))).toMatchObject({ a: 'cancelled' });
    expect(await drive.checkpoints(id)).toMatchObject([{ status: 'withdrawn' }]);
  });

  it('WCP-20 cancel case: the execution ends with all that is open in it', async () => {
    const id = await race(300);
    await drive.status(id, 'awaiting_checkpoint');
    const { body } = await drive.post(`/api/executions/${id}/cancel`).expect(200);
    expect(body.status).toBe('cancelled');
    expect(statusesOf(body)).toEqual({
      begin: 'completed',
      person: 'cancelled',
      call: 'cancelled',
      nap: 'cancelled',
    });
    expect(await drive.checkpoints(id)).toMatchObject([{ status: 'withdrawn' }]);
  });

  it('WCP-24 persistent trigger: a signal that comes before the step that waits for it is kept', async () => {
    const id = await drive.start(
      [checkpoint('gate'), node('call', 'wait', { signal: 'go' }), said('done', '{{ steps.call.output }}')],
      [edge('gate', 'call', 'approved'), edge('call', 'done')],
    );
    await drive.signal(id, 'go', { n: 1 });
    await drive.decide(id, { action: 'approve' });
    expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: { n: 1 } });
  });

  //              ┌─► slow (code) ─┐
  //   (start) ───┤                ├─► first: join any, cancel_rest
  //              └─► quick ───────┘
  it.each(['code', 'http'])(
    'WCP-29 cancelling discriminator: the first arrival stops %s that still runs',
    async (type) => {
      server.on('/slow', () => undefined);
      const slow = { code: { code: 'import time\ntime.sleep(60)' }, http: { url: `${server.url}/slow` } }[type];
      const first = { join: 'any', cancel_rest: true, output: '{{ steps.quick.output }}' };
      const id = await drive.start(
        [
          node('begin', 'transform', { output: 1 }),
          node('slow', type, slow),
          node('call', 'wait', { signal: 'go' }),
          node('quick', 'transform', { output: 'quick' }),
          node('first', 'end', first),
        ],
        [
          edge('begin', 'slow'),
          edge('begin', 'call'),
          edge('call', 'quick'),
          edge('slow', 'first'),
          edge('quick', 'first'),
        ],
      );
      await drive.step(id, 'slow', 'running');
      await drive.signal(id, 'go');
      expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: 'quick' });
      expect(statusesOf(await drive.read(id))).toMatchObject({ slow: 'cancelled' });
      // Both places of the sandbox are free again, and the other server has seen the connection end.
      if (type === 'http')
        await waitFor(
          'the end of the connection',
          () => Promise.resolve(server.hungUp),
          (paths) => paths.includes('/slow'),
        );
      const runs = [1, 2].map((n) => drive.post('/api/security/execute', { code: `print(${n})` }).expect(200));
      await Promise.all(runs);
    },
  );

  it('WCP-43 explicit termination: an end that terminates stops whatever else is going on', async () => {
    const id = await drive.start(
      [
        node('begin', 'transform', { output: 1 }),
        checkpoint('person'),
        node('long', 'code', { code: 'import time\ntime.sleep(60)' }),
        node('call', 'wait', { signal: 'enough' }),
        node('over', 'end', { output: 'over', terminate: true }),
      ],
      [edge('begin', 'person'), edge('begin', 'long'), edge('begin', 'call'), edge('call', 'over')],
    );
    await drive.step(id, 'long', 'running');
    await drive.signal(id, 'enough');
    expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: 'over' });
    const statuses = statusesOf(await drive.read(id));
    expect(statuses).toMatchObject({ person: 'cancelled', long: 'cancelled', over: 'completed' });
    expect(await drive.checkpoints(id)).toMatchObject([{ status: 'withdrawn' }]);
  });
});
