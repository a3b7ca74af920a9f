import type { Problem } from '../../platform/errors/domain-error.js';
import { handlesOf, sourceHandleOf } from './definition.js';
import { pointerTo } from './json-pointer.js';
import type { ReadEdge, ReadNode } from './read-definition.js';
import { strongComponents } from './strong-components.js';
import { compensationOf } from './validate-patterns.js';

/** An edge between two nodes that exist. */
interface Link {
  readonly source: ReadNode;
  readonly target: ReadNode;
  /** Undefined where the type of the source is unknown or the edge names no handle and has to. */
  readonly handle: string | undefined;
  readonly isConditional: boolean;
}

/** What is wrong with how nodes and edges fit together. */
export function graphProblems(nodes: readonly ReadNode[], edges: readonly ReadEdge[], base: string): Problem[] {
  const byId = new Map<string, ReadNode>();
  for (const node of nodes) if (node.id !== undefined && !byId.has(node.id)) byId.set(node.id, node);
  const links = edges.map((edge) => linkOf(edge, byId)).filter((link) => link !== undefined);
  return [
    ...duplicates(nodes, 'NODE_ID_DUPLICATE', 'node'),
    ...duplicates(edges, 'EDGE_ID_DUPLICATE', 'edge'),
    ...edges.flatMap((edge) => danglingProblems(edge, byId)),
    ...edges.flatMap((edge) => handleProblems(edge, byId)),
    ...reachabilityProblems([...byId.values()], links, base),
    ...loopProblems([...byId.values()], links),
  ];
}

function linkOf(edge: ReadEdge, byId: ReadonlyMap<string, ReadNode>): Link | undefined {
  const source = byId.get(edge.source ?? '');
  const target = byId.get(edge.target ?? '');
  if (!source || !target) return undefined;
  const handle = source.type && (sourceHandleOf(source.type, { sourceHandle: edge.sourceHandle ?? null }) ?? undefined);
  return { source, target, handle, isConditional: edge.when !== undefined };
}

function duplicates(items: readonly (ReadNode | ReadEdge)[], code: string, what: string): Problem[] {
  const seen = new Set<string>();
  return items.flatMap(({ id, pointer }) => {
    if (id === undefined) return [];
    const isFirst = !seen.has(id);
    seen.add(id);
    const message = `An earlier ${what} has the id ${JSON.stringify(id.slice(0, 64))}; give each ${what} its own.`;
    return isFirst ? [] : [{ pointer: pointerTo(pointer, 'id'), code, message }];
  });
}

function danglingProblems({ pointer, source, target }: ReadEdge, byId: ReadonlyMap<string, ReadNode>): Problem[] {
  const ends = [
    ['source', 'EDGE_SOURCE_UNKNOWN', source],
    ['target', 'EDGE_TARGET_UNKNOWN', target],
  ] as const;
  return ends.flatMap(([name, code, id]) => {
    if (id === undefined || byId.has(id)) return [];
    const message = `There is no node ${JSON.stringify(id.slice(0, 64))}; connect the edge to a node or remove it.`;
    return [{ pointer: pointerTo(pointer, name), code, message }];
  });
}

function handleProblems(edge: ReadEdge, byId: ReadonlyMap<string, ReadNode>): Problem[] {
  const node = byId.get(edge.source ?? '');
  const handles = node?.type && handlesOf(node.type, node.data);
  if (!node?.type || !handles) return [];
  const pointer = pointerTo(edge.pointer, 'sourceHandle');
  if (handles.length === 0) {
    const message = `A node of type ${node.type} is where the way ends; remove the edge.`;
    return [{ pointer: pointerTo(edge.pointer, 'source'), code: 'EDGE_LEAVES_END', message }];
  }
  const handle = sourceHandleOf(node.type, { sourceHandle: edge.sourceHandle ?? null });
  if (handle !== null && handles.includes(handle)) return [];
  const named = handle === null ? 'has to name a handle' : `leaves by ${JSON.stringify(handle.slice(0, 64))}`;
  const message = `The edge ${named}; node ${node.id} has ${handles.join(', ')}.`;
  return [{ pointer, code: 'HANDLE_UNKNOWN', message }];
}

function reachabilityProblems(all: readonly ReadNode[], links: readonly Link[], base: string): Problem[] {
  const compensations = new Set(all.map(compensationOf));
  const nodes = all.filter(({ id }) => !compensations.has(id));
  const targets = new Set(links.map(({ target }) => target));
  const entries = nodes.filter((node) => !targets.has(node));
  if (entries.length === 0 && all.length > 0) {
    const message =
      'Every node has an incoming edge or undoes another, so none can start; add a node that starts by itself.';
    return [{ pointer: pointerTo(base, 'nodes'), code: 'NO_ENTRY_NODE', message }];
  }
  const reached = new Set(entries);
  const following = Map.groupBy(links, ({ source }) => source);
  for (const node of reached) for (const { target } of following.get(node) ?? []) reached.add(target);
  return nodes
    .filter((node) => !reached.has(node))
    .map(({ pointer, id }) => {
      const message = `No way leads to node ${id} from a node without incoming edges; connect or remove it.`;
      return { pointer, code: 'NODE_UNREACHABLE', message };
    });
}

/**
 * A loop ends if one of its nodes has a handle by which it may leave without staying inside: a handle whose edges
 * into the loop are all conditional, or that has none. An edge out beside an unconditional one back is no way out:
 * both are taken, every round.
 */
function loopProblems(nodes: readonly ReadNode[], links: readonly Link[]): Problem[] {
  const following = Map.groupBy(links, ({ source }) => source);
  const components = strongComponents(nodes, (node) => (following.get(node) ?? []).map(({ target }) => target));
  return components.flatMap((component) => {
    const members = new Set(component);
    const inner = links.filter(({ source, target }) => members.has(source) && members.has(target));
    if (inner.length === 0 || component.some((node) => mayLeave(node, inner))) return [];
    const names = component.map(({ id }) => id).join(', ');
    const message = `The loop of ${names} never ends; let a branch, a checkpoint or a condition lead out of it.`;
    return component.map(({ pointer }) => ({ pointer, code: 'CYCLE_WITHOUT_EXIT', message }));
  });
}

function mayLeave(node: ReadNode, inner: readonly Link[]): boolean {
  const handles = node.type && handlesOf(node.type, node.data);
  if (!handles) return true;
  const staying = inner.filter(({ source, isConditional }) => source === node && !isConditional);
  return handles.some((handle) => staying.every((link) => link.handle !== handle));
}
