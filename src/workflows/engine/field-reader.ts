import { MAX_DELAY_SECONDS } from './definition-fields.js';
import { attemptEvaluation, type Evaluated, type ExpressionNames } from './expression.js';
import { momentIn, parseTimestamp } from './expressions/cel-time.js';
import { WorkBudget } from './expressions/work-budget.js';
import type { GraphNode } from './graph.js';
import type { JsonValue } from './json-value.js';
import { evaluateTemplate } from './template.js';

/** Reads one field of the node's data; all fields of a start share one budget. */
export type FieldReader = (field: string, ifLeftOut?: JsonValue) => Evaluated<JsonValue>;

export function fieldReader(node: GraphNode, names: ExpressionNames): FieldReader {
  const budget = new WorkBudget();
  return (field, ifLeftOut = null) => {
    const template = node.templates[field];
    return template ? evaluateTemplate(template, names, budget) : { ok: true, value: ifLeftOut };
  };
}

export function withValue<T, U>(before: Evaluated<T>, next: (value: T) => U): Evaluated<U> {
  return before.ok ? { ok: true, value: next(before.value) } : before;
}

/** A number of seconds up to a year, also as text. */
export function secondsOf(field: string, read: Evaluated<JsonValue>, min: number): Evaluated<number> {
  if (!read.ok) return read;
  const seconds = typeof read.value === 'string' && read.value.trim() !== '' ? Number(read.value) : read.value;
  if (typeof seconds === 'number' && seconds >= min && seconds <= MAX_DELAY_SECONDS)
    return { ok: true, value: seconds };
  return wrongValue(field, `a number of seconds from ${min} to ${MAX_DELAY_SECONDS}`, read.value);
}

/**
 * RFC 3339 in UTC. A date-time with an offset is a moment; one without needs the time zone.
 * @param zone null where there is none
 */
export function momentOf(field: string, until: Evaluated<JsonValue>, zone: Evaluated<JsonValue>): Evaluated<string> {
  if (!until.ok) return until;
  if (!zone.ok) return zone;
  const text = asText(until.value);
  const timeZone = zone.value;
  const moment = parseTimestamp(text);
  if (moment || timeZone === null) return momentText(field, moment, until.value);
  const local = attemptEvaluation({ source: '' }, () => momentIn(asText(timeZone), text));
  return local.ok ? momentText(field, local.value, until.value) : local;
}

function momentText(field: string, moment: Date | undefined, given: JsonValue): Evaluated<string> {
  if (moment) return { ok: true, value: moment.toISOString() };
  const expected = 'an RFC 3339 date-time such as "2026-01-31T09:00:00Z", or one without offset beside a time_zone';
  return wrongValue(field, expected, given);
}

export function wrongValue(field: string, expected: string, value: JsonValue): Evaluated<never> {
  return invalid(`${field} must be ${expected}, got ${asText(value).slice(0, 200)}.`);
}

export function invalid(message: string): Evaluated<never> {
  return { ok: false, error: { code: 'INVALID_VALUE', message, expression: '' } };
}

export const asText = (value: JsonValue): string => (typeof value === 'string' ? value : JSON.stringify(value));
