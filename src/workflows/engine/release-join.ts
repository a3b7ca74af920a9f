import type { Marking } from './marking.js';
import { nodeOf, type Graph, type GraphEdge } from './graph.js';
import { strongComponents } from './strong-components.js';

/**
 * The join to start although an edge of it could still get a token: one of a group that waits only for each other.
 * Asked when no other rule starts anything, so that every token left waits at a join. Undefined if all of them have
 * something active to wait for.
 *
 * 1. A join waits for another one if a token there could reach an edge of it that has none.
 * 2. A join that waits, itself or through others, for an active step goes on waiting.
 * 3. Of the rest, those count that nothing outside their group could help: every join they wait for also waits for
 *    them. So a join behind a stuck pair is never taken before the pair.
 * 4. Of these the first in the order of the definition, those that start with fewer arrivals before those that cannot.
 *
 * @param held nodes whose tokens are held back for now: like something active, they may still go on
 */
export function releasedJoin(graph: Graph, marking: Marking, held: readonly string[]): string | undefined {
  const blocked = [...new Set(marking.tokens.map(({ node }) => node))]
    .filter((node) => !held.includes(node))
    .toSorted((a, b) => nodeOf(graph, a).index - nodeOf(graph, b).index);
  const empty = new Map(blocked.map((join) => [join, emptyEdges(graph, marking, join)]));
  const hopes = [...marking.active.map(({ node_id }) => node_id), ...held];
  const mayGet = (join: string, from: string) => empty.get(join)!.some((edge) => graph.reach(from, edge));
  const waitsFor = new Map(
    blocked.map((join) => [join, blocked.filter((other) => other !== join && mayGet(join, other))]),
  );
  const groups = strongComponents(blocked, (join) => waitsFor.get(join)!).map((group) => new Set(group));
  const stuckGroups = groups.filter((group) =>
    [...group].every(
      (join) => !hopes.some((id) => mayGet(join, id)) && waitsFor.get(join)!.every((other) => group.has(other)),
    ),
  );
  const stuck = blocked.filter((join) => stuckGroups.some((group) => group.has(join)));
  return stuck.find((join) => nodeOf(graph, join).data.join === 'all') ?? stuck[0];
}

function emptyEdges(graph: Graph, { tokens }: Marking, join: string): GraphEdge[] {
  const filled = new Set(tokens.map(({ edge }) => edge));
  return nodeOf(graph, join).incoming.filter(({ id }) => !filled.has(id));
}
