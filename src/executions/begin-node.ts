import { storable } from '../platform/database/storable.js';
import type { Token } from '../workflows/engine/advance-execution.js';
import { evaluateNode, type NodeEvaluation } from '../workflows/engine/evaluate-node.js';
import type { ExpressionNames } from '../workflows/engine/expression.js';
import { type Graph, type GraphNode, nodeOf } from '../workflows/engine/graph.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import type { NodeOutcome } from './node-outcome.js';

/** What starting a node comes to: an outcome at once, or work that takes its time. */
export type BegunNode = { kind: 'done'; outcome: NodeOutcome } | { kind: 'slow'; node: CodeNode; input: JsonValue };

export type CodeNode = Extract<GraphNode, { type: 'code' }>;

/** Evaluates what the definition says of a node. Pure; whatever is not `slow` is finished with it. */
export function beginNode(
  graph: Graph,
  start: { node_id: string; consumed: Token[] },
  names: ExpressionNames,
): BegunNode {
  const node = nodeOf(graph, start.node_id);
  const evaluated = evaluateNode(node, names, start.consumed);
  if (!evaluated.ok) {
    const { code, message, expression } = evaluated.error;
    const failure = { code, message, details: { expression } };
    return { kind: 'done', outcome: storable<NodeOutcome>({ kind: 'failed', failure, retryable: false }) };
  }
  if (evaluated.value.type === 'code') {
    return { kind: 'slow', node: node as CodeNode, input: storable(evaluated.value.input) };
  }
  return { kind: 'done', outcome: storable(outcomeOf(node, evaluated.value)) };
}

function outcomeOf(node: GraphNode, value: Exclude<NodeEvaluation, { type: 'code' }>): NodeOutcome {
  switch (value.type) {
    case 'transform':
    case 'end':
      return { kind: 'completed', output: value.output, handle: null };
    case 'branch':
      return { kind: 'completed', output: value.output, handle: value.handle };
    case 'delay':
      return 'seconds' in value ? { kind: 'delayed', due_in: value.seconds } : { kind: 'delayed', due_at: value.until };
    case 'fail':
      return { kind: 'failed', failure: value.failure, retryable: false };
    case 'checkpoint':
      return { kind: 'parked', content: parkedContent(node, value) };
  }
}

function parkedContent(node: GraphNode, value: Extract<NodeEvaluation, { type: 'checkpoint' }>) {
  const { schema, editable, not_requester } = (node as Extract<GraphNode, { type: 'checkpoint' }>).data;
  const { title, instructions, content } = value;
  return { title, instructions: instructions ?? '', content, schema: schema ?? null, editable, not_requester };
}
