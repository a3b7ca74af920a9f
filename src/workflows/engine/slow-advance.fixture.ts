import type { Start } from './advance-execution.js';
import type { DefinitionEdge, Join, Requirement, WorkflowDefinition } from './definition.js';
import type { StepSoFar, Token } from './marking.js';

export interface SlowAdvance {
  /** In no particular order; see `described`. */
  starts: string[];
  /** As `x#1`. */
  cancels: string[];
  /** As `CODE node`. */
  failure?: string;
}

/**
 * The rules of `advance` once more, written to be obvious and not to be fast: rows only, every question answered by
 * walking the drawing forward and the history back.
 */
export function slowAdvance(definition: WorkflowDefinition, steps: readonly StepSoFar[]): SlowAdvance {
  const position = new Position(definition, steps);
  const starts: string[] = [];
  const cancels = position.cancelOvertaken();
  for (let start = position.nextStart(); start !== undefined; start = position.nextStart()) {
    const failure = position.failureOf(start);
    if (failure !== undefined) return { starts: [], cancels: [], failure };
    starts.push(described(start));
    position.begin(start);
    cancels.push(...position.cancelOvertaken());
  }
  return { starts, cancels };
}

/** Whether a token, or a step by what it consumed, is the effect of a step. */
export function comesFrom(
  steps: readonly StepSoFar[],
  tokens: readonly Token[],
  cause: { node_id: string; iteration: number },
): boolean {
  const causes = new Set<StepSoFar>();
  let open = tokens;
  while (open.length > 0) {
    const sources = steps.filter((step) => !causes.has(step) && open.some((token) => isOf(token, step)));
    for (const source of sources) causes.add(source);
    open = sources.flatMap(({ consumed }) => consumed);
  }
  return [...causes].some((step) => isSame(step, cause));
}

/** A start in one line: `j#2 a>j@1 b>j@2`, the edges with the iterations of their sources. */
export function described({ node_id, iteration, consumed }: Start): string {
  const tokens = consumed.map(({ edge, source_iteration }) => `${edge ?? 'entry'}@${source_iteration}`);
  return `${node_id}#${iteration} ${tokens.join(' ')}`;
}

/** A node with what it says about when it starts and what then ends. */
interface Ruled {
  id: string;
  join: Join;
  cancelRest: boolean;
  cancels: readonly string[];
  race: string | undefined;
  requires: readonly Requirement[];
  key: string | undefined;
  limit: number;
}

function ruled({ id, data }: WorkflowDefinition['nodes'][number]): Ruled {
  return {
    id,
    join: data.join ?? 'all',
    cancelRest: data.cancel_rest ?? false,
    cancels: data.cancels ?? [],
    race: 'race' in data ? data.race : undefined,
    requires: data.requires ?? [],
    key: data.concurrency_key,
    limit: data.max_iterations ?? 100,
  };
}

class Position {
  private steps: StepSoFar[];
  private readonly nodes: readonly Ruled[];
  private readonly edges: readonly DefinitionEdge[];

  constructor(definition: WorkflowDefinition, steps: readonly StepSoFar[]) {
    this.steps = [...steps];
    this.nodes = definition.nodes.map(ruled);
    this.edges = definition.edges;
  }

  nextStart(): Start | undefined {
    const all = this.tokens();
    const held = all.filter(({ node }) => this.isHeld(this.node(node)));
    const next = this.nextNode(all, held);
    if (next) return this.startOf(next, all);
    if (held.length === 0 || this.active().length > 0) return undefined;
    const rest = all.filter((token) => !held.includes(token));
    const last = this.nextNode(rest, []);
    return last && this.startOf(last, rest);
  }

  begin(start: Start): void {
    this.steps.push({ ...start, status: 'running', fired: [] });
  }

  cancelOvertaken(): string[] {
    const late = this.active().filter((step) => this.isStepOvertaken(step));
    this.steps = this.steps.map((step) => (late.includes(step) ? { ...step, status: 'cancelled' } : step));
    return late.map(({ node_id, iteration }) => `${node_id}#${iteration}`);
  }

