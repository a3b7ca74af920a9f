import type { Problem } from '../../platform/errors/domain-error.js';
import { ERROR_HANDLE, type NodeData, type NodeType } from './definition.js';
import { pointerTo } from './json-pointer.js';
import type { ReadEdge, ReadNode } from './read-definition.js';

/** What a node may be that undoes another: it has to end by itself, and there is nothing after it. */
const COMPENSATION_TYPES: readonly NodeType[] = ['code', 'http', 'transform', 'workflow'];

/** A node that could be read, with its data. */
type WholeNode = ReadNode & { readonly data: NodeData };

/** What is wrong with joins, and with the nodes that nodes name in their data. */
export function patternProblems(nodes: readonly ReadNode[], edges: readonly ReadEdge[]): Problem[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  return nodes
    .filter((node): node is WholeNode => node.data !== undefined)
    .flatMap((node) => [
      ...joinProblems(node, edges),
      ...mentionProblems(node, byId),
      ...compensationProblems(node, byId, edges),
      ...errorRouteProblems(node, edges),
    ]);
}

/** The node that undoes this one, if it names one. */
export function compensationOf({ data }: ReadNode): string | undefined {
  return data && 'compensate' in data ? data.compensate : undefined;
}

function joinProblems({ id, data, pointer }: WholeNode, edges: readonly ReadEdge[]): Problem[] {
  const incoming = edges.filter(({ target }) => target === id).length;
  const problem = (field: string, code: string, message: string) => {
    return { pointer: pointerTo(pointer, 'data', field), code, message };
  };
  const { join, cancel_rest } = data;
  if (typeof join === 'object' && join.count > incoming) {
    const message = `The join waits for ${join.count} arrivals, and ${incoming} edges lead to the node; lower the count or connect more.`;
    return [problem('join', 'JOIN_COUNT_TOO_HIGH', message)];
  }
  if (!cancel_rest || typeof join === 'object' || join === 'any') return [];
  return [problem('cancel_rest', 'INVALID_VALUE', 'cancel_rest needs a join of any or of a count; set one.')];
}

function mentionProblems(node: WholeNode, byId: ReadonlyMap<string | undefined, ReadNode>): Problem[] {
  const { cancels, requires } = node.data;
  const compensate = compensationOf(node);
  const mentions = [
    ...cancels.map((id, i) => ({ id, at: ['cancels', i] })),
    ...requires.map(({ node: id }, i) => ({ id, at: ['requires', i, 'node'] })),
    ...(compensate === undefined ? [] : [{ id: compensate, at: ['compensate'] }]),
  ];
  return mentions.flatMap(({ id, at }) => {
    const pointer = pointerTo(node.pointer, 'data', ...at);
    if (id === node.id) return [{ pointer, code: 'NODE_NAMES_ITSELF', message: 'Name another node than this one.' }];
    if (byId.has(id)) return [];
    const message = `There is no node ${JSON.stringify(id)}; name one of this definition.`;
    return [{ pointer, code: 'UNKNOWN_NODE', message }];
  });
}

function compensationProblems(
  node: WholeNode,
  byId: ReadonlyMap<string | undefined, ReadNode>,
  edges: readonly ReadEdge[],
): Problem[] {
  const undoing = byId.get(compensationOf(node) ?? '');
  if (!undoing || undoing === node) return [];
  const pointer = pointerTo(node.pointer, 'data', 'compensate');
  if (undoing.type && !COMPENSATION_TYPES.includes(undoing.type)) {
    const message = `A compensation is one of ${COMPENSATION_TYPES.join(', ')}; ${undoing.id} is a ${undoing.type}.`;
    return [{ pointer, code: 'COMPENSATION_TYPE', message }];
  }
  if (edges.every(({ source, target }) => source !== undoing.id && target !== undoing.id)) return [];
  const message = `Node ${undoing.id} is started when the execution fails or is cancelled; remove the edges to and from it.`;
  return [{ pointer, code: 'COMPENSATION_CONNECTED', message }];
}

function errorRouteProblems({ id, data, pointer }: WholeNode, edges: readonly ReadEdge[]): Problem[] {
  if (!('on_error' in data) || data.on_error !== 'route') return [];
  if (edges.some(({ source, sourceHandle }) => source === id && sourceHandle === ERROR_HANDLE)) return [];
  const message = `With on_error: route an edge has to leave by the handle "${ERROR_HANDLE}"; add one, or use continue.`;
  return [{ pointer: pointerTo(pointer, 'data', 'on_error'), code: 'ERROR_ROUTE_MISSING', message }];
}
