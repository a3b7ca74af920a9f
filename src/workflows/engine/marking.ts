import { edgeOf, nodeOf, type Graph } from './graph.js';
import { isOvertaken, markersOf, raceOf } from './overtaken.js';
import { isActive, type StepStatus } from './step-status.js';

/** What waits on an edge, or at an entry node, to be consumed by a start of the node there. */
export interface Token {
  /** null for the one token that an entry node has from the beginning. */
  edge: string | null;
  /** The node it waits at. */
  node: string;
  /** The step that put it there; null and 0 at an entry node. */
  source: string | null;
  source_iteration: number;
}

/** What the engine has to know of a step; any row of a step has it. */
export interface StepSoFar {
  node_id: string;
  /** From 1; each start of a node is its next iteration. */
  iteration: number;
  status: StepStatus;
  consumed: readonly Token[];
  /** The ids of the edges that its end put tokens on. */
  fired: readonly string[];
}

/**
 * Which starts of the marker nodes (`Graph.markers`) something comes from: for each the last iteration, 0 for none.
 * Empty in a graph without markers.
 */
export type Lineage = readonly number[];

export interface WaitingToken extends Token {
  readonly lineage: Lineage;
}

export interface ActiveStep {
  readonly node_id: string;
  readonly iteration: number;
  readonly status: StepStatus;
  readonly lineage: Lineage;
  /** The races it takes part in, see `racesOf`. */
  readonly races: readonly string[];
}

/** Where an execution stands. Equal for equal sets of steps, whatever their order; never changed once made. */
export interface Marking {
  /** Entry nodes first, then by edge, both in the order of the definition; the oldest source first. */
  readonly tokens: readonly WaitingToken[];
  /** By node in the order of the definition, then by iteration. */
  readonly active: readonly ActiveStep[];
  /** How often each node was started. */
  readonly started: ReadonlyMap<string, number>;
  /** Nodes that have completed at least once. */
  readonly completed: ReadonlySet<string>;
  /** The races that have a winner. */
  readonly decided: ReadonlySet<string>;
}

/** The marking that the steps of an execution lead to. Cost grows with their number; then go on by `withStep`. */
export function markingOf(graph: Graph, steps: readonly StepSoFar[]): Marking {
  const lineages = lineagesOf(graph, steps);
  const tokens = new Map(beginning(graph).map((token) => [keyOf(token), token]));
  for (const step of steps) {
    for (const token of firedTokens(graph, step, lineages(step))) tokens.set(keyOf(token), token);
  }
  for (const { consumed } of steps) for (const token of consumed) tokens.delete(keyOf(token));
  const started = new Map<string, number>();
  for (const { node_id, iteration } of steps) {
    started.set(node_id, Math.max(iteration, started.get(node_id) ?? 0));
  }
  const past = {
    started,
    completed: new Set(steps.filter(({ status }) => status === 'completed').map(({ node_id }) => node_id)),
    decided: new Set(steps.filter(({ status }) => hasCrossedTheLine(status)).flatMap((step) => racesOf(graph, step))),
  };
  return {
    ...past,
    tokens: inOrder(graph, [...tokens.values()]).filter((token) => !isOvertaken(graph, past, token)),
    active: steps
      .filter(({ status }) => isActive(status))
      .map((step) => activeStep(graph, step, lineages(step)))
      .toSorted((a, b) => compareActive(graph, a, b)),
  };
}

/**
 * The marking after one step was started, changed or ended. Cost depends on what is in flight, not on what is past.
 * Steps are given in the order of events: not before the steps whose tokens they consumed. News that is already in
 * the marking changes nothing.
 */
export function withStep(graph: Graph, marking: Marking, step: StepSoFar): Marking {
  const { node_id, iteration, status } = step;
  const isThis = (other: ActiveStep) => other.node_id === node_id && other.iteration === iteration;
  const used = new Set(step.consumed.map(keyOf));
  const consumed = marking.tokens.filter((token) => used.has(keyOf(token)));
  const before = marking.active.find(isThis);
  if (consumed.length === 0 && !before) return marking;
  const lineage = before?.lineage ?? lineageAfter(graph, step, consumed);
  const others = marking.active.filter((other) => !isThis(other));
  const past = pastWith(graph, marking, step);
  const by = markersOf(graph, node_id);
  const left = marking.tokens.filter((token) => !used.has(keyOf(token)) && !isOvertaken(graph, past, token, by));
  const fired = firedTokens(graph, step, lineage).filter((token) => !isOvertaken(graph, past, token));
  const active = isActive(status) ? [...others, activeStep(graph, step, lineage)] : others;
  return {
    ...past,
    tokens: inOrder(graph, [...left, ...fired]),
    active: active.toSorted((a, b) => compareActive(graph, a, b)),
  };
}

