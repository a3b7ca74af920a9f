import { drawGraph, handlesToTry, PlayedExecution } from './drawn-graph.fixture.js';
import { stepsBefore } from './fork-steps.js';
import type { Graph } from './graph.js';
import type { StepSoFar } from './marking.js';

const endedWell = ({ status }: StepSoFar) => status === 'completed';

const before = (steps: readonly StepSoFar[], node_id: string, iteration = 1) =>
  stepsBefore(steps, { node_id, iteration }, endedWell);

const names = (steps: readonly StepSoFar[]) => steps.map(({ node_id, iteration }) => `${node_id}#${iteration}`);

/** Plays the graph on by these completions, `a` or `a:handle`. */
function play(graph: Graph, completions: string): StepSoFar[] {
  const execution = new PlayedExecution(graph);
  execution.go();
  for (const completion of completions.split(' ')) {
    const [node = '', handle = null] = completion.split(':');
    execution.complete(node, handle);
  }
  return execution.steps;
}

describe('the steps before a step', () => {
  //   write ─► review ─approved─► send
  //     ▲        │
  //     └rejected┘
  it('of a loop are the rounds before', () => {
    const graph = drawGraph('s>write write>review review:approved>send review:rejected>write');
    const steps = play(graph, 's write review:rejected write review:approved send');
    expect(names(before(steps, 'write', 2))).toEqual(['s#1', 'write#1', 'review#1']);
    expect(names(before(steps, 'review', 1))).toEqual(['s#1', 'write#1']);
    expect(names(before(steps, 's'))).toEqual([]);
  });

  //        ┌─► a ─┐
  //   s ───┤      ├─► j ─► e
  //        └─► b ─┘
  it('are also those beside it, but nothing that a join made of both', () => {
    const steps = play(drawGraph('s>a s>b a>j b>j j>e'), 's a b j e');
    expect(names(before(steps, 'a'))).toEqual(['s#1', 'b#1']);
    expect(names(before(steps, 'e'))).toEqual(['s#1', 'a#1', 'b#1', 'j#1']);
  });

  it('are none that are still open or did not end well, nor what comes from them', () => {
    const steps = play(drawGraph('s>a s>b a>j b>j j>e'), 's a');
    expect(names(before(steps, 'a'))).toEqual(['s#1']);
    const failed = steps.map((step) => (step.node_id === 's' ? { ...step, status: 'failed' as const } : step));
    expect(before(failed, 'b')).toEqual([]);
  });

  it.each([
    's>a s>b a>j b>j j>e',
    's>a a>b b:to_a>a b:to_c>c c>d',
    's>a s>b a:yes>c a:no>j b>j c>j j>k',
    's>a s>b a>b b:back>a b:on>c',
    's>a s>b s>c a>x b>x b>y c>y x>z y>z',
  ])('are a beginning of the same execution, from which the step is done again: %s', (drawing) => {
    const graph = drawGraph(drawing);
    let forks = 0;
    for (const steps of allPlays(graph, [], 5)) {
      for (const from of steps) {
        checkFork(graph, steps, from, `${names(steps).join(' ')} from ${names([from]).join()}`);
        forks += 1;
      }
    }
    expect(forks).toBeGreaterThan(20);
  });
});

/** Every way to play on by so many completions. */
function allPlays(graph: Graph, steps: readonly StepSoFar[], completions: number): StepSoFar[][] {
  const execution = new PlayedExecution(graph, steps);
  execution.go();
  if (completions === 0) return [execution.steps];
  const further = execution.running.flatMap((step) =>
    handlesToTry(graph, step.node_id).flatMap((handle) => {
      const after = new PlayedExecution(graph, execution.steps);
      after.finish(step, handle);
      return allPlays(graph, after.steps, completions - 1);
    }),
  );
  return [execution.steps, ...further];
}

function checkFork(graph: Graph, steps: readonly StepSoFar[], from: StepSoFar, story: string): void {
  const kept = stepsBefore(steps, from, endedWell);
  const keys = new Set(names(kept));
  const isKept = ({ source, source_iteration }: StepSoFar['consumed'][number]) =>
    source === null || keys.has(`${source}#${source_iteration}`);
  const fork = new PlayedExecution(graph, kept);
  const waiting = new Set(
    fork.marking.tokens.map(({ edge, node, source_iteration }) => `${edge} ${node} ${source_iteration}`),
  );
  const facts = {
    story,
    open: kept.filter((step) => !endedWell(step)),
    fromNowhere: kept.filter(({ consumed }) => !consumed.every(isKept)),
    lost: from.consumed
      .filter(isKept)
      .filter(({ edge, node, source_iteration }) => !waiting.has(`${edge} ${node} ${source_iteration}`)),
    again: playsOn(fork).includes(from.node_id),
  };
  expect(facts).toEqual({ story, open: [], fromNowhere: [], lost: [], again: true });
}

/** The nodes that start when every step leaves by its last handle, at most so many. */
function playsOn(execution: PlayedExecution): string[] {
  const kept = execution.steps.length;
  execution.go();
  for (let left = 20; left > 0; left -= 1) {
    const [step] = execution.running;
    if (!step) break;
    execution.finish(step, handlesToTry(execution.graph, step.node_id).at(-1) ?? null);
    execution.go();
  }
  return execution.steps.slice(kept).map(({ node_id }) => node_id);
}
