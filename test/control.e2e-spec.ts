import { addMember } from './add-member.js';
import { edge, node } from './definitions.js';
import { type Driver, driveExecutions, statusesOf } from './drive-executions.js';
import { answerJson, CALL_LOOPBACK, type LoopbackServer, startLoopbackServer } from './loopback-server.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

const review = node('review', 'checkpoint', { title: 'Good?', content: 1 });

describe('control of executions', () => {
  let test: TestApp;
  let server: LoopbackServer;
  let ann: TestPerson;
  let drive: Driver;

  beforeAll(async () => {
    server = await startLoopbackServer();
    test = await startTestApp(CALL_LOOPBACK);
    ann = await test.register();
    drive = driveExecutions(test, ann);
  });
  afterAll(async () => {
    await test.close();
    await server.close();
  });

  const act = async (id: string, name: string, status = 200, body: object = {}) =>
    (await drive.post(`/api/executions/${id}/${name}`, body).expect(status)).body;

  const call = (path: string) => node('call', 'http', { url: `${server.url}${path}` });

  const actionsOn = async (id: string): Promise<string[]> =>
    (await drive.get(`/api/audit?subject_id=${id}`)).data.map(({ action }: { action: string }) => action).toReversed();

  describe('pausing', () => {
    it('lets the step that runs finish and starts nothing more until it is resumed', async () => {
      let answer: () => void = () => undefined;
      server.on('/long', (_, response) => (answer = () => answerJson(response, 200, 'finished')));
      const id = await drive.start(
        [call('/long'), node('done', 'end', { output: '{{ steps.call.output.body }}' })],
        [edge('call', 'done')],
      );
      await waitFor(
        'the call',
        () => Promise.resolve(server.received),
        (all) => all.some(({ path }) => path === '/long'),
      );
      expect((await act(id, 'pause')).paused_at).not.toBeNull();
      answer();
      const paused = await drive.status(id, 'paused');
      expect(statusesOf(paused)).toEqual({ call: 'completed' });
      expect((await act(id, 'resume')).paused_at).toBeNull();
      expect(await drive.ended(id)).toMatchObject({ status: 'completed', output: 'finished' });
      expect(await actionsOn(id)).toEqual(['execution.started', 'execution.paused', 'execution.resumed']);
    });

    it('keeps a decision that is made meanwhile', async () => {
      const id = await drive.start(
        [review, node('done', 'end', { output: 'done' })],
        [edge('review', 'done', 'approved')],
      );
      await drive.status(id, 'awaiting_checkpoint');
      expect((await act(id, 'pause')).status).toBe('paused');
      await drive.decide(id, { action: 'approve' });
      const { status, steps } = await drive.read(id);
      expect([status, statusesOf({ steps })]).toEqual(['paused', { review: 'completed' }]);
      await act(id, 'resume');
      expect((await drive.ended(id)).output).toBe('done');
    });

    it('has delays that are over meanwhile end when it is resumed', async () => {
      const id = await drive.start(
        [node('nap', 'delay', { for_seconds: 0.2 }), node('up', 'end')],
        [edge('nap', 'up')],
      );
      await drive.status(id, 'waiting');
      await act(id, 'pause');
      const isOver = () => test.database.query('select 1 from steps where execution_id = $1 and due_at < now()', [id]);
      await waitFor('the moment', isOver, (rows) => rows.length > 0);
      expect(statusesOf(await drive.read(id))).toEqual({ nap: 'waiting' });
      await act(id, 'resume');
      expect((await drive.ended(id)).status).toBe('completed');
    });

    it('twice is as good as once, going on without a pause is refused, and so is what has ended', async () => {
      const id = await drive.start([review]);
      await drive.status(id, 'awaiting_checkpoint');
      expect((await act(id, 'resume', 409)).code).toBe('EXECUTION_NOT_PAUSED');
      await act(id, 'pause');
      await act(id, 'pause');
      expect((await drive.events(id)).filter(({ type }) => type === 'execution.paused')).toHaveLength(1);
      expect((await act(id, 'cancel')).status).toBe('cancelled');
      for (const name of ['pause', 'resume', 'cancel']) expect((await act(id, name, 409)).code).toBe('EXECUTION_ENDED');
    });
  });

  describe('trying again', () => {
    it('repeats the failed step in place, with its Idempotency-Key, and has what waited begin anew', async () => {
      const answers = [400, 200];
      server.on('/flaky', (_, response) => answerJson(response, answers.shift() ?? 500, null));
      const id = await drive.start(
        [
          node('begin', 'transform', { output: 1 }),
          review,
          node('nap', 'delay', { for_seconds: 0.3 }),
          call('/flaky'),
          node('done', 'end', { output: '{{ steps.call.output.status }}' }),
        ],
        [
          edge('begin', 'review'),
          edge('begin', 'nap'),
          edge('nap', 'call'),
          edge('review', 'done', 'approved'),
          edge('call', 'done'),
        ],
      );
      expect(await drive.ended(id)).toMatchObject({ status: 'failed', error: { code: 'HTTP_STATUS' } });
      expect(await drive.checkpoints(id)).toMatchObject([{ status: 'withdrawn' }]);
      await act(id, 'retry');
      await drive.step(id, 'review', 'waiting', 2);
      await drive.decide(id, { action: 'approve' });
      const again = await drive.ended(id);
      expect(again).toMatchObject({ status: 'completed', output: 200, error: null });
      expect(again.steps.find(({ node_id }) => node_id === 'call')).toMatchObject({ iteration: 1, attempt: 2 });
      expect(again.steps.filter(({ node_id }) => node_id === 'nap')).toHaveLength(1);
      const keys = server.received
        .filter(({ path }) => path === '/flaky')
        .map(({ headers }) => headers['idempotency-key']);
      expect(keys).toEqual([`${id}:call:1`, `${id}:call:1`]);
      const { data } = await drive.get(`/api/executions/${id}/steps/call/1/attempts`);
      expect(data).toMatchObject([
        { attempt: 1, status: 'failed' },
        { attempt: 2, status: 'completed' },
      ]);
      expect(await actionsOn(id)).toEqual(['execution.started', 'execution.retried']);
    });

    it('adds to the tries that can be read, each with its own beginning', async () => {
      const answers = [503, 503];
      server.on('/thrice', (_, response) => answerJson(response, answers.shift() ?? 200, null));
      const retry = { max_attempts: 2, backoff: 'fixed', initial_seconds: 0.2, jitter: false };
      const id = await drive.start([node('call', 'http', { url: `${server.url}/thrice`, retry })]);
      await drive.ended(id);
      await act(id, 'retry');
      expect((await drive.ended(id)).status).toBe('completed');
      const { data } = await drive.get(`/api/executions/${id}/steps/call/1/attempts`);
      expect(data).toMatchObject([{ status: 'failed' }, { status: 'failed' }, { attempt: 3, status: 'completed' }]);
      expect(Date.parse(data[1].started_at) - Date.parse(data[0].ended_at)).toBeGreaterThanOrEqual(190);
    });

    it('is for what has failed, and for failures of steps', async () => {
      const completed = await drive.start([node('only', 'end')]);
      await drive.ended(completed);
      expect((await act(completed, 'retry', 409)).code).toBe('EXECUTION_NOT_FAILED');
      const endless = await drive.start(
        [
          node('begin', 'transform', { output: 1 }),
          node('again', 'branch', { cases: [{ handle: 'on', when: 'true' }] }),
        ],
        [edge('begin', 'again'), edge('again', 'again', 'on')],
      );
      expect((await drive.ended(endless)).error?.code).toBe('MAX_ITERATIONS_EXCEEDED');
      expect((await act(endless, 'retry', 409)).code).toBe('NOTHING_TO_RETRY');
    });
  });

  describe('repeating from a step', () => {
    //   draft ─► review ─► send ─► done
    const steps = [
      node('draft', 'transform', { output: '{{ input }}' }),
      review,
      node('send', 'transform', { output: 'sent {{ steps.draft.output }}' }),
      node('done', 'end', { output: '{{ steps.send.output }}' }),
    ];
    const edges = [edge('draft', 'review'), edge('review', 'send', 'approved'), edge('send', 'done')];
    const rerun = async (id: string, node_id: string): Promise<string> =>
      (await act(id, 'rerun', 202, { from: { node_id } })).id;

    it('keeps what came before, also decisions, and says what it repeats', async () => {
      const id = await drive.start(steps, edges, 'a');
      await drive.decide(id, { action: 'approve' });
      const origin = await drive.ended(id);
      const fork = await drive.ended(await rerun(id, 'send'));
      expect(fork).toMatchObject({ status: 'completed', output: 'sent a', forked_from: id });
      expect(fork.steps.slice(0, 2)).toEqual(origin.steps.slice(0, 2));
      expect(await drive.checkpoints(fork.id)).toEqual([]);
      expect(await drive.list(`forked_from=${id}`)).toMatchObject([{ id: fork.id, forked_node: 'send' }]);
      expect(await drive.read(id)).toEqual(origin);
      const { data } = await drive.get(`/api/audit?subject_id=${fork.id}`);
      expect(data).toMatchObject([{ action: 'execution.started', details: { forked_from: id, forked_node: 'send' } }]);
    });

    it('asks again for decisions after it', async () => {
      const id = await drive.start(steps, edges, 'b');
      await drive.decide(id, { action: 'approve' });
      await drive.ended(id);
      const fork = await rerun(id, 'review');
      await drive.status(fork, 'awaiting_checkpoint');
      expect(statusesOf(await drive.read(fork))).toEqual({ draft: 'completed', review: 'waiting' });
      await drive.decide(fork, { action: 'approve' });
      expect((await drive.ended(fork)).output).toBe('sent b');
      await drive.post(`/api/executions/${id}/rerun`, { from: { node_id: 'nowhere' } }).expect(404);
    });

    it('is no way around a workflow that is inactive', async () => {
      const workflow = await drive.createWorkflow([node('only', 'transform', { output: 1 })]);
      const { id } = await drive.ended(await drive.startWorkflow(workflow));
      await drive.changeFields(workflow, { active: false });
      const refusal = await drive.post(`/api/executions/${id}/rerun`, { from: { node_id: 'only' } }).expect(409);
      expect(refusal.body.code).toBe('WORKFLOW_INACTIVE');
    });

    it('does again what was undone, and what came of it', async () => {
      const id = await drive.start(
        [
          node('look', 'transform', { output: 1 }),
          node('book', 'transform', { output: 2, compensate: 'undo' }),
          node('undo', 'transform', { output: 3 }),
          call('/refuses'),
        ],
        [edge('look', 'book'), edge('book', 'call')],
      );
      server.on('/refuses', (_, response) => answerJson(response, 400, null));
      expect((await drive.ended(id)).status).toBe('failed');
      server.on('/refuses', (_, response) => answerJson(response, 200, null));
      const fork = await drive.ended(await rerun(id, 'call'));
      expect(fork.status).toBe('completed');
      const booked = (await drive.events(fork.id)).filter(({ type }) => type === 'step.completed');
      expect(booked.map(({ node_id }) => node_id)).toEqual(['book', 'call']);
    });
  });

  describe('is allowed', () => {
    let id: string;
    const acts = (of: string): [path: string, body: object][] => [
      ...['cancel', 'pause', 'resume', 'retry'].map((name): [string, object] => [`/api/executions/${of}/${name}`, {}]),
      [`/api/executions/${of}/rerun`, { from: { node_id: 'review' } }],
      [`/api/executions/${of}/steps/review/1/cancel`, {}],
      [`/api/executions/${of}/signals`, { name: 'go' }],
    ];

    beforeAll(async () => {
      id = await drive.start([review]);
      await drive.status(id, 'awaiting_checkpoint');
    });

    it('to those who may control or start executions', async () => {
      const editor = driveExecutions(test, await addMember(test, ann.organization.id, 'editor'));
      await editor.post(`/api/executions/${id}/pause`).expect(200);
      await editor.post(`/api/executions/${id}/resume`).expect(200);
      for (const role of ['viewer', 'approver'] as const) {
        const member = driveExecutions(test, await addMember(test, ann.organization.id, role));
        for (const [path, body] of [...acts(id), ['/api/signals', { name: 'go', correlation_key: 'k' }] as const]) {
          expect((await member.post(path, body)).body).toMatchObject({ status: 403, code: 'PERMISSION_MISSING' });
        }
      }
    });

    it('within the organization: to others the execution is as good as not there', async () => {
      const eve = driveExecutions(test, await test.register('Eve'));
      for (const [path, body] of acts(id)) expect((await eve.post(path, body)).status).toBe(404);
      const { auth } = await test.register('Eve');
      await test.http().get(`/api/executions/${id}/steps/review/1/attempts`).set(auth).expect(404);
      expect(await eve.list(`forked_from=${id}`)).toEqual([]);
      expect((await drive.read(id)).status).toBe('awaiting_checkpoint');
    });
  });
});
