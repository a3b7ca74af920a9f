import type { Start, StepSoFar, Token } from './advance-execution.js';
import type { WorkflowDefinition } from './definition.js';

type Arrow = WorkflowDefinition['edges'][number];

/**
 * The rules of `advance` once more, written to be obvious and not to be fast: lists only, every question answered
 * by walking the drawing forward. In no particular order; see `described`.
 */
export function slowStarts(definition: WorkflowDefinition, steps: readonly StepSoFar[]): string[] {
  const position = new Position(definition, steps);
  const starts: string[] = [];
  for (let node = position.nextNode(); node !== undefined; node = position.nextNode()) {
    starts.push(described(position.begin(node)));
  }
  return starts;
}

class Position {
  private tokens: Token[];
  private readonly running: string[];
  private readonly startedNodes: string[];
  private readonly nodes: string[];
  private readonly edges: readonly Arrow[];

  constructor(definition: WorkflowDefinition, steps: readonly StepSoFar[]) {
    const active = steps.filter(({ status }) => ['running', 'waiting', 'backing_off'].includes(status));
    this.tokens = tokensOf(definition, steps);
    this.running = active.map(({ node_id }) => node_id);
    this.startedNodes = steps.map(({ node_id }) => node_id);
    this.nodes = definition.nodes.map(({ id }) => id);
    this.edges = definition.edges;
  }

  nextNode(): string | undefined {
    return this.nodes.find((node) => this.isReady(node)) ?? this.nodes.find((node) => this.isReleased(node));
  }

  begin(node: string): Start {
    const filled = this.into(node).filter((edge) => this.tokensOn(edge).length > 0);
    const atEntry = this.tokens.filter((token) => token.node === node && token.edge === null);
    const consumed = [...atEntry, ...filled.map((edge) => oldest(this.tokensOn(edge)))];
    this.tokens = this.tokens.filter((token) => !consumed.includes(token));
    this.running.push(node);
    this.startedNodes.push(node);
    return { node_id: node, iteration: this.startedNodes.filter((other) => other === node).length, consumed };
  }

  private isReady(node: string): boolean {
    if (!this.hasToken(node)) return false;
    const elsewhere = this.tokens.map((token) => token.node).filter((place) => place !== node);
    return this.into(node).length < 2 || ![...this.running, ...elsewhere].some((place) => this.canHelp(place, node));
  }

  private isReleased(node: string): boolean {
    const stuck = this.nodes.filter((other) => this.hasToken(other));
    if (!stuck.includes(node)) return false;
    const awaited = stuck.filter((other) => this.waitsInTheEnd(node, other, stuck));
    const hopes = (join: string) => this.running.some((place) => this.canHelp(place, join));
    return ![node, ...awaited].some(hopes) && awaited.every((other) => this.waitsInTheEnd(other, node, stuck));
  }

  private waitsInTheEnd(one: string, other: string, stuck: readonly string[], seen: readonly string[] = []): boolean {
    const awaited = stuck.filter((next) => next !== one && this.canHelp(next, one));
    return awaited.some(
      (next) => next === other || (!seen.includes(next) && this.waitsInTheEnd(next, other, stuck, [...seen, next])),
    );
  }

  /** Whether what is at a place may still bring a token to an edge of the join that has none. */
  private canHelp(place: string, join: string): boolean {
    return this.into(join).some((edge) => this.tokensOn(edge).length === 0 && this.mayBring(place, edge));
  }

  /** Whether a walk from the node may end with the edge, without entering the edge's target before. */
  private mayBring(from: string, edge: Arrow, seen: readonly string[] = []): boolean {
    return this.edges
      .filter(({ source }) => source === from)
      .some(
        ({ id, target }) =>
          id === edge.id ||
          (target !== edge.target && !seen.includes(target) && this.mayBring(target, edge, [...seen, target])),
      );
  }

  private into(node: string): Arrow[] {
    return this.edges.filter(({ target }) => target === node);
  }

  private tokensOn(edge: Arrow): Token[] {
    return this.tokens.filter((token) => token.edge === edge.id);
  }

  private hasToken(node: string): boolean {
    return this.tokens.some((token) => token.node === node);
  }
}

/** A start in one line: `j#2 a>j@1 b>j@2`, the edges with the iterations of their sources. */
export function described({ node_id, iteration, consumed }: Start): string {
  const tokens = consumed.map(({ edge, source_iteration }) => `${edge ?? 'entry'}@${source_iteration}`);
  return `${node_id}#${iteration} ${tokens.join(' ')}`;
}

/** Everything that was ever put on an edge or at an entry, without what was consumed. */
function tokensOf({ nodes, edges }: WorkflowDefinition, steps: readonly StepSoFar[]): Token[] {
  const entries = nodes
    .filter(({ id }) => edges.every(({ target }) => target !== id))
    .map(({ id }): Token => ({ edge: null, node: id, source: null, source_iteration: 0 }));
  const fired = steps.flatMap(({ node_id, iteration, fired: ids }) =>
    ids.map((edge): Token => {
      const { target } = edges.find(({ id }) => id === edge)!;
      return { edge, node: target, source: node_id, source_iteration: iteration };
    }),
  );
  const consumed = new Set(steps.flatMap((step) => step.consumed).map((token) => JSON.stringify(token)));
  return [...entries, ...fired].filter((token) => !consumed.has(JSON.stringify(token)));
}

const oldest = (tokens: readonly Token[]) => tokens.toSorted((a, b) => a.source_iteration - b.source_iteration)[0]!;
