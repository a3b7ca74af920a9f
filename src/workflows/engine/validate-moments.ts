import type { Problem } from '../../platform/errors/domain-error.js';
import { attemptEvaluation } from './expression.js';
import { momentIn, parseTimestamp } from './expressions/cel-time.js';
import { pointerTo } from './json-pointer.js';
import { isObject, type ReadNode } from './read-definition.js';

/** What is written as plain text is checked now; what has an expression is checked when it has a value. */
export const isPlainText = (value: unknown): value is string => typeof value === 'string' && !value.includes('{{');

/** What is wrong with the times of a `delay` and of a `checkpoint`. */
export function momentProblems(node: ReadNode): Problem[] {
  const { for_seconds, until, due_in, due_at, time_zone, working_hours } = node.rawData;
  const zones = [time_zone];
  if (node.type === 'delay') {
    return timeProblems(node, { seconds: ['for_seconds', for_seconds], moment: ['until', until], zones });
  }
  if (node.type !== 'checkpoint') return [];
  const hoursZone = isObject(working_hours) ? working_hours['time_zone'] : undefined;
  return [
    ...zoneProblems(hoursZone, pointerTo(node.pointer, 'data', 'working_hours', 'time_zone')),
    ...timeProblems(node, { seconds: ['due_in', due_in], moment: ['due_at', due_at], zones: [time_zone, hoursZone] }),
  ];
}

interface Times {
  readonly seconds: readonly [field: string, value: unknown];
  readonly moment: readonly [field: string, value: unknown];
  /** Any of them lets the moment do without an offset; the first is that of the field `time_zone`. */
  readonly zones: readonly unknown[];
}

function timeProblems({ pointer }: ReadNode, { seconds, moment, zones }: Times): Problem[] {
  const at = (field: string) => pointerTo(pointer, 'data', field);
  if (isPlainText(seconds[1])) return [invalid(at(seconds[0]), 'Write a number, or a number as {{ expression }}.')];
  const zone = zoneProblems(zones[0], at('time_zone'));
  if (zone.length > 0) return zone;
  const [field, text] = moment;
  if (!isPlainText(text) || parseTimestamp(text)) return [];
  if (zones.some((given) => given !== undefined) && parseTimestamp(`${text}Z`)) return [];
  const expected = 'Write an RFC 3339 date-time such as "2026-01-31T09:00:00Z", or an {{ expression }}.';
  return [invalid(at(field), `${expected} Without an offset it needs a time_zone.`)];
}

function zoneProblems(zone: unknown, pointer: string): Problem[] {
  if (!isPlainText(zone)) return [];
  const known = attemptEvaluation({ source: '' }, () => momentIn(zone, ANY_MOMENT));
  return known.ok ? [] : [invalid(pointer, known.error.message)];
}

const ANY_MOMENT = '2026-01-31T09:00:00';

const invalid = (pointer: string, message: string): Problem => ({ pointer, code: 'INVALID_VALUE', message });
