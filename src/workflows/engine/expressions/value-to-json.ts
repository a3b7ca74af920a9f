import type { JsonValue } from '../json-value.js';
import { formatDuration } from './cel-time.js';
import { CelDuration, CelType, isList, type CelMap, type CelObject, type CelValue } from './cel-value.js';
import { ExpressionFailure } from './expression-failure.js';
import { MAX_VALUE_DEPTH } from './expression-limits.js';
import type { WorkBudget } from './work-budget.js';

/**
 * The JSON form of a result: integers and doubles as numbers, bytes as base64 text, timestamps as RFC 3339 in UTC,
 * durations as seconds with an `s` ("90s", "0.5s", as in the JSON of Protocol Buffers), types by name.
 * Its length is counted while it is made: sharing can make a value of a few hundred bytes into gigabytes of JSON.
 * @throws ExpressionFailure NUMBER_TOO_LARGE for integers beyond ±(2^53 - 1), which JSON readers would round;
 *   NUMBER_NOT_FINITE for NaN and infinities; RESULT_TOO_LARGE; VALUE_TOO_DEEP
 */
export function valueToJson(value: CelValue, budget: WorkBudget, depth = 0): JsonValue {
  switch (typeof value) {
    case 'string':
      budget.giveBack(value.length + 2);
      return value;
    case 'number':
      return finiteNumber(value, budget);
    case 'bigint':
      return safeInteger(value, budget);
    case 'boolean':
      budget.giveBack(5);
      return value;
    default:
      return objectToJson(value, budget, depth);
  }
}

function objectToJson(value: Exclude<CelValue, string | number | bigint | boolean>, budget: WorkBudget, depth: number) {
  if (depth >= MAX_VALUE_DEPTH) {
    throw new ExpressionFailure('VALUE_TOO_DEEP', `The result is nested more than ${MAX_VALUE_DEPTH} levels deep.`);
  }
  budget.giveBack(4);
  if (value === null) return null;
  if (isList(value)) return value.map((item) => valueToJson(item, budget, depth + 1));
  const text = scalarText(value);
  if (text === undefined) return mappingToJson(value as CelMap | CelObject, budget, depth);
  budget.giveBack(text.length);
  return text;
}

function scalarText(value: object): string | undefined {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof CelDuration) return formatDuration(value);
  if (value instanceof CelType) return value.name;
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : undefined;
}

function mappingToJson(mapping: CelMap | CelObject, budget: WorkBudget, depth: number): JsonValue {
  const entries = mapping instanceof Map ? [...mapping] : Object.entries(mapping);
  // fromEntries defines its keys, so a key `__proto__` becomes an own key and no prototype.
  return Object.fromEntries(
    entries.map(([key, item]) => {
      const name = String(key);
      budget.giveBack(name.length + 4);
      return [name, valueToJson(item as CelValue, budget, depth + 1)];
    }),
  );
}

function finiteNumber(value: number, budget: WorkBudget): number {
  if (!Number.isFinite(value)) {
    throw new ExpressionFailure('NUMBER_NOT_FINITE', `The result is ${value}, which JSON cannot hold.`);
  }
  budget.giveBack(8);
  return value;
}

function safeInteger(value: bigint, budget: WorkBudget): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) {
    throw new ExpressionFailure(
      'NUMBER_TOO_LARGE',
      `The integer ${value} is beyond 2^53 - 1 and JSON would round it; give it as text with string(…).`,
    );
  }
  budget.giveBack(8);
  return number;
}
