import type { Token } from './marking.js';
import { MAX_DELAY_SECONDS, MAX_ITEMS } from './definition.js';
import {
  attemptEvaluation,
  evaluateCondition,
  type Evaluated,
  type ExpressionNames,
  type StepOutput,
} from './expression.js';
import { momentIn, parseTimestamp } from './expressions/cel-time.js';
import { WorkBudget } from './expressions/work-budget.js';
import type { GraphNode } from './graph.js';
import type { JsonObject, JsonValue } from './json-value.js';
import { evaluateTemplate } from './template.js';

/** What one start of a node is to do, its expressions evaluated. */
export type NodeEvaluation =
  | { type: 'code'; input: JsonValue }
  | { type: 'http'; request: HttpRequest }
  | { type: 'wait'; signal: string; correlation_key: string | null }
  | { type: 'workflow'; input: JsonValue }
  | { type: 'map'; items: readonly JsonValue[] }
  | { type: 'checkpoint'; title: string; instructions: string | null; content: JsonValue }
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
      return then(read('input', arrivedInput(names, consumed)), (input) => ({ type: node.type, input }));
    case 'http':
      return evaluateHttp(node, read);
    case 'wait':
      return evaluateWait(node, read);
    case 'map':
      return evaluateItems(read('items'));
    case 'checkpoint':
      return evaluateCheckpoint(read);
    case 'branch':
      return evaluateBranch(node, names);
    case 'transform':
      return then(read('output'), (output) => ({ type: 'transform', output }));
    case 'delay':
      return node.templates['until'] ? delayUntil(read('until'), read('time_zone')) : delayFor(read('for_seconds'));
    case 'end':
      return then(read('output'), (output) => ({ type: 'end', output }));
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

/** Reads one field of the node's data; all fields of a start share one budget. */
type FieldReader = (field: string, ifLeftOut?: JsonValue) => Evaluated<JsonValue>;

function fieldReader(node: GraphNode, names: ExpressionNames): FieldReader {
  const budget = new WorkBudget();
  return (field, ifLeftOut = null) => {
    const template = node.templates[field];
    return template ? evaluateTemplate(template, names, budget) : { ok: true, value: ifLeftOut };
  };
}

function then<T, U>(before: Evaluated<T>, next: (value: T) => U): Evaluated<U> {
  return before.ok ? { ok: true, value: next(before.value) } : before;
}

function evaluateCheckpoint(read: FieldReader): Result {
  const title = read('title');
  if (!title.ok) return title;
  const instructions = read('instructions');
  if (!instructions.ok) return instructions;
  return then(read('content'), (content) => ({
    type: 'checkpoint',
    title: asText(title.value),
    instructions: instructions.value === null ? null : asText(instructions.value),
    content,
  }));
}

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
  return then(read('code', 'WORKFLOW_FAILED'), (code) => ({
    type: 'fail',
    failure: { code: asText(code), message: asText(message.value) },
  }));
}

function delayFor(read: Evaluated<JsonValue>): Result {
  if (!read.ok) return read;
  const seconds = typeof read.value === 'string' && read.value.trim() !== '' ? Number(read.value) : read.value;
  if (typeof seconds === 'number' && seconds >= 0 && seconds <= MAX_DELAY_SECONDS) {
    return done({ type: 'delay', seconds });
  }
  return wrongValue('for_seconds', `a number of seconds from 0 to ${MAX_DELAY_SECONDS}`, read.value);
}

/** A date-time with an offset is a moment; one without needs the time zone. */
function delayUntil(until: Evaluated<JsonValue>, zone: Evaluated<JsonValue>): Result {
  if (!until.ok) return until;
  if (!zone.ok) return zone;
  const [text, timeZone] = [asText(until.value), zone.value];
  const moment = parseTimestamp(text);
  if (moment || timeZone === null) return momentOf(moment, until.value);
  const local = attemptEvaluation({ source: '' }, () => momentIn(asText(timeZone), text));
  return local.ok ? momentOf(local.value, until.value) : local;
}

function momentOf(moment: Date | undefined, given: JsonValue): Result {
  if (moment) return done({ type: 'delay', until: moment.toISOString() });
  const expected = 'an RFC 3339 date-time such as "2026-01-31T09:00:00Z", or one without offset beside a time_zone';
  return wrongValue('until', expected, given);
}

function evaluateHttp(node: Extract<GraphNode, { type: 'http' }>, read: FieldReader): Result {
  const url = read('url');
  if (!url.ok) return url;
  const headers = read('headers', {});
  if (!headers.ok) return headers;
  const texts = Object.entries(headers.value as JsonObject).map(([name, value]) => [name, asText(value)] as const);
  const hasBody = node.templates['body'] !== undefined;
  return then(read('body'), (body) => ({
    type: 'http',
    request: { url: asText(url.value), headers: Object.fromEntries(texts), body: hasBody ? body : undefined },
  }));
}

function evaluateWait(node: Extract<GraphNode, { type: 'wait' }>, read: FieldReader): Result {
  const signal = read('signal');
  if (!signal.ok) return signal;
  return then(read('correlation_key'), (key) => ({
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

function wrongValue(field: string, expected: string, value: JsonValue): Result {
  const message = `${field} must be ${expected}, got ${asText(value).slice(0, 200)}.`;
  return { ok: false, error: { code: 'INVALID_VALUE', message, expression: '' } };
}

const asText = (value: JsonValue): string => (typeof value === 'string' ? value : JSON.stringify(value));
