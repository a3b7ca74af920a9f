import type { Start, StepSoFar, Token } from './advance-execution.js';
import type { WorkflowDefinition } from './definition.js';

type Arrow = WorkflowDefinition['edges'][number];

/**
 * The rules of `advance` once more, written to be obvious and not to be fast: lists only, every question answered
 * by walking the drawing forward. In no particular order; see `described`.
 */
export function slowStarts({ nodes, edges }: WorkflowDefinition, steps: readonly StepSoFar[]): string[] {
  let tokens = tokensOf({ nodes, edges }, steps);
  const active = steps.filter(({ status }) => ['running', 'waiting', 'backing_off'].includes(status));
  const running = active.map(({ node_id }) => node_id);
  const iterations = steps.map(({ node_id }) => node_id);
  const starts: string[] = [];

  const into = (node: string) => edges.filter(({ target }) => target === node);
  const hasToken = (edge: Arrow) => tokens.some((token) => token.edge === edge.id);
  const isEmpty = (edge: Arrow) => !hasToken(edge);

  /** Whether a walk from the node may end with the edge, without entering the edge's target before. */
  const mayStillBring = (from: string, edge: Arrow, seen: readonly string[] = []): boolean =>
    edges
      .filter(({ source }) => source === from)
      .some(
        (step) =>
          step.id === edge.id ||
          (step.target !== edge.target &&
            !seen.includes(step.target) &&
            mayStillBring(step.target, edge, [...seen, step.target])),
      );

  const isHopedFor = (edge: Arrow, places: readonly string[]) => places.some((place) => mayStillBring(place, edge));
  const tokensElsewhere = (node: string) => tokens.map((token) => token.node).filter((place) => place !== node);

  const isReady = (node: string) =>
    tokens.some((token) => token.node === node) &&
    (into(node).length < 2 ||
      into(node)
        .filter(isEmpty)
        .every((edge) => !isHopedFor(edge, running) && !isHopedFor(edge, tokensElsewhere(node))));

  const begin = (node: string) => {
    const consumed = into(node)
      .filter(hasToken)
      .map((edge) => oldest(tokens.filter((token) => token.edge === edge.id)));
    if (consumed.length === 0) consumed.push(...tokens.filter((token) => token.node === node));
    iterations.push(node);
    const iteration = iterations.filter((other) => other === node).length;
    starts.push(described({ node_id: node, iteration, consumed }));
    tokens = tokens.filter((token) => !consumed.includes(token));
    running.push(node);
  };

  const releasable = () => {
    const stuck = nodes.map(({ id }) => id).filter((id) => tokens.some((token) => token.node === id));
    const waits = (one: string, other: string) =>
      one !== other &&
      into(one)
        .filter(isEmpty)
        .some((edge) => mayStillBring(other, edge));
    const waitsInTheEnd = (one: string, other: string, seen: readonly string[] = []): boolean =>
      waits(one, other) ||
      stuck.some((next) => !seen.includes(next) && waits(one, next) && waitsInTheEnd(next, other, [...seen, next]));
    const hopes = (one: string) =>
      into(one)
        .filter(isEmpty)
        .some((edge) => isHopedFor(edge, running));
    return stuck.find((one) => {
      const awaited = stuck.filter((other) => waitsInTheEnd(one, other));
      return !hopes(one) && awaited.every((other) => !hopes(other) && waitsInTheEnd(other, one));
    });
  };

  for (;;) {
    const next = nodes.map(({ id }) => id).find(isReady) ?? releasable();
    if (next === undefined) return starts;
    begin(next);
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