  failureOf({ node_id, iteration, consumed }: Start): string | undefined {
    const { join, limit } = this.node(node_id);
    if (iteration > limit) return `MAX_ITERATIONS_EXCEEDED ${node_id}`;
    const tooFew = typeof join === 'object' && this.into(node_id).length > 1 && consumed.length < join.count;
    return tooFew ? `JOIN_NOT_SATISFIED ${node_id}` : undefined;
  }

  private startOf(node: Ruled, tokens: readonly Token[]): Start {
    const here = tokens.filter((token) => token.node === node.id);
    const places = [null, ...this.edges.map(({ id }) => id)];
    const oldest = places
      .map((place) => here.filter(({ edge }) => edge === place).toSorted(byIteration)[0])
      .filter((token) => token !== undefined);
    const consumed = node.join === 'each' ? oldest.slice(0, 1) : oldest;
    return { node_id: node.id, iteration: this.startsOf(node.id).length + 1, consumed };
  }

  /** The first that is ready in the order of entries and edges, else the first that is released. */
  private nextNode(tokens: readonly Token[], held: readonly Token[]): Ruled | undefined {
    const free = tokens.filter((token) => !held.includes(token));
    const ready = this.inOrder(free).find((token) => this.isReady(this.node(token.node), tokens));
    if (ready) return this.node(ready.node);
    const stuck = this.nodes.filter(({ id }) => free.some(({ node }) => node === id));
    const hopes = [...this.active().map(({ node_id }) => node_id), ...held.map(({ node }) => node)];
    const released = stuck.filter((node) => this.isReleased(node, stuck, hopes, tokens));
    return released.find(({ join }) => join === 'all') ?? released[0];
  }

  private inOrder(tokens: readonly Token[]): Token[] {
    const atEntries = this.nodes.flatMap(({ id }) => tokens.filter(({ node, edge }) => node === id && edge === null));
    return [...atEntries, ...this.edges.flatMap(({ id }) => tokens.filter(({ edge }) => edge === id))];
  }

  private isReady({ id, join }: Ruled, tokens: readonly Token[]): boolean {
    const edges = this.into(id);
    const filled = edges.filter((edge) => isOn(edge, tokens));
    if (edges.length < 2 || join === 'each' || join === 'any') return true;
    if (join !== 'all') return filled.length >= join.count;
    const elsewhere = tokens.map(({ node }) => node).filter((place) => place !== id);
    const places = [...this.active().map(({ node_id }) => node_id), ...elsewhere];
    return !places.some((place) => this.canHelp(place, id, tokens));
  }

  private isReleased(node: Ruled, stuck: readonly Ruled[], hopes: readonly string[], tokens: readonly Token[]) {
    const awaited = stuck.filter((other) => this.waitsInTheEnd(node, other, stuck, tokens));
    const hopeful = ({ id }: Ruled) => hopes.some((place) => this.canHelp(place, id, tokens));
    return ![node, ...awaited].some(hopeful) && awaited.every((o) => this.waitsInTheEnd(o, node, stuck, tokens));
  }

  private waitsInTheEnd(
    one: Ruled,
    other: Ruled,
    stuck: readonly Ruled[],
    tokens: readonly Token[],
    seen: readonly Ruled[] = [],
  ): boolean {
    const awaited = stuck.filter((next) => next !== one && this.canHelp(next.id, one.id, tokens));
    return awaited.some(
      (next) =>
        next === other || (!seen.includes(next) && this.waitsInTheEnd(next, other, stuck, tokens, [...seen, next])),
    );
  }

  /** Whether what is at a place may still bring a token to an edge of the join that has none. */
  private canHelp(place: string, join: string, tokens: readonly Token[]): boolean {
    return this.into(join).some((edge) => !isOn(edge, tokens) && this.mayBring(place, edge));
  }

  /** Whether a walk from the node may end with the edge, without entering the edge's target before. */
  private mayBring(from: string, edge: DefinitionEdge, seen: readonly string[] = []): boolean {
    return this.edges
      .filter(({ source }) => source === from)
      .some(
        ({ id, target }) =>
          id === edge.id ||
          (target !== edge.target && !seen.includes(target) && this.mayBring(target, edge, [...seen, target])),
      );
  }

