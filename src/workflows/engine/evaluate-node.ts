import type { Token } from './marking.js';
import { MAX_ITEMS } from './definition.js';
import { type CheckpointEvaluation, evaluateCheckpoint } from './evaluate-checkpoint.js';
import { evaluateCondition, type Evaluated, type ExpressionNames, type StepOutput } from './expression.js';
import { WorkBudget } from './expressions/work-budget.js';
import { asText, fieldReader, type FieldReader, momentOf, secondsOf, withValue, wrongValue } from './field-reader.js';
import type { GraphNode } from './graph.js';
import type { JsonObject, JsonValue } from './json-value.js';

/** What one start of a node is to do, its expressions evaluated. */
export type NodeEvaluation =
  | { type: 'code'; input: JsonValue }
  | { type: 'http'; request: HttpRequest }
  | { type: 'wait'; signal: string; correlation_key: string | null }
  | { type: 'workflow'; input: JsonValue }
  | { type: 'map'; items: readonly JsonValue[] }
  | CheckpointEvaluation
  | { type: 'branch'; handle: string; output: null }
  | { type: 'transform'; output: JsonValue }
  /** From 0 to a year. */
  | { type: 'delay'; seconds: number }
  /** RFC 3339 in UTC. May be past, then the delay is over; may be too far, which only a caller with a clock knows. */
  | { type: 'delay'; until: string }
  | { type: 'end'; output: JsonValue }
  | { type: 'fail'; failure: { code: string; message: string } };

type Result = Evaluated<NodeEvaluation>;

export interface HttpRequest {
  url: string;
  headers: Readonly<Record<string, string>>;
  /** Undefined: none. */
  body: JsonValue | undefined;
}

/**
 * Pure: the same arguments give the same answer. An output that the definition leaves out is null; for the input of
 * `code` and `workflow` see `arrivedInput`.
 * @param consumed the tokens that the start consumed
 */
export function evaluateNode(node: GraphNode, names: ExpressionNames, consumed: readonly Token[]): Result {
  const read = fieldReader(node, names);
  switch (node.type) {
    case 'code':
    case 'workflow':
      return withValue(read('input', arrivedInput(names, consumed)), (input) => ({ type: node.type, input }));
    case 'http':
      return evaluateHttp(node, read);
    case 'wait':
      return evaluateWait(node, read);
    case 'map':
      return evaluateItems(read('items'));
    case 'checkpoint':
      return evaluateCheckpoint(node, read);
    case 'branch':
      return evaluateBranch(node, names);
    case 'transform':
      return withValue(read('output'), (output) => ({ type: 'transform', output }));
    case 'delay':
      return evaluateDelay(node, read);
    case 'end':
      return withValue(read('output'), (output) => ({ type: 'end', output }));
    default:
      return evaluateFail(read);
  }
}

/**
 * What a node gets that says nothing about its input: the output of the step it came from, the input of the
 * execution at an entry node, and where several arrivals were joined an object of their outputs by node id.
 */
export function arrivedInput(names: ExpressionNames, consumed: readonly Token[]): JsonValue {
  const sources = [...new Set(consumed.map(({ source }) => source).filter((source) => source !== null))];
  const [only] = sources;
  if (only === undefined) return names.input;
  if (sources.length === 1) return stepOutputOf(names, only);
  return Object.fromEntries(sources.map((source) => [source, stepOutputOf(names, source)]));
}

function stepOutputOf({ steps }: ExpressionNames, id: string): JsonValue {
  const step = steps instanceof Map ? steps.get(id) : ownStep(steps as Readonly<Record<string, StepOutput>>, id);
  return step?.output ?? null;
}

const ownStep = (steps: Readonly<Record<string, StepOutput>>, id: string) =>
  Object.hasOwn(steps, id) ? steps[id] : undefined;

/** The handle of the first case that holds, else `else`. Later cases are not evaluated. */
function evaluateBranch(node: Extract<GraphNode, { type: 'branch' }>, names: ExpressionNames): Result {
  const budget = new WorkBudget();
  for (const [i, condition] of node.conditions.entries()) {
    const answer = evaluateCondition(condition, names, budget);
    if (!answer.ok) return answer;
    if (answer.value) return done({ type: 'branch', handle: node.data.cases[i]!.handle, output: null });
  }
  return done({ type: 'branch', handle: 'else', output: null });
}

function evaluateFail(read: FieldReader): Result {
  const message = read('message');
  if (!message.ok) return message;
  return withValue(read('code', 'WORKFLOW_FAILED'), (code) => ({
    type: 'fail',
    failure: { code: asText(code), message: asText(message.value) },
  }));
}

function evaluateDelay({ templates }: GraphNode, read: FieldReader): Result {
  if (!templates['until']) {
    return withValue(secondsOf('for_seconds', read('for_seconds'), 0), (seconds) => ({ type: 'delay', seconds }));
  }
  return withValue(momentOf('until', read('until'), read('time_zone')), (until) => ({ type: 'delay', until }));
}

function evaluateHttp(node: Extract<GraphNode, { type: 'http' }>, read: FieldReader): Result {
  const url = read('url');
  if (!url.ok) return url;
  const headers = read('headers', {});
  if (!headers.ok) return headers;
  const texts = Object.entries(headers.value as JsonObject).map(([name, value]) => [name, asText(value)] as const);
  const hasBody = node.templates['body'] !== undefined;
  return withValue(read('body'), (body) => ({
    type: 'http',
    request: { url: asText(url.value), headers: Object.fromEntries(texts), body: hasBody ? body : undefined },
  }));
}

function evaluateWait(node: Extract<GraphNode, { type: 'wait' }>, read: FieldReader): Result {
  const signal = read('signal');
  if (!signal.ok) return signal;
  return withValue(read('correlation_key'), (key) => ({
    type: 'wait',
    signal: asText(signal.value),
    correlation_key: node.templates['correlation_key'] ? asText(key) : null,
  }));
}

function evaluateItems(read: Evaluated<JsonValue>): Result {
  if (!read.ok) return read;
  const { value } = read;
  if (Array.isArray(value) && value.length <= MAX_ITEMS) return done({ type: 'map', items: value as JsonValue[] });
  const got = Array.isArray(value) ? `${value.length} items` : asText(value);
  return wrongValue('items', `a list of up to ${MAX_ITEMS} items`, got);
}

const done = (value: NodeEvaluation): Result => ({ ok: true, value });
