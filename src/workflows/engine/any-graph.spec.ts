import { advance } from './advance-execution.js';
import type { WorkflowDefinition } from './definition.js';
import { drawDefinition, type DrawnNode, handlesToTry, PlayedExecution } from './drawn-graph.fixture.js';
import { checkFacts } from './engine-facts.fixture.js';
import { compileGraph } from './graph.js';
import { markingOf, type StepSoFar } from './marking.js';
import { type PackedMarking, packMarking, unpackMarking } from './packed-marking.js';
import { pick, randomNumbers, shuffled } from './random.fixture.js';
import { described, slowAdvance } from './slow-advance.fixture.js';

const GRAPHS = 300;
const EVENTS = 30;

/** From joins of `all` alone to graphs in which every node says something. */
const RICHNESS = [0, 0.4, 1];

describe('any graph', () => {
  it.each(RICHNESS)(
    'whose nodes say %s of what they may is advanced as the slow and obvious evaluator says',
    (richness) => {
      let events = 0;
      for (let seed = 1; seed <= GRAPHS; seed += 1) {
        const random = randomNumbers(seed);
        const definition = randomDefinition(random, richness);
        events += play(definition, random, `seed ${seed}, ${drawingOf(definition)}`);
      }
      expect(events).toBeGreaterThan(900);
    },
  );
});

/** Whatever order things happen in; returns how many did. */
function play(definition: WorkflowDefinition, random: () => number, graph: string): number {
  const execution = new PlayedExecution(compileGraph(definition));
  for (let event = 0; event < EVENTS; event += 1) {
    const story = `${graph}, event ${event}`;
    expectSameAsSlow(definition, execution, shuffled(execution.steps, random), story);
    execution.go();
    checkFacts(execution, story);
    if (execution.running.length === 0 || execution.failure) return event;
    happen(execution, random);
    if (random() < 0.2) happen(execution, random);
  }
  return EVENTS;
}

/** The end of one step that is still wanted. */
function happen(execution: PlayedExecution, random: () => number): void {
  const { cancels, failure } = advance(execution.graph, execution.marking);
  if (failure) return;
  const isWanted = (step: StepSoFar) =>
    !cancels.some(({ node_id, iteration }) => node_id === step.node_id && iteration === step.iteration);
  const wanted = execution.running.filter(isWanted);
  if (wanted.length === 0) return;
  const step = pick(wanted, random);
  const chance = random();
  if (chance < 0.05) execution.failStep(step);
  else if (chance < 0.1) execution.cancelStep(step);
  else execution.finish(step, pick(handlesToTry(execution.graph, step.node_id), random));
}

function expectSameAsSlow(
  definition: WorkflowDefinition,
  execution: PlayedExecution,
  shuffledSteps: readonly StepSoFar[],
  story: string,
): void {
  const rebuilt = markingOf(execution.graph, shuffledSteps);
  expect([story, execution.marking]).toEqual([story, rebuilt]);
  const packed = JSON.parse(JSON.stringify(packMarking(execution.marking))) as PackedMarking;
  expect([story, unpackMarking(packed)]).toEqual([story, execution.marking]);
  const { starts, cancels, failure } = advance(execution.graph, rebuilt);
  const fast = {
    starts: starts.map(described).toSorted(),
    cancels: cancels.map(({ node_id, iteration }) => `${node_id}#${iteration}`).toSorted(),
    failure: failure && `${failure.code} ${failure.node_id}`,
  };
  const slow = slowAdvance(definition, shuffledSteps);
  expect([story, fast]).toEqual([
    story,
    { starts: slow.starts.toSorted(), cancels: slow.cancels.toSorted(), failure: slow.failure },
  ]);
}

function randomDefinition(random: () => number, richness: number): WorkflowDefinition {
  const size = 3 + Math.floor(random() * 5);
  const names = Array.from({ length: size }, (_, i) => `n${i}`);
  const choosers = new Set(names.filter(() => random() < 0.35));
  const routers = new Set(names.filter((name) => !choosers.has(name) && random() < 0.1 * richness));
  const arrows = Array.from({ length: size + Math.floor(random() * size) }, () => {
    const source = pick(names, random);
    // n0 has no incoming edge, so that there is a beginning.
    const target = pick(names.slice(1), random);
    if (routers.has(source) && random() < 0.5) return `${source}:error>${target}`;
    return choosers.has(source) ? `${source}:to_${target}>${target}` : `${source}>${target}`;
  });
  const drawing = [...new Set(['n0>n1', ...arrows.filter((arrow) => !/^n0[:>]/.test(arrow))])];
  const drawn = names.filter((name) => drawing.some((arrow) => arrow.startsWith(name) || arrow.endsWith(name)));
  const nodes = drawn.map((name) => [name, randomNode(name, drawing, drawn, random, richness)] as const);
  return drawDefinition(drawing.join(' '), Object.fromEntries(nodes));
}

function randomNode(
  name: string,
  drawing: readonly string[],
  names: readonly string[],
  random: () => number,
  richness: number,
): DrawnNode {
  const isSo = (chance: number) => random() < chance * richness;
  const incoming = drawing.filter((arrow) => arrow.endsWith(`>${name}`)).length;
  const count = 1 + Math.floor(random() * Math.max(1, incoming));
  const join = isSo(0.7) ? pick(['any', 'each', { count }], random) : 'all';
  const others = names.filter((other) => other !== name);
  const isRouted = drawing.some((arrow) => arrow.startsWith(`${name}:error>`));
  return {
    join,
    ...(join !== 'all' && join !== 'each' && isSo(0.5) && { cancel_rest: true }),
    ...(isSo(0.12) && { cancels: [pick(others, random)] }),
    ...(isSo(0.15) && { requires: [{ node: pick(others, random), is: pick(STATES, random) }] }),
    ...(isSo(0.25) && { race: pick(['one', 'two'], random) }),
    ...(isSo(0.2) && { concurrency_key: 'key' }),
    ...(isSo(0.2) && { on_error: 'continue' }),
    ...(isSo(0.06) && { max_iterations: 2 }),
    ...(isRouted && { on_error: 'route' }),
  };
}

const STATES = ['not_started', 'active', 'completed'] as const;

/** With what its nodes say, so that a failure can be drawn again. */
const drawingOf = ({ edges, nodes }: WorkflowDefinition) =>
  `${edges.map(({ id }) => id).join(' ')}; ${nodes.map(({ id, data }) => `${id} ${JSON.stringify(data)}`).join(' ')}`;
