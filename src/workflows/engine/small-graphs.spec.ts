import { drawDefinition, type DrawnNode, handlesToTry, PlayedExecution } from './drawn-graph.fixture.js';
import { checkFacts } from './engine-facts.fixture.js';
import { compileGraph } from './graph.js';

describe('every graph with three nodes behind its entry, played in every way', () => {
  it.each<[string, DrawnNode, number, number]>([
    ['all', {}, 6, 20_000],
    ['any', { join: 'any' }, 3, 10_000],
    ['any that cancels the rest', { join: 'any', cancel_rest: true }, 4, 10_000],
    ['two', { join: { count: 2 } }, 4, 5_000],
    ['two that cancel the rest', { join: { count: 2 }, cancel_rest: true }, 4, 5_000],
    ['each', { join: 'each' }, 3, 10_000],
  ])('whose joins wait for %s never gets stuck, loses no token and uses none twice', (_kind, join, ends, least) => {
    let states = 0;
    for (const drawing of smallDrawings()) {
      const graph = compileGraph(drawDefinition(drawing, joinsOf(drawing, join)));
      states += explore(new PlayedExecution(graph), drawing, ends, new Set());
    }
    expect(states).toBeGreaterThan(least);
  });
});

/** Plays on in every way there is, and returns how many different states it saw. */
function explore(execution: PlayedExecution, drawing: string, ends: number, seen: Set<string>): number {
  const { graph } = execution;
  execution.go();
  const state = JSON.stringify([execution.marking.active, execution.marking.tokens]);
  if (seen.has(state)) return 0;
  seen.add(state);
  checkFacts(execution, drawing);
  if (ends === 0 || execution.failure) return 1;
  const next = execution.running.flatMap((step) =>
    handlesToTry(graph, step.node_id).map((handle) => {
      const after = new PlayedExecution(graph, execution.steps);
      after.finish(step, handle);
      return after;
    }),
  );
  return next.reduce((states, after) => states + explore(after, drawing, ends - 1, seen), 1);
}

/** What every node says to which several edges lead. */
function joinsOf(drawing: string, join: DrawnNode): Record<string, DrawnNode> {
  const isJoin = (node: string) => drawing.split(' ').filter((arrow) => arrow.endsWith(`>${node}`)).length > 1;
  return Object.fromEntries(['a', 'b', 'c'].filter(isJoin).map((node) => [node, join]));
}

/**
 * `s` with three nodes behind it, all edges between those that there can be, each node firing all its edges or
 * choosing one; drawings that differ only by the names of the three count once.
 */
function smallDrawings(): string[] {
  const arrows = ['s>a', 's>b', 's>c', 'a>b', 'a>c', 'b>a', 'b>c', 'c>a', 'c>b', 'a>a'];
  const drawings = new Map<string, string>();
  for (let set = 1; set < 2 ** arrows.length; set += 1) {
    const chosen = arrows.filter((_, i) => set & (2 ** i));
    if (!chosen.some((arrow) => arrow.startsWith('s'))) continue;
    for (const choosers of ['', 'a', 'b', 'c', 'ab', 'ac', 'bc', 'abc']) {
      const drawing = chosen.map((arrow) =>
        choosers.includes(arrow[0]!) ? `${arrow[0]}:to_${arrow[2]}>${arrow[2]}` : arrow,
      );
      const names = renamings.map((rename) => drawing.map(rename).toSorted().join(' '));
      drawings.set(names.toSorted()[0]!, drawing.join(' '));
    }
  }
  return [...drawings.values()];
}

const renamings = ['abc', 'acb', 'bac', 'bca', 'cab', 'cba'].map(
  (order) => (arrow: string) => arrow.replace(/[abc]/g, (name) => order['abc'.indexOf(name)]!),
);
