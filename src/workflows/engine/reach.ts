import type { GraphEdge, GraphNode } from './graph.js';

/**
 * Whether something at the node `from` may still put a token on the edge without passing through the edge's target.
 * A step that runs at the target itself counts: what it fires may come back.
 */
export type Reach = (from: string, edge: GraphEdge) => boolean;

type Nodes = ReadonlyMap<string, Pick<GraphNode, 'id' | 'index' | 'incoming'>>;

/** One backward search per edge that is asked about, kept as a byte per node. */
export function reachOf(nodes: Nodes): Reach {
  const searched = new Map<string, Uint8Array>();
  return (from, edge) => {
    let reaching = searched.get(edge.id);
    if (!reaching) {
      reaching = searchBackward(nodes, edge);
      searched.set(edge.id, reaching);
    }
    return reaching[nodes.get(from)!.index] === 1;
  };
}

function searchBackward(nodes: Nodes, edge: GraphEdge): Uint8Array {
  const reaching = new Uint8Array(nodes.size);
  const open = [edge.source];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = nodes.get(id)!;
    if (reaching[node.index] === 1) continue;
    reaching[node.index] = 1;
    if (id !== edge.target) open.push(...node.incoming.map(({ source }) => source));
  }
  return reaching;
}
