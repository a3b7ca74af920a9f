import type { Marking } from './advance-execution.js';
import { nodeOf, type Graph, type GraphEdge } from './graph.js';

/**
 * The join to start although an edge of it could still get a token: one of a group that waits only for each other.
 * Asked when no other rule starts anything, so that every token left waits at a join. Undefined if all of them have
 * something active to wait for.
 *
 * 1. A join waits for another one if a token there could reach an edge of it that has none.
 * 2. A join that waits, itself or through others, for an active step goes on waiting.
 * 3. Of the rest, those count that nothing outside their group could help: every join they wait for also waits for
 *    them. So a join behind a stuck pair is never taken before the pair.
 * 4. Of these the first in the order of the definition.
 */
export function releasedJoin(graph: Graph, marking: Marking): string | undefined {
  const blocked = [...new Set(marking.tokens.map(({ node }) => node))].toSorted(
    (a, b) => nodeOf(graph, a).index - nodeOf(graph, b).index,
  );
  const empty = new Map(blocked.map((join) => [join, emptyEdges(graph, marking, join)]));
  const waitsForActive = (join: string) =>
    empty.get(join)!.some((edge) => marking.active.some(({ node_id }) => graph.reach(node_id, edge)));
  const waitsFor = (join: string) =>
    blocked.filter((other) => other !== join && empty.get(join)!.some((edge) => graph.reach(other, edge)));
  const awaited = new Map(blocked.map((join) => [join, closure(join, waitsFor)]));
  return blocked.find((join) => {
    const group = [...awaited.get(join)!];
    return !waitsForActive(join) && group.every((other) => !waitsForActive(other) && awaited.get(other)!.has(join));
  });
}

function emptyEdges(graph: Graph, { tokens }: Marking, join: string): GraphEdge[] {
  const filled = new Set(tokens.map(({ edge }) => edge));
  return nodeOf(graph, join).incoming.filter(({ id }) => !filled.has(id));
}

/** Everything that is reached from a place by one step or more. */
function closure(from: string, next: (join: string) => readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [...next(from)];
  for (let join = open.pop(); join !== undefined; join = open.pop()) {
    if (found.has(join)) continue;
    found.add(join);
    open.push(...next(join));
  }
  return found;
}
