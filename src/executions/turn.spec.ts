import { edge, node } from '../../test/definitions.js';
import type { WorkflowDefinition } from '../workflows/engine/definition.js';
import { compileGraph, type Graph } from '../workflows/engine/graph.js';
import type { NodeOutcome } from './node-outcome.js';
import type { ParkedStep } from './parked-steps.js';
import { Turn, type TurnWorld } from './turn.js';
import { TurnState } from './turn-state.js';
import type { Claim, StepRow, TurnCommit } from './turn.repository.js';

const claim = (): Claim => ({
  id: 'execution',
  organization_id: 'organization',
  workflow_id: 'workflow',
  version: 1,
  input: 1,
  error: null,
  epoch: 1,
  nudges: 0,
  changes: 0,
  ending: null,
  compensable: false,
  snapshot: null,
  paused_at: null,
  priority: 0,
  concurrency_key: null,
  parent_id: null,
  parent_node: null,
  parent_iteration: null,
  item_index: null,
  scope: '',
  depth: 0,
  started_by: 'ann',
  started_at: new Date(0),
});

const row = (fields: Partial<StepRow> & Pick<StepRow, 'node_id' | 'status'>): StepRow => ({
  iteration: 1,
  attempt: 1,
  consumed: [{ edge: null, node: fields.node_id, source: null, source_iteration: 0 }],
  fired: [],
  input: null,
  output: null,
  error: null,
  signal: null,
  correlation_key: null,
  due_in: null,
  kept: false,
  ...fields,
});

/** The outside world, settled by hand: code ends when the test says so, and commits are answered as it says. */
class HandSettled implements TurnWorld {
  readonly commits: TurnCommit[] = [];
  readonly parked: ParkedStep[] = [];
  readonly running: { node: string; settle: (outcome: NodeOutcome) => void; signal: AbortSignal }[] = [];
  looks = 0;
  held = true;
  nudges = 0;
  /** What others did to the steps; a commit that does not know of it is refused. */
  changes = 0;
  stored: StepRow[] = [];
  graph: Graph | undefined;

  run: TurnWorld['run'] = (begun, _step, signal) =>
    new Promise((settle) => this.running.push({ node: begun.node.id, settle, signal }));

  commit: TurnWorld['commit'] = (commit, { parked }) => {
    if (!this.held || commit.changes !== this.changes) return Promise.resolve(null);
    this.commits.push(commit);
    this.parked.push(...parked);
    return this.heldBack.then(() => ({ nudges: this.nudges }));
  };

  goOn: () => void = () => undefined;
  private heldBack = Promise.resolve();

  /** Commits are answered only after `goOn`. */
  hold(): void {
    this.heldBack = new Promise((resolve) => (this.goOn = resolve));
  }

  look: TurnWorld['look'] = () => {
    this.looks += 1;
    const { nudges, changes } = this;
    return Promise.resolve(this.held ? { nudges, changes, compensable: false, paused: false, database_now: 0 } : null);
  };

  lookOutside: TurnWorld['lookOutside'] = () => Promise.resolve([]);

  reload: TurnWorld['reload'] = ({ nudges, changes }) =>
    Promise.resolve(
      new TurnState(
        { ...claim(), nudges, changes },
        this.graph!,
        this.stored,
        chanceAt(() => 0),
      ),
    );
}

function takeTurn(world: HandSettled, nodes: object[], edges: object[], rows: StepRow[] = [], now = () => 0) {
  const graph = graphOf(nodes, edges);
  world.graph = graph;
  const turn = new Turn(new TurnState(claim(), graph, rows, chanceAt(now)), world, now);
  return { turn, over: turn.take() };
}

const graphOf = (nodes: object[], edges: object[] = []) =>
  compileGraph({ nodes, edges } as unknown as WorkflowDefinition);

const at0 = () => 0;

const chanceAt = (now: () => number) => ({ now, random: () => 0, newId: () => 'new' });

