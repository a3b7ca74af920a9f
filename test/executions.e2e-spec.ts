import { edge, node, reviewDefinition } from './definitions.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

interface Step {
  node_id: string;
  node_type: string;
  iteration: number;
  attempt: number;
  status: string;
  input: unknown;
  output: unknown;
  error: { code: string; message: string } | null;
  logs: { stdout: string } | null;
}

interface Execution {
  id: string;
  status: string;
  input: unknown;
  output: unknown;
  error: { code: string; message: string; node_id?: string } | null;
  steps: Step[];
  ended_at: string | null;
}

const RETRY = { max_attempts: 3, backoff: 'fixed', initial_seconds: 0.05, jitter: false };

describe('executions', () => {
  let test: TestApp;
  let ann: TestPerson;

  beforeAll(async () => {
    test = await startTestApp();
    ann = await test.register();
  });
  afterAll(() => test.close());

  async function start(nodes: object[], edges: object[], input: unknown = null): Promise<string> {
    const definition = { nodes, edges };
    const workflow = await test
      .http()
      .post('/api/workflows')
      .set(ann.auth)
      .send({ name: 'Test', definition })
      .expect(201);
    const body = { workflow_id: workflow.body.id, input };
    return (await test.http().post('/api/executions').set(ann.auth).send(body).expect(202)).body.id;
  }

  const read = async (id: string): Promise<Execution> =>
    (await test.http().get(`/api/executions/${id}`).set(ann.auth).expect(200)).body;

  const ended = (id: string) =>
    waitFor(
      'the end',
      () => read(id),
      (execution) => execution.ended_at !== null,
    );

  const eventsOf = async (
    id: string,
  ): Promise<{ seq: number; type: string; node_id: string | null; data: unknown }[]> =>
    (await test.http().get(`/api/executions/${id}/events?limit=500`).set(ann.auth).expect(200)).body.data;

  const status = (id: string, wanted: string) =>
    waitFor(
      wanted,
      () => read(id),
      (execution) => execution.status === wanted,
    );

  //              ┌─ a ─┐
  //   (start) ───┤     ├─► both
  //              └─ b ─┘
  it('runs parallel branches and joins them once', async () => {
    const id = await start(
      [
        node('begin', 'transform', { output: '{{ input.n }}' }),
        node('a', 'transform', { output: '{{ steps.begin.output + 1 }}' }),
        node('b', 'transform', { output: '{{ steps.begin.output * 2 }}' }),
        node('both', 'end', { output: ['{{ steps.a.output }}', '{{ steps.b.output }}'] }),
      ],
      [edge('begin', 'a'), edge('begin', 'b'), edge('a', 'both'), edge('b', 'both')],
      { n: 20 },
    );
    const execution = await ended(id);
    expect(execution).toMatchObject({ status: 'completed', output: [21, 40] });
    expect(execution.steps.filter((step) => step.node_id === 'both')).toHaveLength(1);
  });

  it('takes the branch whose condition holds and does not wait for the other at the merge', async () => {
    const nodes = [
      node('size', 'branch', { cases: [{ handle: 'big', when: 'input.n > 10' }] }),
      node('big', 'transform', { output: 'big' }),
      node('small', 'transform', { output: 'small' }),
      node('done', 'end', { output: '{{ has(steps.big) ? "big" : "small" }}' }),
    ];
    const edges = [
      edge('size', 'big', 'big'),
      edge('size', 'small', 'else'),
      edge('big', 'done'),
      edge('small', 'done'),
    ];
    expect((await ended(await start(nodes, edges, { n: 11 }))).output).toBe('big');
    expect((await ended(await start(nodes, edges, { n: 3 }))).output).toBe('small');
  });

  //   write ─► review ─approved─► done
  //     ▲        │
  //     └rejected┘
  it('goes round a rework loop, each round an iteration of its own', async () => {
    const id = await start(
      [
        node('begin', 'transform', { output: null }),
        node('write', 'transform', {
          output: { draft: '{{ has(steps.review) ? steps.review.output.comment : "first" }}' },
        }),
        node('review', 'checkpoint', { title: 'Good?', content: '{{ steps.write.output }}' }),
        node('done', 'end', { output: '{{ steps.review.output.content }}' }),
      ],
      [
        edge('begin', 'write'),
        edge('write', 'review'),
        edge('review', 'write', 'rejected'),
        edge('review', 'done', 'approved'),
      ],
    );
    await decide(id, { action: 'reject', comment: 'shorter' });
    await decide(id, { action: 'approve' });
    const execution = await ended(id);
    expect(execution.output).toEqual({ draft: 'shorter' });
    expect(execution.steps.map((step) => `${step.node_id} ${step.iteration}`)).toEqual([
      'begin 1',
      'write 1',
      'review 1',
      'write 2',
      'review 2',
      'done 1',
    ]);
  });

  async function decide(executionId: string, decision: object): Promise<void> {
    const url = `/api/checkpoints?status=open&execution_id=${executionId}`;
    const open = await waitFor(
      'a checkpoint',
      async () => (await test.http().get(url).set(ann.auth)).body.data,
      (data) => data.length > 0,
    );
    await test
      .http()
      .post(`/api/checkpoints/${open[0].id}/decide`)
      .set(ann.auth)
      .set('If-Match', '"1"')
      .send(decision)
      .expect(200);
  }

  it('tries a failing step again as often as its retry says, and keeps the error that remained', async () => {
    const id = await start(
      [node('flaky', 'code', { code: 'print("try")\nraise ValueError("no luck")', retry: RETRY })],
      [],
    );
    const execution = await ended(id);
    expect(execution).toMatchObject({
      status: 'failed',
      error: {
        code: 'CODE_FAILED',
        message: 'ValueError: no luck (<node flaky>, line 2)',
        node_id: 'flaky',
        iteration: 1,
      },
      steps: [{ attempt: 3, status: 'failed', logs: { stdout: 'try\n' } }],
    });
    // Whether a first start is told depends on how long it took.
    expect((await eventsOf(id)).map(({ type }) => type).filter((type) => type !== 'step.started')).toEqual([
      'execution.started',
      'step.retry_scheduled',
      'step.retry_scheduled',
      'step.failed',
      'execution.failed',
    ]);
    const rows = await test.database.query('select error from executions where id = $1', [id]);
    expect(rows).toMatchObject([{ error: { code: 'CODE_FAILED', node_id: 'flaky' } }]);
  });

  it('says which expression failed and why', async () => {
    const id = await start([node('read', 'transform', { output: '{{ input.customer.name }}' })], [], {
      customer: { first: 'Bo' },
    });
    const { error } = await ended(id);
    expect(error).toMatchObject({
      node_id: 'read',
      details: { expression: expect.stringContaining('input.customer.name') },
    });
    expect(error?.message).toMatch(/name/);
  });

  it('fails with the message of a fail node', async () => {
    const id = await start([node('stop', 'fail', { message: 'No stock of {{ input.item }}', code: 'NO_STOCK' })], [], {
      item: 'tea',
    });
    expect((await ended(id)).error).toMatchObject({ code: 'NO_STOCK', message: 'No stock of tea' });
  });

  it('stops a loop that would run for ever at max_iterations', async () => {
    const id = await start(
      [
        node('begin', 'transform', { output: 0 }),
        node('again', 'transform', { output: 1, max_iterations: 5 }),
        node('choose', 'branch', { cases: [{ handle: 'out', when: 'false' }] }),
        node('out', 'end'),
      ],
      [edge('begin', 'again'), edge('again', 'choose'), edge('choose', 'again', 'else'), edge('choose', 'out', 'out')],
    );
    const execution = await ended(id);
    expect(execution.error).toMatchObject({ code: 'MAX_ITERATIONS_EXCEEDED', node_id: 'again' });
    expect(execution.steps.filter((step) => step.node_id === 'again')).toHaveLength(5);
  });

  it('waits for a delay without holding a worker, and goes on when it is over', async () => {
    const id = await start(
      [node('nap', 'delay', { for_seconds: 0.4 }), node('up', 'end', { output: 'awake' })],
      [edge('nap', 'up')],
    );
    await status(id, 'waiting');
    const [row] = await test.database.query<{ worker: number | null; wake_at: Date | null }>(
      'select worker, wake_at from executions where id = $1',
      [id],
    );
    expect(row).toMatchObject({ worker: null, wake_at: expect.any(Date) });
    expect((await ended(id)).output).toBe('awake');
  });

  it('ends a delay until a moment on time, also while another branch still computes', async () => {
    const until = new Date(Date.now() + 400).toISOString();
    const id = await start(
      [
        node('begin', 'transform', { output: null }),
        node('long', 'code', { code: 'import time\ntime.sleep(1.5)' }),
        node('nap', 'delay', { until: '{{ input }}' }),
        node('up', 'transform', { output: 'awake' }),
      ],
      [edge('begin', 'long'), edge('begin', 'nap'), edge('nap', 'up')],
      until,
    );
    const during = await waitFor(
      'the step after the delay',
      () => read(id),
      (execution) => execution.steps.some((step) => step.node_id === 'up'),
    );
    expect(during.steps.find((step) => step.node_id === 'long')?.status).toBe('running');
    await test.http().post(`/api/executions/${id}/cancel`).set(ann.auth).expect(200);
  });

  //            ┌─► legal ─┐
  //   (start) ─┤          ├─► pay
  //            └─► boss ──┘
  it('waits for every checkpoint: deciding one, or the end of a delay beside it, decides no other', async () => {
    const id = await start(
      [
        node('begin', 'transform', { output: 1 }),
        node('legal', 'checkpoint', { title: 'Legal?', content: 1 }),
        node('boss', 'checkpoint', { title: 'Boss?', content: 1 }),
        node('nap', 'delay', { for_seconds: 0.2 }),
        node('pay', 'end', { output: 'paid' }),
      ],
      [
        edge('begin', 'legal'),
        edge('begin', 'boss'),
        edge('begin', 'nap'),
        edge('legal', 'pay', 'approved'),
        edge('boss', 'pay', 'approved'),
        edge('nap', 'pay'),
      ],
    );
    await waitFor(
      'the end of the delay',
      () => eventsOf(id),
      (events) => events.some((event) => event.type === 'step.completed' && event.node_id === 'nap'),
    );
    await decide(id, { action: 'approve' });
    await status(id, 'awaiting_checkpoint');
    const { steps } = await read(id);
    const people = steps.filter((step) => step.node_type === 'checkpoint').map((step) => step.status);
    expect(people.toSorted()).toEqual(['completed', 'waiting']);
    await decide(id, { action: 'approve' });
    expect(await ended(id)).toMatchObject({ status: 'completed', output: 'paid' });
  });

  it('lets a person decide while another branch still computes, without repeating it', async () => {
    const id = await start(
      [
        node('begin', 'transform', { output: null }),
        node('compute', 'code', { code: 'import time\ntime.sleep(0.8)\noutput = 7' }),
        node('review', 'checkpoint', { title: 'Good?', content: 'x' }),
        node('after', 'transform', { output: 'seen' }),
        node('both', 'end', { output: '{{ steps.compute.output }}' }),
      ],
      [
        edge('begin', 'compute'),
        edge('begin', 'review'),
        edge('review', 'after'),
        edge('compute', 'both'),
        edge('after', 'both'),
      ],
    );
    await decide(id, { action: 'approve' });
    const during = await waitFor(
      'the step after',
      () => read(id),
      (execution) => ['after', 'compute'].every((name) => execution.steps.some((step) => step.node_id === name)),
    );
    expect(during.steps.find((step) => step.node_id === 'compute')?.status).toBe('running');
    expect(await ended(id)).toMatchObject({ status: 'completed', output: 7 });
    const starts = (await eventsOf(id)).filter((event) => event.type === 'step.started');
    expect(starts.map((event) => event.node_id)).toEqual(['compute']);
  });

  it('ends as failed when one branch fails, withdraws open checkpoints and stops what runs', async () => {
    const id = await start(
      [
        node('begin', 'transform', { output: null }),
        node('long', 'code', { code: 'import time\ntime.sleep(30)' }),
        node('review', 'checkpoint', { title: 'Good?', content: 'x' }),
        node('nap', 'delay', { for_seconds: 0.3 }),
        node('stop', 'fail', { message: 'enough' }),
      ],
      [edge('begin', 'long'), edge('begin', 'review'), edge('begin', 'nap'), edge('nap', 'stop')],
    );
    const execution = await ended(id);
    expect(execution.status).toBe('failed');
    expect(Object.fromEntries(execution.steps.map((step) => [step.node_id, step.status]))).toEqual({
      begin: 'completed',
      long: 'cancelled',
      review: 'cancelled',
      nap: 'completed',
      stop: 'failed',
    });
    const checkpoints = await test.http().get(`/api/checkpoints?execution_id=${id}`).set(ann.auth).expect(200);
    expect(checkpoints.body.data).toMatchObject([{ status: 'withdrawn' }]);
  });

  it('is cancelled by a person while its code runs; nothing is written after that', async () => {
    const id = await start([node('long', 'code', { code: 'import time\ntime.sleep(30)' })], []);
    await waitFor(
      'the step',
      () => read(id),
      (execution) => execution.steps[0]?.status === 'running',
    );
    const cancelled = await test.http().post(`/api/executions/${id}/cancel`).set(ann.auth).expect(200);
    expect(cancelled.body).toMatchObject({ status: 'cancelled', steps: [{ status: 'cancelled' }] });
    await test.http().post(`/api/executions/${id}/cancel`).set(ann.auth).expect(409);
    const events = await eventsOf(id);
    expect(events.at(-1)).toMatchObject({ type: 'execution.cancelled', data: { cancelled_by: ann.user.id } });
    const sandbox = await waitFor(
      'the sandbox to be free',
      async () => (await test.http().post('/api/security/execute').set(ann.auth).send({ code: 'print(1)' })).status,
      (answer) => answer === 200,
    );
    expect(sandbox).toBe(200);
    expect(await eventsOf(id)).toEqual(events);
  });

  it('gives code without input what the step before made, and replaces what PostgreSQL cannot store', async () => {
    const id = await start(
      [
        node('make', 'transform', { output: { n: 2 } }),
        node('odd', 'code', {
          code: 'print("a\\0b")\noutput = {"n": input["n"], "nul": "a\\0b", "half": chr(0xd800)}',
        }),
      ],
      [edge('make', 'odd')],
    );
    const execution = await ended(id);
    expect(execution).toMatchObject({ status: 'completed', output: { n: 2, nul: 'a\uFFFDb', half: '\uFFFD' } });
    expect(execution.steps[1]?.logs?.stdout).toBe('a\uFFFDb\n');
  });

  it.each([
    ['a transform', node('odd', 'transform', { output: '{{ "a\\u0000b" }}' }), 'completed', 'a\uFFFDb'],
    ['a failure', node('odd', 'fail', { message: '{{ "a\\u0000b" }}' }), 'failed', null],
  ] as const)('replaces what PostgreSQL cannot store in what %s says', async (_, only, wanted, output) => {
    expect(await ended(await start([only], []))).toMatchObject({ status: wanted, output });
  });

  it('replaces it in what is wrong with a condition, too', async () => {
    const asks = { ...edge('a', 'b'), data: { when: 'input["a\\u0000b"] == 1' } };
    const id = await start([node('a', 'transform', { output: 1 }), node('b', 'end')], [asks], {});
    const execution = await ended(id);
    expect(execution).toMatchObject({ status: 'failed', error: { node_id: 'a', details: { edge: asks.id } } });
    expect(execution.error?.message).toContain('a\uFFFDb');
  });

  it('replaces it in what a checkpoint shows, too', async () => {
    const id = await start([node('odd', 'checkpoint', { title: '{{ "a\\u0000b" }}', content: 1 })], []);
    await status(id, 'awaiting_checkpoint');
    const { body } = await test.http().get(`/api/checkpoints?execution_id=${id}`).set(ann.auth).expect(200);
    expect(body.data).toMatchObject([{ title: 'a\uFFFDb' }]);
  });

  it('stays with the version that it started with', async () => {
    const { body: workflow, headers } = await test
      .http()
      .post('/api/workflows')
      .set(ann.auth)
      .send({ name: 'Versions', definition: reviewDefinition() })
      .expect(201);
    const first = (
      await test
        .http()
        .post('/api/executions')
        .set(ann.auth)
        .send({ workflow_id: workflow.id, input: { name: 'Bo' } })
        .expect(202)
    ).body;
    await status(first.id, 'awaiting_checkpoint');
    const definition = { nodes: [node('only', 'end', { output: 'new' })], edges: [] };
    await test
      .http()
      .patch(`/api/workflows/${workflow.id}`)
      .set(ann.auth)
      .set('If-Match', headers['etag'] as string)
      .send({ definition })
      .expect(200);
    await decide(first.id, { action: 'approve' });
    expect(await ended(first.id)).toMatchObject({ output: 'Dear Bo', version: 1 });
    const second = (
      await test.http().post('/api/executions').set(ann.auth).send({ workflow_id: workflow.id }).expect(202)
    ).body;
    expect(await ended(second.id)).toMatchObject({ output: 'new', version: 2 });
    const old = (
      await test
        .http()
        .post('/api/executions')
        .set(ann.auth)
        .send({ workflow_id: workflow.id, version: 1, input: { name: 'Cy' } })
        .expect(202)
    ).body;
    expect(old.version).toBe(1);
  });

  it('has a timeline without gaps that can be read on from any event', async () => {
    const id = await start([node('a', 'transform', { output: 1 }), node('b', 'end')], [edge('a', 'b')]);
    await ended(id);
    const all = await eventsOf(id);
    expect(all.map((event) => event.seq)).toEqual([1, 2, 3, 4]);
    const page = await test.http().get(`/api/executions/${id}/events?after=1&limit=2`).set(ann.auth).expect(200);
    expect(page.body).toMatchObject({ data: [{ seq: 2 }, { seq: 3 }], next_after: 3 });
  });

  it('goes on from what it knew, not from all steps, when a long execution was parked', async () => {
    const id = await start(
      [
        node('begin', 'transform', { output: 'kept' }),
        node('count', 'transform', { output: '{{ has(steps.count) ? steps.count.output + 1 : 1 }}' }),
        node('nap', 'delay', { for_seconds: 0 }),
        node('call', 'wait', { signal: 'go' }),
        node('review', 'checkpoint', { title: 'Good?', content: '{{ steps.count.output }}' }),
        node('done', 'end', { output: '{{ [steps.begin.output, steps.count.output, steps.call.output] }}' }),
      ],
      [
        edge('begin', 'count'),
        { ...edge('count', 'nap'), data: { when: 'steps.count.output < 40' } },
        edge('nap', 'count'),
        { ...edge('count', 'call'), data: { when: 'steps.count.output >= 40' } },
        edge('call', 'review'),
        edge('review', 'done', 'approved'),
      ],
    );
    const known = async () =>
      (
        await test.database.query<{ known: boolean }>(
          `select snapshot is not null as known from executions where id = $1`,
          [id],
        )
      )[0]?.known;
    await waitFor(
      'the wait',
      () => read(id),
      (execution) => execution.status === 'waiting' && execution.steps.some(({ node_id }) => node_id === 'call'),
    );
    expect(await known()).toBe(true);
    await test
      .http()
      .post(`/api/executions/${id}/signals`)
      .set(ann.auth)
      .send({ name: 'go', payload: 'now' })
      .expect(202);
    await status(id, 'awaiting_checkpoint');
    expect(await known()).toBe(true);
    await decide(id, { action: 'approve' });
    expect(await ended(id)).toMatchObject({ status: 'completed', output: ['kept', 40, 'now'] });
    expect(await known()).toBe(false);
  });

  it('leaves out of one answer the values of earlier steps that it cannot hold, and says so', async () => {
    const id = await start(
      [
        node('begin', 'transform', { output: 0 }),
        node('grow', 'transform', {
          output: '{{ {"n": has(steps.grow) ? steps.grow.output.n + 1 : 1, "data": input} }}',
        }),
        node('more', 'branch', { cases: [{ handle: 'yes', when: 'steps.grow.output.n < 40' }] }),
        node('done', 'end', { output: 'done' }),
      ],
      [edge('begin', 'grow'), edge('grow', 'more'), edge('more', 'grow', 'yes'), edge('more', 'done', 'else')],
      'x'.repeat(900_000),
    );
    const { steps } = await ended(id);
    const grown = steps.filter(({ node_id }) => node_id === 'grow') as unknown as {
      values_left_out: boolean;
      output: unknown;
    }[];
    expect(grown).toHaveLength(40);
    expect(grown.at(-1)).toMatchObject({ values_left_out: false, output: { n: 40 } });
    expect(grown[0]).toMatchObject({ values_left_out: true, output: null });
  });
});
