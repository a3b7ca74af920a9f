import { evaluateCondition, type EvaluationError, type ExpressionNames } from './expression.js';
import { WorkBudget } from './expressions/work-budget.js';
import { edgeOf, nodeOf, type Graph, type GraphEdge, type GraphNode } from './graph.js';
import { nodeTypes } from './definition.js';
import { releasedJoin } from './release-join.js';
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
  /** The ids of the edges that its completion put tokens on. */
  fired: readonly string[];
}

/** Where an execution stands. Equal for equal sets of steps, whatever their order; never changed once made. */
export interface Marking {
  /** Entry nodes first, then by edge, both in the order of the definition; the oldest source first. */
  readonly tokens: readonly Token[];
  /** By node in the order of the definition, then by iteration. */
  readonly active: readonly ActiveStep[];
  /** How often each node was started. */
  readonly started: ReadonlyMap<string, number>;
}

export interface ActiveStep {
  readonly node_id: string;
  readonly iteration: number;
  readonly status: StepStatus;
}

export interface Start {
  node_id: string;
  iteration: number;
  consumed: Token[];
}

export interface Advance {
  starts: Start[];
  /** Nothing runs, nothing waits and nothing is left to start. */
  ended: boolean;
  failure?: { code: 'MAX_ITERATIONS_EXCEEDED'; node_id: string; message: string };
}

/**
 * What starts now. The answer depends on the arguments alone: any worker may ask again, after a crash too.
 *
 * 1. Each entry node has one token at the beginning; a completed step puts one on each edge it fired.
 * 2. A node with at most one incoming edge starts once for each token on it.
 * 3. A node with several (a join) starts when at least one edge has a token and no token elsewhere and no active
 *    step can still bring one to an edge that has none. It takes one token, the oldest, from each edge that has any.
 * 4. Joins that wait only for each other would wait for ever: of each such group the first one starts (see
 *    `releasedJoin`).
 * 5. Each start is the next iteration of its node. One more than `max_iterations` is a failure, and nothing starts.
 * 6. With no token, nothing active and nothing to start, the execution has ended.
 *
 * Rules 2 and 3 do not disturb each other: starting a node moves its tokens to a place from which the same edges can
 * be reached. So the order in which they are applied changes nothing.
 */
export function advance(graph: Graph, marking: Marking): Advance {
  const starts: Start[] = [];
  let now = marking;
  for (let next = nextStart(graph, now); next; next = nextStart(graph, now)) {
    const { max_iterations: limit } = nodeOf(graph, next.node_id).data;
    if (next.iteration > limit) return { starts: [], ended: false, failure: tooManyIterations(next.node_id, limit) };
    starts.push(next);
    now = withStep(graph, now, { ...next, status: 'running', fired: [] });
  }
  return { starts, ended: starts.length === 0 && now.tokens.length === 0 && now.active.length === 0 };
}

/** The marking that the steps of an execution lead to. Cost grows with their number; then go on by `withStep`. */
export function markingOf(graph: Graph, steps: readonly StepSoFar[]): Marking {
  const tokens = new Map(graph.entries.map((id) => entryToken(id)).map((token) => [keyOf(token), token]));
  for (const step of steps) for (const token of firedTokens(graph, step)) tokens.set(keyOf(token), token);
  for (const { consumed } of steps) for (const token of consumed) tokens.delete(keyOf(token));
  const started = new Map<string, number>();
  for (const { node_id, iteration } of steps) {
    started.set(node_id, Math.max(iteration, started.get(node_id) ?? 0));
  }
  return {
    tokens: [...tokens.values()].toSorted((a, b) => compareTokens(graph, a, b)),
    active: steps
      .filter(({ status }) => isActive(status))
      .map(({ node_id, iteration, status }) => ({ node_id, iteration, status }))
      .toSorted((a, b) => compareActive(graph, a, b)),
    started,
  };
}

/**
 * The marking after one step was started, changed or ended. Cost depends on what is in flight, not on what is past.
 * Steps are given in the order of events: not before the steps whose tokens they consumed. News that is already in
 * the marking changes nothing.
 */
