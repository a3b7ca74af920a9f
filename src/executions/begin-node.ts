import { storable } from '../platform/database/storable.js';
import { evaluateNode, type NodeEvaluation } from '../workflows/engine/evaluate-node.js';
import type { ExpressionNames } from '../workflows/engine/expression.js';
import { type Graph, type GraphNode, nodeOf } from '../workflows/engine/graph.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import type { Token } from '../workflows/engine/marking.js';
import type { NodeOutcome } from './node-outcome.js';
import { MAX_SIGNAL_NAME } from './signal.entity.js';
import type { OpenStep } from './turn-state.js';
import type { Claim } from './turn.repository.js';

/** What starting a node comes to: an outcome at once, or work that takes its time. */
export type BegunNode = { kind: 'done'; outcome: NodeOutcome } | { kind: 'slow'; node: SlowNode; input: JsonValue };

export type SlowNode = Extract<GraphNode, { type: SlowType }>;

/** Types whose work needs more than the graph and the names. */
const SLOW_TYPES = ['code', 'http', 'workflow', 'map'] as const;
type SlowType = (typeof SLOW_TYPES)[number];

/** Whether running it does something outside that cannot be taken back; what code in the sandbox does stays there. */
export function hasEffects({ type }: SlowNode): boolean {
  return type === 'http';
}

/** How many executions may lie in each other. */
const MAX_DEPTH = 20;

/** Evaluates what the definition says of a node. Pure; whatever is not `slow` is finished with it. */
export function beginNode(
  graph: Graph,
  start: { node_id: string; consumed: Token[] },
  names: ExpressionNames,
  claim: Claim,
): BegunNode {
  const node = nodeOf(graph, start.node_id);
  const evaluated = evaluateNode(node, names, start.consumed);
  if (!evaluated.ok) {
    const { code, message, expression } = evaluated.error;
    return { kind: 'done', outcome: storable(failed(code, message, { expression })) };
  }
  const begun = begunOf(node, evaluated.value, claim);
  return begun.kind === 'slow'
    ? { ...begun, input: storable(begun.input) }
    : { kind: 'done', outcome: storable(begun.outcome) };
}

/** A step that had begun before, with the input it had: others may have changed since what its expressions read. */
export function resumeNode(graph: Graph, step: OpenStep, names: ExpressionNames, claim: Claim): BegunNode {
  const node = nodeOf(graph, step.node_id);
  const isSlow = SLOW_TYPES.some((type) => type === node.type) && step.input !== null;
  return isSlow ? { kind: 'slow', node: node as SlowNode, input: step.input } : beginNode(graph, step, names, claim);
}

function begunOf(node: GraphNode, value: NodeEvaluation, claim: Claim): BegunNode {
  switch (value.type) {
    case 'code':
      return { kind: 'slow', node: node as SlowNode, input: value.input };
    case 'http': {
      const { url, headers, body } = value.request;
      return { kind: 'slow', node: node as SlowNode, input: { url, headers, ...(body === undefined ? {} : { body }) } };
    }
    case 'workflow':
    case 'map':
      return claim.depth < MAX_DEPTH ? spawn(node, value, claim) : { kind: 'done', outcome: tooDeep() };
    default:
      return { kind: 'done', outcome: outcomeOf(node, value) };
  }
}

/** The workflow of children that is not written here has to be looked up. */
function spawn(node: GraphNode, value: NodeEvaluation & { type: 'workflow' | 'map' }, claim: Claim): BegunNode {
  if (value.type === 'workflow') return { kind: 'slow', node: node as SlowNode, input: value.input };
  const { concurrency, wait, definition } = (node as Extract<GraphNode, { type: 'map' }>).data;
  if (!definition) return { kind: 'slow', node: node as SlowNode, input: [...value.items] };
  const { workflow_id, version } = claim;
  const scope = claim.scope === '' ? node.id : `${claim.scope}/${node.id}`;
  const family = { workflow_id, version, scope, items: value.items, isMap: true, concurrency, attached: wait };
  return { kind: 'done', outcome: { kind: 'spawned', family } };
}

function outcomeOf(
  node: GraphNode,
  value: Exclude<NodeEvaluation, { type: 'code' | 'http' | 'workflow' | 'map' }>,
): NodeOutcome {
  switch (value.type) {
    case 'transform':
    case 'end':
      return { kind: 'completed', output: value.output, handle: null };
    case 'branch':
      return { kind: 'completed', output: value.output, handle: value.handle };
    case 'delay':
      return 'seconds' in value ? { kind: 'delayed', due_in: value.seconds } : { kind: 'delayed', due_at: value.until };
    case 'wait':
      return awaitSignal(value);
    case 'fail':
      return { kind: 'failed', failure: shortened(value.failure), retryable: false };
    case 'checkpoint':
      return { kind: 'parked', content: parkedContent(node, value) };
  }
}

function awaitSignal({ signal, correlation_key }: Extract<NodeEvaluation, { type: 'wait' }>): NodeOutcome {
  if (canBeSent(signal) && (correlation_key === null || canBeSent(correlation_key))) {
    return { kind: 'awaiting_signal', signal, correlation_key };
  }
  const message = `The name of a signal and its correlation key have 1 to ${MAX_SIGNAL_NAME} characters each; change them.`;
  return failed('INVALID_VALUE', message);
}

const canBeSent = ({ length }: string) => length > 0 && length <= MAX_SIGNAL_NAME;

function parkedContent(node: GraphNode, value: Extract<NodeEvaluation, { type: 'checkpoint' }>) {
  const { schema } = (node as Extract<GraphNode, { type: 'checkpoint' }>).data;
  const { title, instructions, content, policy } = value;
  return { title, instructions: instructions ?? '', content, schema: schema ?? null, policy };
}

/** It is copied into events, the execution and its parents. */
function shortened({ code, message }: { code: string; message: string }) {
  return { code: code.slice(0, MAX_CODE).toWellFormed(), message: message.slice(0, MAX_MESSAGE).toWellFormed() };
}

/** Characters. */
const MAX_CODE = 100;
const MAX_MESSAGE = 10_000;

function failed(code: string, message: string, details?: unknown): NodeOutcome {
  return { kind: 'failed', failure: { code, message, ...(details ? { details } : {}) }, retryable: false };
}

function tooDeep(): NodeOutcome {
  const message = `Executions lie ${MAX_DEPTH} deep in each other; let the workflow call itself less often.`;
  return failed('NESTED_TOO_DEEP', message);
}
