import type { Graph, GraphNode, Marker } from './graph.js';
import type { Lineage, Marking, Token } from './marking.js';

type Past = Pick<Marking, 'started' | 'decided'>;

/** A token that waits, or a step that is active. */
type Place = (Token & { lineage: Lineage }) | { node_id: string; lineage: Lineage; races: readonly string[] };

/**
 * Whether something has come too late: a token that will never be consumed, a step that is to be cancelled. It stays
 * so whatever else happens, because starts only become more.
 *
 * 1. Its race has been won by another (deferred choice).
 * 2. It waits at a join that starts at the first or the k-th arrival, and does not come from the join's last start:
 *    that start was for its round.
 * 3. It could still arrive at such a join that cancels the rest, and does not come from the join's last start.
 * 4. A node that `cancels` the node it is at has started, and it does not come from that start.
 *
 * "Comes from" is kept as the lineage of tokens and steps. It makes rounds a matter of cause and effect, not of time:
 * in a loop a branch that is still on its way from the round before is told from one of the new round.
 * @param by the markers that may have overtaken it; those that have not started since it was asked before may be left out
 */
export function isOvertaken(graph: Graph, past: Past, place: Place, by = graph.markers): boolean {
  const isToken = 'edge' in place;
  const at = isToken ? place.node : place.node_id;
  if (past.decided.size > 0 && racesOfPlace(graph, place).some((race) => past.decided.has(race))) return true;
  return by.some(({ node, index, cancels }) => {
    const last = past.started.get(node.id) ?? 0;
    if ((place.lineage[index] ?? 0) >= last) return false;
    if (node.id === at) return isToken && node.data.join !== 'all' && node.data.join !== 'each';
    return cancels.has(at) || (node.data.cancel_rest && mayArrive(graph, at, node));
  });
}

/** What the start of a node may have overtaken others by: itself, if it is one. */
export const markersOf = ({ markers }: Graph, nodeId: string): readonly Marker[] =>
  markers.filter(({ node }) => node.id === nodeId);

/** The race of that name to which the step before led, in which a token at a node takes part. */
export const raceOf = (race: string, { source, source_iteration }: Token) =>
  `${source ?? ''}#${source_iteration} ${race}`;

function racesOfPlace(graph: Graph, place: Place): readonly string[] {
  if ('races' in place) return place.races;
  const data = graph.nodes.get(place.node)?.data;
  const race = data && 'race' in data ? data.race : undefined;
  return race === undefined ? [] : [raceOf(race, place)];
}

function mayArrive(graph: Graph, from: string, join: GraphNode): boolean {
  return join.incoming.some((edge) => graph.reach(from, edge));
}