export function withStep(graph: Graph, marking: Marking, step: StepSoFar): Marking {
  const isThis = (other: ActiveStep) => other.node_id === step.node_id && other.iteration === step.iteration;
  const consumed = new Set(step.consumed.map(keyOf));
  const left = marking.tokens.filter((token) => !consumed.has(keyOf(token)));
  const isStart = left.length < marking.tokens.length;
  if (!isStart && !marking.active.some(isThis)) return marking;
  const others = marking.active.filter((other) => !isThis(other));
  const { node_id, iteration, status } = step;
  const active = isActive(status) ? [...others, { node_id, iteration, status }] : others;
  const before = marking.started.get(node_id) ?? 0;
  return {
    tokens: [...left, ...firedTokens(graph, step)].toSorted((a, b) => compareTokens(graph, a, b)),
    active: active.toSorted((a, b) => compareActive(graph, a, b)),
    started: iteration > before ? new Map(marking.started).set(node_id, iteration) : marking.started,
  };
}

export type Leaving =
  | { ok: true; fired: string[] }
  | { ok: false; error: EvaluationError & { /** The edge whose condition failed. */ edge: string } };

/**
 * The edges that a completed node puts tokens on: those of the handle whose condition, if any, is true. A null
 * handle is the default one of the type of node.
 * @throws Error for a handle that the node does not have
 */
export function leaveNode(graph: Graph, nodeId: string, handle: string | null, names: ExpressionNames): Leaving {
  const budget = new WorkBudget();
  const fired: string[] = [];
  for (const { id, when } of edgesLeaving(nodeOf(graph, nodeId), handle)) {
    const condition = when ? evaluateCondition(when, names, budget) : always;
    if (!condition.ok) return { ok: false, error: { ...condition.error, edge: id } };
    if (condition.value) fired.push(id);
  }
  return { ok: true, fired };
}

const always = { ok: true, value: true } as const;

function edgesLeaving(node: GraphNode, handle: string | null): readonly GraphEdge[] {
  const name = handle ?? nodeTypes[node.type].defaultHandle;
  if (name === null) return [];
  const edges = node.outgoing.get(name);
  if (!edges) throw new Error(`Node ${node.id} has no handle ${JSON.stringify(name)}`);
  return edges;
}

function nextStart(graph: Graph, marking: Marking): Start | undefined {
  const waiting = [...new Set(marking.tokens.map(({ node }) => node))];
  const node = waiting.find((id) => mayStart(graph, marking, nodeOf(graph, id))) ?? releasedJoin(graph, marking);
  if (node === undefined) return undefined;
  const consumed = [...firstOfEachEdge(marking.tokens.filter((token) => token.node === node))];
  return { node_id: node, iteration: (marking.started.get(node) ?? 0) + 1, consumed };
}

function mayStart(graph: Graph, marking: Marking, node: GraphNode): boolean {
  if (node.incoming.length <= 1) return true;
  const filled = new Set(marking.tokens.map(({ edge }) => edge));
  return node.incoming.every((edge) => filled.has(edge.id) || !isStillReachable(graph, marking, edge));
}

function isStillReachable(graph: Graph, { tokens, active }: Marking, edge: GraphEdge): boolean {
  return (
    active.some(({ node_id }) => graph.reach(node_id, edge)) ||
    tokens.some(({ node }) => node !== edge.target && graph.reach(node, edge))
  );
}

function firstOfEachEdge(sorted: readonly Token[]): Token[] {
  return sorted.filter((token, i) => token.edge !== sorted[i - 1]?.edge);
}

function tooManyIterations(nodeId: string, limit: number): NonNullable<Advance['failure']> {
  const message = `Node ${nodeId} would start more than ${limit} times; raise its max_iterations or check the loop it is in.`;
  return { code: 'MAX_ITERATIONS_EXCEEDED', node_id: nodeId, message };
}

const entryToken = (node: string): Token => ({ edge: null, node, source: null, source_iteration: 0 });

function firedTokens(graph: Graph, { node_id, iteration, fired }: StepSoFar): Token[] {
  return fired.map((edge) => {
    return { edge, node: edgeOf(graph, edge).target, source: node_id, source_iteration: iteration };
  });
}

/** Two tokens with one key are the same token: an edge belongs to one source, which fires it once an iteration. */
const keyOf = ({ edge, node, source_iteration }: Token) => (edge === null ? node : `${source_iteration} ${edge}`);

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