/** Lets everything that is ready happen. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

const code = (id: string, data: object = {}) => node(id, 'code', { code: 'pass', ...data });
const completed = (output: number): NodeOutcome => ({ kind: 'completed', output, handle: null });

describe('a turn', () => {
  it('commits each result as it comes, and lets go with the last', async () => {
    const world = new HandSettled();
    const { over } = takeTurn(world, [code('a'), code('b')], [edge('a', 'b')]);
    await settled();
    world.running[0]?.settle(completed(1));
    await settled();
    world.running[1]?.settle(completed(2));
    await over;
    expect(world.commits.map((commit) => commit.steps.map((step) => `${step.node_id} ${step.status}`))).toEqual([
      ['a completed'],
      ['b completed'],
    ]);
    expect(world.commits.map((commit) => [commit.released, commit.ended])).toEqual([
      [false, false],
      [true, true],
    ]);
    expect(world.commits[1]).toMatchObject({ status: 'completed', output: 2 });
  });

  it('begins code while the result before it is being written, and a request only when it is', async () => {
    for (const [next, running] of [
      [code('b'), 2],
      [node('b', 'http', { url: 'http://127.0.0.1/' }), 1],
    ] as const) {
      const world = new HandSettled();
      const { turn, over } = takeTurn(world, [code('a'), next], [edge('a', 'b')]);
      world.hold();
      await settled();
      world.running[0]?.settle(completed(1));
      await settled();
      expect(world.running).toHaveLength(running);
      world.goOn();
      await settled();
      expect(world.running).toHaveLength(2);
      turn.abandon();
      await over;
    }
  });

  it('sends no request whose race was lost, or whose execution failed, while it waited for the commit before', async () => {
    const lost = [code('quick', { race: 'first' }), node('ask', 'http', { url: 'http://127.0.0.1/', race: 'first' })];
    const failing = [code('quick'), node('ask', 'http', { url: 'http://127.0.0.1/' })];
    const failed: NodeOutcome = { kind: 'failed', failure: { code: 'NO', message: 'no' }, retryable: false };
    for (const [nodes, outcome] of [
      [lost, completed(1)],
      [failing, failed],
    ] as const) {
      const world = new HandSettled();
      const start = node('start', 'transform', { output: 1 });
      world.hold();
      const { over } = takeTurn(world, [start, ...nodes], [edge('start', 'quick'), edge('start', 'ask')]);
      await settled();
      world.running[0]?.settle(outcome);
      await settled();
      world.goOn();
      await over;
      expect(world.running.map((one) => one.node)).toEqual(['quick']);
    }
  });

  it('writes as running what takes long', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] });
    const world = new HandSettled();
    const { over } = takeTurn(world, [code('a')], []);
    await settled();
    expect(world.commits).toEqual([]);
    jest.advanceTimersByTime(50);
    await settled();
    expect(world.commits).toMatchObject([
      { steps: [{ node_id: 'a', status: 'running' }], events: [{ type: 'step.started' }] },
    ]);
    jest.useRealTimers();
    world.running[0]?.settle(completed(1));
    await over;
    expect(world.commits).toHaveLength(2);
  });

  it('writes nothing when a short step starts, and short steps that follow each other together', async () => {
    const world = new HandSettled();
    await takeTurn(world, [node('a', 'transform', { output: 1 }), node('b', 'end')], [edge('a', 'b')]).over;
    expect(world.commits.map((commit) => commit.steps.map((step) => step.status))).toEqual([
      ['completed', 'completed'],
    ]);
  });

  it('writes nothing more and stops what runs once its claim is lost', async () => {
    const world = new HandSettled();
    const { over } = takeTurn(
      world,
      [node('begin', 'transform', { output: 1 }), code('a'), code('b')],
      [edge('begin', 'a'), edge('begin', 'b')],
    );
    await settled();
    const before = world.commits.length;
    world.held = false;
    world.running[0]?.settle(completed(1));
    await over;
    expect(world.commits).toHaveLength(before);
    expect(world.running[1]?.signal.aborted).toBe(true);
  });

  it('runs again, as the same attempt, a step that the holder before it left running', async () => {
    const world = new HandSettled();
    const { over } = takeTurn(world, [code('a')], [], [row({ node_id: 'a', status: 'running', attempt: 2, input: 5 })]);
    await settled();
    world.running[0]?.settle(completed(1));
    await over;
    expect(world.commits[0]?.steps).toMatchObject([{ node_id: 'a', iteration: 1, attempt: 2, status: 'completed' }]);
  });

  it('takes the rows as they are when others have changed them, and puts the results it has to them once more', async () => {
    const world = new HandSettled();
    const nodes = [
      code('quick'),
      code('slow'),
      node('review', 'checkpoint', { title: 'x', content: 'y' }),
      node('after', 'end'),
    ];
    const { over } = takeTurn(world, nodes, [edge('review', 'after', 'approved')]);
    await settled();
    expect(world.parked).toMatchObject([{ node_id: 'review', requested_by: 'ann' }]);
    world.nudges = world.changes = 1;
    world.stored = [
      row({ node_id: 'review', status: 'completed', fired: ['review-approved-after'] }),
      row({ node_id: 'quick', status: 'running' }),
      row({ node_id: 'slow', status: 'running' }),
    ];
    world.running[0]?.settle(completed(1));
    await settled();
    expect(world.looks).toBe(1);
    expect(world.running).toHaveLength(2); // nothing ran twice
    expect(world.commits.at(-1)).toMatchObject({
      changes: 1,
      released: false,
      steps: [{ node_id: 'quick' }, { node_id: 'after' }],
    });
    world.running[1]?.settle(completed(1));
    await over;
    expect(world.commits.at(-1)).toMatchObject({ ended: true, status: 'completed' });
  });

  it('fails the execution when somebody else failed its step', async () => {
    const world = new HandSettled();
    const error = { code: 'CHECKPOINT_REJECTED', message: 'no' };
    const nodes = [node('review', 'checkpoint', { title: 'x', content: 'y' })];
    await takeTurn(world, nodes, [], [row({ node_id: 'review', status: 'failed', error })]).over;
    expect(world.commits).toMatchObject([{ ended: true, status: 'failed', error }]);
  });

  it('finishes a delay once, however often it is asked to look', async () => {
    const world = new HandSettled();
    world.stored = [row({ node_id: 'nap', status: 'waiting', due_in: 0 })];
    const { turn, over } = takeTurn(
      world,
      [node('nap', 'delay', { for_seconds: 0 }), code('long')],
      [],
      [...world.stored, row({ node_id: 'long', status: 'running' })],
    );
    turn.nudge();
    await settled();
    turn.nudge();
    await settled();
    world.running[0]?.settle(completed(1));
    await over;
    const ends = world.commits.flatMap((commit) => commit.events.filter((event) => event.node_id === 'nap'));
    expect(ends).toEqual([expect.objectContaining({ type: 'step.completed' })]);
  });

  it('sleeps through a delay of a year beside running code', async () => {
    const world = new HandSettled();
    const { over } = takeTurn(world, [node('nap', 'delay', { for_seconds: 31_536_000 }), code('long')], []);
    for (let i = 0; i < 20; i++) await settled();
    expect(world.commits).toHaveLength(1); // long runs, nap waits
    world.running[0]?.settle(completed(1));
    await over;
    expect(world.commits.at(-1)).toMatchObject({
      released: true,
      ended: false,
      status: 'waiting',
      wake_in: 31_536_000,
    });
  });

  it('starts nothing more when asked to drain, and leaves the execution due', async () => {
    const world = new HandSettled();
    const { turn, over } = takeTurn(world, [code('a'), code('b')], [edge('a', 'b')]);
    await settled();
    turn.drain();
    world.running[0]?.settle(completed(1));
    await over;
    expect(world.running.map(({ node: id }) => id)).toEqual(['a']);
    expect(world.commits.at(-1)).toMatchObject({ released: true, ended: false, status: 'queued', wake_in: 0 });
  });

  it('hands back code that was stopped with the process, without counting the attempt', async () => {
    const world = new HandSettled();
    const { over } = takeTurn(world, [code('a')], []);
    await settled();
    world.running[0]?.settle({ kind: 'postponed', seconds: 0 });
    await over;
    expect(world.commits.at(-1)).toMatchObject({
      released: true,
      ended: false,
      wake_in: 0,
      steps: [{ status: 'backing_off', attempt: 0 }],
    });
  });

  it('says once that a step started that had to wait for a place', async () => {
    const world = new HandSettled();
    const stored = row({ node_id: 'a', status: 'backing_off', attempt: 0, due_in: 0 });
    const { over } = takeTurn(world, [code('a')], [], [stored]);
    await settled();
    world.running[0]?.settle(completed(1));
    await over;
    expect(world.commits.flatMap((commit) => commit.events.map((event) => event.type))).toEqual([
      'step.completed',
      'execution.completed',
    ]);
    expect(world.commits.at(-1)?.steps).toMatchObject([{ attempt: 1, status: 'completed' }]);
  });

  it('tries a step again with the input that it had, whatever its expressions would read now', async () => {
    const world = new HandSettled();
    const failure = { code: 'CODE_FAILED', message: 'no luck' };
    const stored = row({ node_id: 'a', status: 'backing_off', input: 'then', error: failure, due_in: 0 });
    const { over } = takeTurn(world, [code('a', { input: '{{ input.nowhere }}' })], [], [stored]);
    await settled();
    expect(world.running).toHaveLength(1);
    world.running[0]?.settle(completed(1));
    await over;
    expect(world.commits.at(-1)?.steps).toMatchObject([{ attempt: 2, input: 'then', status: 'completed' }]);
  });

  it('writes a step once in a commit, as it stands at the end', async () => {
    const world = new HandSettled();
    const failure = { code: 'CODE_FAILED', message: 'no luck' };
    const stored = row({ node_id: 'a', status: 'backing_off', error: failure, due_in: 0 });
    const { over } = takeTurn(world, [code('a')], [], [stored]);
    world.running[0]?.settle({ kind: 'postponed', seconds: 1 }); // refused at once, before anything is committed
    await over;
    for (const commit of world.commits) {
      const keys = commit.steps.map((step) => `${step.node_id} ${step.iteration}`);
      expect(keys).toEqual([...new Set(keys)]);
    }
  });

  it('spreads large results over commits that a database can take, and loses none', async () => {
    const world = new HandSettled();
    const large = 'x'.repeat(1_000_000);
    const nodes = Array.from({ length: 20 }, (_, i) => node(`n${i}`, 'transform', { output: large }));
    await takeTurn(world, nodes, []).over;
    const lengths = world.commits.map((commit) => JSON.stringify(commit).length);
    expect(Math.max(...lengths)).toBeLessThan(6 * 1024 * 1024);
    const written = world.commits.flatMap((commit) => commit.steps.map((step) => step.node_id));
    expect(written.toSorted()).toEqual(nodes.map((each) => each.id).toSorted());
    expect(world.commits.at(-1)).toMatchObject({ ended: true, status: 'completed' });
  });

  it('fails an execution whose nodes hold more data together than a worker should', async () => {
    const world = new HandSettled();
    const large = 'x'.repeat(1_000_000);
    const nodes = Array.from({ length: 60 }, (_, i) => node(`n${i}`, 'transform', { output: large }));
    await takeTurn(world, nodes, []).over;
    expect(world.commits.at(-1)).toMatchObject({ ended: true, error: { code: 'EXECUTION_TOO_LARGE' } });
    expect(world.commits.flatMap((commit) => commit.steps).length).toBeLessThan(45);
  });

  it('counts only the last output of a node, however often it runs', async () => {
    const world = new HandSettled();
    const nodes = [
      node('again', 'transform', { output: 'x'.repeat(1_000_000), max_iterations: 50 }),
      node('begin', 'transform', { output: 1 }),
    ];
    await takeTurn(world, nodes, [edge('begin', 'again'), edge('again', 'again')]).over;
    expect(world.commits.at(-1)).toMatchObject({ ended: true, error: { code: 'MAX_ITERATIONS_EXCEEDED' } });
  });

  it('undoes what was done, also where the execution failed because its nodes hold too much', async () => {
    const world = new HandSettled();
    const large = 'x'.repeat(1_000_000);
    const nodes = Array.from({ length: 40 }, (_, i) => node(`n${i}`, 'transform', { output: 1, compensate: 'undo' }));
    const graph = graphOf([...nodes, node('undo', 'transform', { output: 'undone' })]);
    const rows = nodes.map(({ id }) => row({ node_id: id, status: 'completed', output: large }));
    const failed = { ...claim(), ending: 'failed' as const, compensable: true };
    const state = new TurnState(failed, graph, rows, chanceAt(at0));
    await new Turn(state, world, at0).take();
    expect(world.commits.at(-1)).toMatchObject({ ended: true, status: 'failed' });
    expect(world.commits.flatMap(({ steps }) => steps)).toHaveLength(40);
  });

  it('sets no alarm for what is due while people have the execution stand still', async () => {
    const world = new HandSettled();
    const graph = graphOf([code('long'), node('nap', 'delay', { for_seconds: 1 })]);
    const rows = [
      row({ node_id: 'long', status: 'running', input: 1 }),
      row({ node_id: 'nap', status: 'waiting', due_in: 0 }),
    ];
    const alarms = jest.spyOn(globalThis, 'setTimeout');
    const state = new TurnState({ ...claim(), paused_at: new Date(0) }, graph, rows, chanceAt(at0));
    const over = new Turn(state, world, at0).take();
    await settled();
    expect(alarms).not.toHaveBeenCalled();
    alarms.mockRestore();
    world.running[0]?.settle(completed(1));
    await over;
    expect(world.commits).toMatchObject([{ released: true, ended: false }]);
  });

  it('keeps the result of code that ends while it looks at what others have changed', async () => {
    const world = new HandSettled();
    let seen: () => void = () => undefined;
    const waits = row({ node_id: 'signal', status: 'waiting', signal: 's' });
    const nodes = [node('signal', 'wait', { signal: 's' }), code('a'), code('b')];
    const rows = [waits, row({ node_id: 'a', status: 'running', input: 1 })];
    const { over } = takeTurn(world, nodes, [edge('a', 'b')], rows);
    await settled();
    world.lookOutside = () => new Promise((resolve) => (seen = () => resolve([])));
    world.nudges = world.changes = 1;
    world.stored = rows;
    world.running[0]?.settle(completed(1)); // b begins, and the commit is refused
    await settled();
    expect(world.running.map(({ node: id }) => id)).toEqual(['a', 'b']);
    world.running[1]?.settle(completed(2));
    await settled();
    seen();
    await over;
    expect(world.running).toHaveLength(2);
    const written = world.commits.flatMap(({ steps }) => steps.map((step) => `${step.node_id} ${step.status}`));
    expect(written).toEqual(['a completed', 'b completed']);
  });

  it('runs again what it had stopped for a result that the execution no longer has', async () => {
    const world = new HandSettled();
    const nodes = [code('a'), code('b'), node('first', 'end', { join: 'any', cancel_rest: true })];
    const edges = [edge('a', 'first'), edge('b', 'first')];
    const b = row({ node_id: 'b', status: 'running', input: 1 });
    const { over } = takeTurn(world, nodes, edges, [row({ node_id: 'a', status: 'running', input: 1 }), b]);
    await settled();
    world.nudges = world.changes = 1;
    world.stored = [row({ node_id: 'a', status: 'cancelled' }), b]; // by a person
    world.running[0]?.settle(completed(1));
    await settled();
    expect(world.running.map(({ node: id }) => id)).toEqual(['a', 'b', 'b']);
    world.running[2]?.settle(completed(2));
    await over;
    expect(world.commits.at(-1)).toMatchObject({ ended: true, status: 'completed' });
  });

  it('sends a request again only when it is written that it failed', async () => {
    let now = 0;
    const world = new HandSettled();
    const request = node('a', 'http', { url: 'http://127.0.0.1/', retry: { max_attempts: 2 } });
    const { turn, over } = takeTurn(world, [request], [], [], () => now);
    await settled();
    world.hold();
    const failure = { code: 'HTTP_STATUS', message: 'no luck' };
    world.running[0]?.settle({ kind: 'failed', failure, retryable: true });
    await settled();
    expect(world.commits.at(-1)).toMatchObject({ released: true, steps: [{ status: 'backing_off' }] });
    now = 1_000_000;
    turn.nudge();
    await settled();
    expect(world.running).toHaveLength(1);
    world.goOn();
    await over;
  });
});
