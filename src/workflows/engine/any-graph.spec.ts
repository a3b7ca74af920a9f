import { advance, markingOf, type StepSoFar } from './advance-execution.js';
import type { WorkflowDefinition } from './definition.js';
import { drawDefinition, handlesToTry, PlayedExecution } from './drawn-graph.fixture.js';
import { compileGraph, type Graph } from './graph.js';
import { described, slowStarts } from './slow-advance.fixture.js';

const GRAPHS = 300;
const EVENTS = 30;
const COMPLETIONS = 6;

describe('any graph', () => {
  it('is advanced as the slow and obvious evaluator says, whatever order things happen in', () => {
    let events = 0;
    for (let seed = 1; seed <= GRAPHS; seed += 1) {
      const random = randomNumbers(seed);
      const definition = randomDefinition(random);
      const execution = new PlayedExecution(compileGraph(definition));
      for (let event = 0; event < EVENTS; event += 1, events += 1) {
        const story = `seed ${seed}, event ${event}, ${drawingOf(definition)}`;
        compareWithSlow(definition, execution, shuffled(execution.steps, random), story);
        execution.go();
        checkInvariants(execution, story);
        if (execution.running.length === 0) break;
        const step = pick(execution.running, random);
        execution.finish(step, pick(handlesToTry(execution.graph, step.node_id), random));
      }
    }
    expect(events).toBeGreaterThan(1_500);
  });

  it('with three nodes behind its entry never gets stuck, loses no token and uses none twice', () => {
    let states = 0;
    for (const drawing of smallDrawings()) {
      states += explore(compileGraph(drawDefinition(drawing)), drawing, [], COMPLETIONS, new Set());
    }
    expect(states).toBeGreaterThan(20_000);
  });
});

function compareWithSlow(
  definition: WorkflowDefinition,
  execution: PlayedExecution,
  shuffledSteps: readonly StepSoFar[],
  story: string,
): void {
  const rebuilt = markingOf(execution.graph, shuffledSteps);
  expect([story, execution.marking]).toEqual([story, rebuilt]);
  const starts = advance(execution.graph, rebuilt).starts.map(described);
  expect([story, ...starts.toSorted()]).toEqual([story, ...slowStarts(definition, shuffledSteps).toSorted()]);
}

/** Plays on from the steps in every way there is, and returns how many different states it saw. */
function explore(
  graph: Graph,
  drawing: string,
  steps: readonly StepSoFar[],
  completions: number,
  seen: Set<string>,
): number {
  const execution = new PlayedExecution(graph, steps);
  execution.go();
  const state = JSON.stringify(execution.marking.active) + JSON.stringify(execution.marking.tokens);
  if (seen.has(state)) return 0;
  seen.add(state);
  checkInvariants(execution, drawing);
  if (completions === 0) return 1;
  const next = execution.running.flatMap((step) =>
    handlesToTry(graph, step.node_id).map((handle) => {
      const after = new PlayedExecution(graph, execution.steps);
      after.finish(step, handle);
      return after.steps;
    }),
  );
  return next.reduce((states, after) => states + explore(graph, drawing, after, completions - 1, seen), 1);
}

/** After everything that could start has started. */
function checkInvariants({ graph, steps, marking, running }: PlayedExecution, story: string): void {
  const consumed = steps.flatMap((step) => step.consumed.map((token) => JSON.stringify(token)));
  const again = advance(graph, marking);
  const facts = {
    story,
    usedTwice: consumed.length - new Set(consumed).size,
    startsAgain: again.starts,
    ended: again.ended,
    left: running.length === 0 ? marking.tokens : [],
    iterationsInOrder: [...marking.started].every(
      ([node, count]) => steps.filter(({ node_id }) => node_id === node).length === count,
    ),
  };
  const ended = running.length === 0;
  expect(facts).toEqual({ story, usedTwice: 0, startsAgain: [], ended, left: [], iterationsInOrder: true });
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

function randomDefinition(random: () => number): WorkflowDefinition {
  const size = 3 + Math.floor(random() * 5);
  const names = Array.from({ length: size }, (_, i) => `n${i}`);
  const choosers = new Set(names.filter(() => random() < 0.35));
  const arrows = Array.from({ length: size + Math.floor(random() * size) }, () => {
    const source = pick(names, random);
    // n0 has no incoming edge, so that there is a beginning.
    const target = pick(names.slice(1), random);
    return choosers.has(source) ? `${source}:to_${target}>${target}` : `${source}>${target}`;
  });
  const drawing = ['n0>n1', ...arrows.filter((arrow) => !arrow.startsWith('n0:'))];
  return drawDefinition([...new Set(drawing)].join(' '));
}

const drawingOf = ({ edges }: WorkflowDefinition) => edges.map(({ id }) => id).join(' ');

const pick = <T>(items: readonly T[], random: () => number): T => items[Math.floor(random() * items.length)]!;

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, order: random() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ item }) => item);
}

/** The same numbers for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
