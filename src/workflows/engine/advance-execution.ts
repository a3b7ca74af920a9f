import { ERROR_HANDLE, nodeTypes } from './definition.js';
import { evaluateCondition, type EvaluationError, type ExpressionNames } from './expression.js';
import { WorkBudget } from './expressions/work-budget.js';
import { type Graph, type GraphEdge, type GraphNode, nodeOf } from './graph.js';
import { type ActiveStep, bareToken, type Marking, type Token, type WaitingToken, withStep } from './marking.js';
import { isOvertaken, markersOf } from './overtaken.js';
import { releasedJoin } from './release-join.js';

export interface Start {
  node_id: string;
  iteration: number;
  consumed: Token[];
}

export interface Advance {
  starts: Start[];
  /** Active steps, also of `starts`, whose work is no longer wanted. */
  cancels: ActiveStep[];
  /** Nothing runs, nothing waits and nothing is left to start. */
  ended: boolean;
  failure?: { code: 'MAX_ITERATIONS_EXCEEDED' | 'JOIN_NOT_SATISFIED'; node_id: string; message: string };
}

/**
 * What starts now, and what is to be cancelled. The answer depends on the arguments alone: any worker may ask again,
 * after a crash too.
 *
 * 1. Each entry node has one token at the beginning; a completed step puts one on each edge it fired.
 * 2. A node with at most one incoming edge, or with `join: each`, starts once for each token on its edges.
 * 3. A join of `all` starts when at least one edge has a token and no token elsewhere and no active step can still
 *    bring one to an edge that has none. It takes one token, the oldest, from each edge that has any.
 * 4. A join of `any`, or of a `count` k, starts when one, or k, of its edges have a token; what comes later without
 *    coming from that start is overtaken (see `isOvertaken`), as is what lost a race or was cancelled.
 * 5. A token is held while its node `requires` what is not so, or a step with its `concurrency_key` is active.
 * 6. Joins that wait only for each other would wait for ever: of each such group the first one starts (see
 *    `releasedJoin`). A `count` that can no longer be reached is a failure.
 * 7. Each start is the next iteration of its node. One more than `max_iterations` is a failure, and nothing starts.
 * 8. With nothing active and nothing to start, the execution has ended; held tokens wait for what will never be.
 *
 * Rules 2 and 3 do not disturb each other: starting a node moves its tokens to a place from which the same edges can
 * be reached. Where the others make the order matter, it is that of the definition.
 */
export function advance(graph: Graph, marking: Marking): Advance {
  const starts: Start[] = [];
  const cancels: ActiveStep[] = [];
  let now = withoutOvertaken(graph, marking, cancels);
  for (let next = nextStart(graph, now); next; next = nextStart(graph, now)) {
    const failure = failureOf(graph, next);
    if (failure) return { starts: [], cancels: [], ended: false, failure };
    starts.push(next);
    const started = withStep(graph, now, { ...next, status: 'running', fired: [] });
    now = withoutOvertaken(graph, started, cancels, markersOf(graph, next.node_id));
  }
  return { starts, cancels, ended: starts.length === 0 && now.active.length === 0 };
}

export type Leaving =
  | { ok: true; fired: string[] }
  | { ok: false; error: EvaluationError & { /** The edge whose condition failed. */ edge: string } };

/**
 * The edges that a node puts tokens on when it ends: those of the handle whose condition, if any, is true. A null
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

/** How a node is left that has failed for good; undefined where that fails the execution. */
export function errorHandle(graph: Graph, nodeId: string): { handle: string | null } | undefined {
  const { data, type } = nodeOf(graph, nodeId);
  if (!('on_error' in data) || data.on_error === 'fail') return undefined;
  if (data.on_error === 'route') return { handle: ERROR_HANDLE };
  return { handle: type === 'branch' ? 'else' : null };
}

const always = { ok: true, value: true } as const;

function edgesLeaving(node: GraphNode, handle: string | null): readonly GraphEdge[] {
  const name = handle ?? nodeTypes[node.type].defaultHandle;
  if (name === null) return [];
  const edges = node.outgoing.get(name);
  if (!edges) throw new Error(`Node ${node.id} has no handle ${JSON.stringify(name)}`);
  return edges;
}