/** As it is kept with the step that consumed it. */
export function bareToken({ edge, node, source, source_iteration }: Token): Token {
  return { edge, node, source, source_iteration };
}

/**
 * Nodes of one `race` that the same step led to are alternatives: the first to end withdraws the others. So a race
 * is known by its name and the step before.
 */
function racesOf(graph: Graph, { node_id, consumed }: Pick<StepSoFar, 'node_id' | 'consumed'>): string[] {
  const { data } = nodeOf(graph, node_id);
  const race = 'race' in data ? data.race : undefined;
  return race === undefined ? [] : consumed.map((token) => raceOf(race, token));
}

const hasCrossedTheLine = (status: StepStatus) => status === 'completed' || status === 'failed';

function beginning(graph: Graph): WaitingToken[] {
  const lineage = graph.markers.map(() => 0);
  return graph.entries.map((node) => ({ edge: null, node, source: null, source_iteration: 0, lineage }));
}

function pastWith(graph: Graph, { started, completed, decided }: Marking, step: StepSoFar) {
  const { node_id, iteration, status } = step;
  const races = hasCrossedTheLine(status) ? racesOf(graph, step) : [];
  const isFirst = status === 'completed' && !completed.has(node_id);
  return {
    started: iteration > (started.get(node_id) ?? 0) ? new Map(started).set(node_id, iteration) : started,
    completed: isFirst ? new Set(completed).add(node_id) : completed,
    decided: races.length > 0 ? new Set([...decided, ...races]) : decided,
  };
}

function activeStep(graph: Graph, step: StepSoFar, lineage: Lineage): ActiveStep {
  const { node_id, iteration, status } = step;
  return { node_id, iteration, status, lineage, races: racesOf(graph, step) };
}

/** What a step comes from: all that its tokens come from, and itself where its node is a marker. */
function lineageAfter(graph: Graph, step: StepSoFar, consumed: readonly { lineage: Lineage }[]): Lineage {
  return graph.markers.map(({ node, index }) =>
    node.id === step.node_id ? step.iteration : Math.max(0, ...consumed.map(({ lineage }) => lineage[index] ?? 0)),
  );
}

/** Follows the tokens back, without recursion: a loop of ten thousand rounds is a chain of as many steps. */
function lineagesOf(graph: Graph, steps: readonly StepSoFar[]): (step: StepSoFar) => Lineage {
  if (graph.markers.length === 0) return () => [];
  const byKey = new Map(steps.map((step) => [stepKey(step.node_id, step.iteration), step]));
  const known = new Map<StepSoFar, Lineage>();
  const sourcesOf = ({ consumed }: StepSoFar) =>
    consumed
      .map(({ source, source_iteration }) => byKey.get(stepKey(source ?? '', source_iteration)))
      .filter((source) => source !== undefined);
  return (step) => {
    const open = [step];
    for (let next = open.at(-1); next; next = open.at(-1)) {
      const unknown = sourcesOf(next).filter((source) => !known.has(source));
      if (unknown.length > 0) open.push(...unknown);
      else {
        const lineages = sourcesOf(next).map((source) => ({ lineage: known.get(source) ?? [] }));
        known.set(next, lineageAfter(graph, next, lineages));
        open.pop();
      }
    }
    return known.get(step) ?? [];
  };
}

const stepKey = (nodeId: string, iteration: number) => `${nodeId}#${iteration}`;

function firedTokens(graph: Graph, { node_id, iteration, fired }: StepSoFar, lineage: Lineage): WaitingToken[] {
  return fired.map((edge) => {
    return { edge, node: edgeOf(graph, edge).target, source: node_id, source_iteration: iteration, lineage };
  });
}

/** Two tokens with one key are the same token: an edge belongs to one source, which fires it once an iteration. */
const keyOf = ({ edge, node, source_iteration }: Token) => (edge === null ? node : `${source_iteration} ${edge}`);

function inOrder(graph: Graph, tokens: readonly WaitingToken[]): WaitingToken[] {
  return tokens.toSorted((a, b) => compareTokens(graph, a, b));
}

function compareTokens(graph: Graph, a: Token, b: Token): number {
  if (a.edge === null || b.edge === null) {
    return (
      Number(b.edge === null) - Number(a.edge === null) || nodeOf(graph, a.node).index - nodeOf(graph, b.node).index
    );
  }
  return edgeOf(graph, a.edge).index - edgeOf(graph, b.edge).index || a.source_iteration - b.source_iteration;
}

function compareActive(graph: Graph, a: ActiveStep, b: ActiveStep): number {
  return nodeOf(graph, a.node_id).index - nodeOf(graph, b.node_id).index || a.iteration - b.iteration;
}
