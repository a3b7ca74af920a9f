import {
  handlesOf,
  nodeTypes,
  sourceHandleOf,
  type DefinitionEdge,
  type DefinitionNode,
  type NodeData,
  type NodeType,
  type WorkflowDefinition,
} from './definition.js';
import { compileExpression, expressionContext, type Expression, itemContext } from './expression.js';
import type { ExpressionContext } from './expressions/syntax-place.js';
import { reachOf, type Reach } from './reach.js';
import { compileTemplate, type Template } from './template.js';

/** A definition made ready to run: defaults applied, templates compiled, edges looked up. Immutable. */
export interface Graph {
  /** In the order of the definition. */
  readonly nodes: ReadonlyMap<string, GraphNode>;
  readonly edges: ReadonlyMap<string, GraphEdge>;
  /** Nodes without incoming edges, in the order of the definition; compensations are started by nothing here. */
  readonly entries: readonly string[];
  /** In the order of the definition. */
  readonly markers: readonly Marker[];
  /** The workflow that each item of a `map` goes through, where it is written in the definition. */
  readonly bodies: ReadonlyMap<string, Graph>;
  /** From which nodes an edge can still be reached; computed when first asked, then kept. */
  readonly reach: Reach;
}

/** A node whose starts overtake others, see `isOvertaken`. */
export interface Marker {
  readonly node: GraphNode;
  /** Its place among the markers, from 0; that of its starts in a `Lineage`. */
  readonly index: number;
  readonly cancels: ReadonlySet<string>;
}

export type GraphNode = { [T in NodeType]: GraphNodeOf<T> }[NodeType];

interface GraphNodeOf<T extends NodeType> {
  readonly id: string;
  readonly type: T;
  /** Place in the definition, from 0. */
  readonly index: number;
  readonly data: NodeData<T>;
  /** Compiled fields of `data` that hold expressions; those left out are not in it. */
  readonly templates: Readonly<Record<string, Template>>;
  /** The conditions of a branch, in the order of its cases; [] for other types. */
  readonly conditions: readonly Expression[];
  readonly incoming: readonly GraphEdge[];
  readonly outgoing: ReadonlyMap<string, readonly GraphEdge[]>;
}

export interface GraphEdge {
  readonly id: string;
  /** Place in the definition, from 0. */
  readonly index: number;
  readonly source: string;
  readonly sourceHandle: string;
  readonly target: string;
  readonly when: Expression | null;
}

/**
 * Takes only what `validateDefinition` has accepted.
 * @throws Error for a definition that it would not have accepted
 */
export function compileGraph(definition: WorkflowDefinition): Graph {
  return compileWith(definition, expressionContext());
}

function compileWith(definition: WorkflowDefinition, context: ExpressionContext): Graph {
  const types = new Map(definition.nodes.map(({ id, type }) => [id, type]));
  const edges = definition.edges.map((edge, index) => compileEdge(edge, index, types.get(edge.source), context));
  const incoming = Map.groupBy(edges, ({ target }) => target);
  const outgoing = Map.groupBy(edges, ({ source }) => source);
  const nodes = definition.nodes.map((node, index) =>
    compileNode(node, index, incoming.get(node.id) ?? [], outgoing.get(node.id) ?? [], context),
  );
  const nodesById = new Map(nodes.map((node) => [node.id, node]));
  const compensations = new Set(nodes.map(({ data }) => 'compensate' in data && data.compensate));
  return {
    nodes: nodesById,
    edges: new Map(edges.map((edge) => [edge.id, edge])),
    entries: nodes.filter((node) => node.incoming.length === 0 && !compensations.has(node.id)).map(({ id }) => id),
    markers: nodes.filter(isMarker).map((node, index) => ({ node, index, cancels: new Set(node.data.cancels) })),
    bodies: new Map(nodes.flatMap((node) => bodyOf(node, context))),
    reach: reachOf(nodesById),
  };
}

function isMarker({ data: { join, cancels } }: GraphNode): boolean {
  return cancels.length > 0 || (join !== 'all' && join !== 'each');
}

function bodyOf(node: GraphNode, context: ExpressionContext): [string, Graph][] {
  if (node.type !== 'map' || !node.data.definition) return [];
  const definition = node.data.definition as unknown as WorkflowDefinition;
  return [[node.id, compileWith(definition, itemContext(context))]];
}

/** @throws Error if the graph has no such node: rows of another version */
export function nodeOf(graph: Graph, nodeId: string): GraphNode {
  const node = graph.nodes.get(nodeId);
  if (!node) throw new Error(`The graph has no node ${JSON.stringify(nodeId)}`);
  return node;
}

/** @throws Error if the graph has no such edge: rows of another version */
export function edgeOf(graph: Graph, edgeId: string): GraphEdge {
  const edge = graph.edges.get(edgeId);
  if (!edge) throw new Error(`The graph has no edge ${JSON.stringify(edgeId)}`);
  return edge;
}

function compileNode(
  node: DefinitionNode,
  index: number,
  incoming: readonly GraphEdge[],
  outgoing: readonly GraphEdge[],
  context: ExpressionContext,
): GraphNode {
  const { id, type } = node;
  const data = nodeTypes[type].data.parse(node.data);
  return {
    id,
    type,
    index,
    data,
    templates: compileTemplates(type, data, context),
    conditions: 'cases' in data ? data.cases.map(({ when }) => mustCompile(when, context)) : [],
    incoming,
    outgoing: edgesByHandle(handlesOf(type, data) ?? [], outgoing),
  } as GraphNode;
}

function edgesByHandle(handles: readonly string[], edges: readonly GraphEdge[]) {
  return new Map(handles.map((handle) => [handle, edges.filter(({ sourceHandle }) => sourceHandle === handle)]));
}

function compileTemplates(type: NodeType, data: NodeData, context: ExpressionContext): Record<string, Template> {
  const fields = new Map(Object.entries(data));
  const given = nodeTypes[type].templates.filter((field) => fields.get(field) !== undefined);
  return Object.fromEntries(
    given.map((field) => {
      const compiled = compileTemplate(fields.get(field), context);
      if (!compiled.ok) throw new Error(`Not a valid definition: ${compiled.problems[0]?.message}`);
      return [field, compiled.template];
    }),
  );
}

function compileEdge(
  edge: DefinitionEdge,
  index: number,
  type: NodeType | undefined,
  context: ExpressionContext,
): GraphEdge {
  const sourceHandle = type && sourceHandleOf(type, edge);
  if (!sourceHandle) throw new Error(`Not a valid definition: edge ${edge.id} leaves by no handle`);
  const { id, source, target } = edge;
  const when = edge.data?.when;
  return { id, index, source, sourceHandle, target, when: when === undefined ? null : mustCompile(when, context) };
}

function mustCompile(source: string, context: ExpressionContext): Expression {
  const compiled = compileExpression(source, context);
  if (compiled.ok) return compiled.expression;
  throw new Error(`Not a valid definition: ${compiled.problem.message}`);
}