  private isHeld({ requires, key }: Ruled): boolean {
    const unmet = requires.some(({ node, is }) => {
      const starts = this.startsOf(node);
      if (is === 'not_started') return starts.length > 0;
      if (is === 'active') return !starts.some(isActive);
      return !starts.some(({ status }) => status === 'completed');
    });
    return unmet || (key !== undefined && this.active().some(({ node_id }) => this.node(node_id).key === key));
  }

  /** Everything that was ever put on an edge or at an entry, without what was consumed or came too late. */
  private tokens(): Token[] {
    const entries = this.nodes
      .filter(({ id }) => this.into(id).length === 0)
      .map(({ id }): Token => ({ edge: null, node: id, source: null, source_iteration: 0 }));
    const fired = this.steps.flatMap(({ node_id, iteration, fired: ids }) =>
      ids.map((edge): Token => {
        const { target } = this.edges.find(({ id }) => id === edge)!;
        return { edge, node: target, source: node_id, source_iteration: iteration };
      }),
    );
    const consumed = new Set(this.steps.flatMap((step) => step.consumed).map((token) => JSON.stringify(token)));
    return [...entries, ...fired].filter(
      (token) => !consumed.has(JSON.stringify(token)) && !this.isTokenOvertaken(token),
    );
  }

  private isTokenOvertaken(token: Token): boolean {
    if (this.isRaceLost(token.node, [token])) return true;
    const { join } = this.node(token.node);
    const last = this.startsOf(token.node).toSorted(byIterationOfStep).at(-1);
    if (last && (join === 'any' || typeof join === 'object') && !comesFrom(this.steps, [token], last)) return true;
    return this.isCutOff(token.node, (start) => comesFrom(this.steps, [token], start));
  }

  private isStepOvertaken(step: StepSoFar): boolean {
    if (this.isRaceLost(step.node_id, step.consumed)) return true;
    return this.isCutOff(step.node_id, (start) => comesFrom(this.steps, step.consumed, start));
  }

  /** Whether a node that has started ends what is at the place, unless that comes from its last start. */
  private isCutOff(place: string, comesFromStart: (start: StepSoFar) => boolean): boolean {
    return this.nodes.some(({ id, cancels, cancelRest }) => {
      const last = this.startsOf(id).toSorted(byIterationOfStep).at(-1);
      if (!last || id === place) return false;
      const isMeant = cancels.includes(place) || (cancelRest && this.into(id).some((e) => this.mayBring(place, e)));
      return isMeant && !comesFromStart(last);
    });
  }

  /** Whether another node of the same race, begun by the same step, has ended. */
  private isRaceLost(place: string, tokens: readonly Token[]): boolean {
    const { race } = this.node(place);
    const rivals = this.steps.filter(({ node_id }) => race !== undefined && this.node(node_id).race === race);
    return rivals
      .filter(({ status }) => status === 'completed' || status === 'failed')
      .some(({ consumed }) => consumed.some((theirs) => tokens.some((ours) => isFromSameStep(ours, theirs))));
  }

  private active = () => this.steps.filter(isActive);
  private startsOf = (node: string) => this.steps.filter(({ node_id }) => node_id === node);
  private into = (node: string) => this.edges.filter(({ target }) => target === node);
  private node = (node: string) => this.nodes.find(({ id }) => id === node)!;
}

const isActive = ({ status }: StepSoFar) => ['running', 'waiting', 'backing_off'].includes(status);
const isOn = ({ id }: DefinitionEdge, tokens: readonly Token[]) => tokens.some(({ edge }) => edge === id);
const byIteration = (a: Token, b: Token) => a.source_iteration - b.source_iteration;
const byIterationOfStep = (a: StepSoFar, b: StepSoFar) => a.iteration - b.iteration;

const isOf = ({ source, source_iteration }: Token, step: StepSoFar) =>
  source === step.node_id && source_iteration === step.iteration;

const isSame = (a: { node_id: string; iteration: number }, b: { node_id: string; iteration: number }) =>
  a.node_id === b.node_id && a.iteration === b.iteration;

const isFromSameStep = (a: Token, b: Token) => a.source === b.source && a.source_iteration === b.source_iteration;
