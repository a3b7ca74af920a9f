import type { Token } from './advance-execution.js';
import { MAX_DELAY_SECONDS } from './definition.js';
import { evaluateCondition, type Evaluated, type ExpressionNames, type StepOutput } from './expression.js';
import { parseTimestamp } from './expressions/cel-time.js';
import { WorkBudget } from './expressions/work-budget.js';
import type { GraphNode } from './graph.js';
import type { JsonValue } from './json-value.js';
import { evaluateTemplate } from './template.js';

/** What one start of a node is to do, its expressions evaluated. */
export type NodeEvaluation =
  | { type: 'code'; input: JsonValue }
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

/**
 * Pure: the same arguments give the same answer. An output that the definition leaves out is null; for the input of
 * `code` see `arrivedInput`.
 * @param consumed the tokens that the start consumed
 */
export function evaluateNode(node: GraphNode, names: ExpressionNames, consumed: readonly Token[]): Result {
  const read = fieldReader(node, names);
  switch (node.type) {
    case 'code':
      return then(read('input', arrivedInput(names, consumed)), (input) => ({ type: 'code', input }));
    case 'checkpoint':
      return evaluateCheckpoint(read);
    case 'branch':
      return evaluateBranch(node, names);
    case 'transform':
      return then(read('output'), (output) => ({ type: 'transform', output }));
    case 'delay':
      return node.templates['until'] ? delayUntil(read('until')) : delayFor(read('for_seconds'));
    case 'end':
      return then(read('output'), (output) => ({ type: 'end', output }));
    default:
      return evaluateFail(read);
  }
}

/**
 * What a `code` node gets that says nothing about its input: the output of the step it came from, the input of the
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

function delayUntil(read: Evaluated<JsonValue>): Result {
  if (!read.ok) return read;
  const moment = typeof read.value === 'string' ? parseTimestamp(read.value) : undefined;
  if (moment) return done({ type: 'delay', until: moment.toISOString() });
  return wrongValue('until', 'an RFC 3339 date-time such as "2026-01-31T09:00:00Z"', read.value);
}

const done = (value: NodeEvaluation): Result => ({ ok: true, value });

function wrongValue(field: string, expected: string, value: JsonValue): Result {
  const message = `${field} must be ${expected}, got ${asText(value).slice(0, 200)}.`;
  return { ok: false, error: { code: 'INVALID_VALUE', message, expression: '' } };
}

const asText = (value: JsonValue): string => (typeof value === 'string' ? value : JSON.stringify(value));