function withoutOvertaken(graph: Graph, marking: Marking, cancels: ActiveStep[], by = graph.markers): Marking {
  const overtaken = marking.active.filter((step) => isOvertaken(graph, marking, step, by));
  if (overtaken.length === 0) return marking;
  cancels.push(...overtaken);
  return { ...marking, active: marking.active.filter((step) => !overtaken.includes(step)) };
}

/** Held tokens count as something that may still come, unless nothing else is left. */
function nextStart(graph: Graph, marking: Marking): Start | undefined {
  const held = new Set(marking.tokens.filter(({ node }) => isHeld(graph, marking, nodeOf(graph, node))));
  const node = nextNode(graph, marking, held);
  if (node !== undefined) return startOf(marking, nodeOf(graph, node));
  if (held.size === 0 || marking.active.length > 0) return undefined;
  const rest = { ...marking, tokens: marking.tokens.filter((token) => !held.has(token)) };
  const released = nextNode(graph, rest, new Set());
  return released === undefined ? undefined : startOf(rest, nodeOf(graph, released));
}

function nextNode(graph: Graph, marking: Marking, held: ReadonlySet<WaitingToken>): string | undefined {
  const waiting = [...new Set(marking.tokens.filter((token) => !held.has(token)).map(({ node }) => node))];
  return (
    waiting.find((id) => mayStart(graph, marking, nodeOf(graph, id))) ??
    releasedJoin(
      graph,
      marking,
      [...held].map(({ node }) => node),
    )
  );
}

function isHeld(graph: Graph, { active, started, completed }: Marking, { data }: GraphNode): boolean {
  const isActive = (id: string) => active.some(({ node_id }) => node_id === id);
  const holds = {
    not_started: (id: string) => !started.has(id),
    active: isActive,
    completed: completed.has.bind(completed),
  };
  const { requires, concurrency_key: key } = data;
  if (requires.some((requirement) => !holds[requirement.is](requirement.node))) return true;
  return key !== undefined && active.some(({ node_id }) => nodeOf(graph, node_id).data.concurrency_key === key);
}

function mayStart(graph: Graph, marking: Marking, node: GraphNode): boolean {
  const { join } = node.data;
  if (node.incoming.length <= 1 || join === 'each') return true;
  const filled = new Set(marking.tokens.map(({ edge }) => edge));
  if (join !== 'all') return node.incoming.filter(({ id }) => filled.has(id)).length >= neededBy(node);
  return node.incoming.every((edge) => filled.has(edge.id) || !isStillReachable(graph, marking, edge));
}

/** How many edges a join of `any` or `count` needs. */
function neededBy({ data: { join } }: GraphNode): number {
  return typeof join === 'object' ? join.count : 1;
}

function isStillReachable(graph: Graph, { tokens, active }: Marking, edge: GraphEdge): boolean {
  return (
    active.some(({ node_id }) => graph.reach(node_id, edge)) ||
    tokens.some(({ node }) => node !== edge.target && graph.reach(node, edge))
  );
}

function startOf(marking: Marking, node: GraphNode): Start {
  const first = marking.tokens.filter((token) => token.node === node.id).filter(isFirstOfItsEdge);
  const consumed = node.data.join === 'each' ? first.slice(0, 1) : first;
  return { node_id: node.id, iteration: (marking.started.get(node.id) ?? 0) + 1, consumed: consumed.map(bareToken) };
}

const isFirstOfItsEdge = (token: Token, i: number, sorted: readonly Token[]) => token.edge !== sorted[i - 1]?.edge;

function failureOf(graph: Graph, { node_id, iteration, consumed }: Start): Advance['failure'] {
  const node = nodeOf(graph, node_id);
  const { max_iterations: limit, join } = node.data;
  if (iteration > limit) {
    const message = `Node ${node_id} would start more than ${limit} times; raise its max_iterations or check the loop it is in.`;
    return { code: 'MAX_ITERATIONS_EXCEEDED', node_id, message };
  }
  if (typeof join !== 'object' || consumed.length >= join.count || node.incoming.length <= 1) return undefined;
  const message = `Node ${node_id} waits for ${join.count} arrivals; ${consumed.length} came and no more can. Lower its join.count, or let every branch lead to it.`;
  return { code: 'JOIN_NOT_SATISFIED', node_id, message };
}
