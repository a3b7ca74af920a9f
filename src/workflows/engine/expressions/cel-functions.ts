import { toInteger } from './cel-operators.js';
import {
  durationOf,
  formatDuration,
  parseDuration,
  parseTimestamp,
  timestampAt,
  timestampField,
  timestampFields,
  type TimestampField,
} from './cel-time.js';
import { CelDuration, CelType, isList, isMapping, keysOf, typeNameOf, type CelValue } from './cel-value.js';
import { ExpressionFailure } from './expression-failure.js';
import { matchesDynamicPattern } from './linear-regex.js';
import { codePoints, expectText, wrongType, type CelFunction } from './function-arguments.js';
import { textFunctions } from './text-functions.js';
import type { WorkBudget } from './work-budget.js';

/** Functions by `name/number of arguments`. */
export const globalFunctions: Readonly<Record<string, CelFunction>> = {
  'size/1': ([value], budget) => sizeOf(value!, budget),
  'type/1': ([value]) => new CelType(typeNameOf(value!)),
  'dyn/1': ([value]) => value!,
  'string/1': ([value], budget) => toText(value!, budget),
  'int/1': ([value]) => toInt(value!),
  'double/1': ([value]) => toDouble(value!),
  'bool/1': ([value]) => toBool(value!),
  'bytes/1': ([value], budget) => toBytes(value!, budget),
  'timestamp/1': ([value]) => toTimestamp(value!),
  'duration/1': ([value]) => toDuration(value!),
};

/** Methods by `name/number of arguments`, the receiver not counted. */
export const methods: Readonly<Record<string, CelFunction>> = {
  ...textFunctions,
  'size/0': ([value], budget) => sizeOf(value!, budget),
  'matches/1': ([text, pattern], budget) =>
    matchesDynamicPattern(expectText('matches', text), expectText('matches', pattern), budget),
  'join/0': ([list], budget) => join(list!, '', budget),
  'join/1': ([list, separator], budget) => join(list!, expectText('join', separator), budget),
  'hex/0': ([value], budget) => encode(value!, 'hex', budget),
  'base64/0': ([value], budget) => encode(value!, 'base64', budget),
  ...timeMethods(),
};

const unreadable = (name: string, text: string, expected: string) =>
  new ExpressionFailure(
    'INVALID_VALUE',
    () => `${name}() cannot read ${JSON.stringify(text.slice(0, 64))}; ${expected}.`,
  );

function sizeOf(value: CelValue, budget: WorkBudget): bigint {
  if (typeof value === 'string') {
    budget.spendOnText(value.length * 8);
    return BigInt(codePoints(value).length);
  }
  if (isList(value) || value instanceof Uint8Array) return BigInt(value.length);
  if (!isMapping(value)) throw wrongType('size', 'text, bytes, a list or a map', value);
  if (value instanceof Map) return BigInt(value.size);
  const { length } = keysOf(value);
  budget.spend(length);
  return BigInt(length);
}

function toText(value: CelValue, budget: WorkBudget): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof CelDuration) return formatDuration(value);
  if (!(value instanceof Uint8Array)) throw wrongType('string', 'a single value', value);
  budget.buildText(value.length);
  return Buffer.from(value).toString('utf8');
}

function toInt(value: CelValue): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return toInteger(BigInt(Math.trunc(value)));
  if (value instanceof Date) return BigInt(Math.floor(value.getTime() / 1_000));
  if (typeof value !== 'string') throw wrongType('int', 'a finite number, text or a timestamp', value);
  if (!/^[+-]?\d{1,20}$/.test(value)) throw unreadable('int', value, 'write digits only, for example "42"');
  return toInteger(BigInt(value));
}

function toDouble(value: CelValue): number {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  if (typeof value !== 'string') throw wrongType('double', 'a number or text', value);
  if (value.length <= 64 && /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(value)) return Number(value);
  throw unreadable('double', value, 'write a decimal number, for example "3.14"');
}

function toBool(value: CelValue): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') throw wrongType('bool', 'a boolean or text', value);
  if (['1', 't', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw unreadable('bool', value, 'write "true" or "false"');
}

function toBytes(value: CelValue, budget: WorkBudget): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const text = expectText('bytes', value);
  budget.buildText(text.length);
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

function toTimestamp(value: CelValue): Date {
  if (value instanceof Date) return value;
  if (typeof value === 'bigint' || typeof value === 'number') return timestampAt(Number(value) * 1_000);
  const text = expectText('timestamp', value);
  const moment = parseTimestamp(text);
  if (moment) return moment;
  throw unreadable('timestamp', text, 'write RFC 3339 with an offset, for example "2026-01-31T09:00:00Z"');
}

function toDuration(value: CelValue): CelDuration {
  if (value instanceof CelDuration) return value;
  if (typeof value === 'bigint') return durationOf(value * 1_000_000_000n);
  const text = expectText('duration', value);
  const duration = parseDuration(text);
  if (duration) return duration;
  throw unreadable('duration', text, 'write for example "1h30m" or "45s"');
}

function join(value: CelValue, separator: string, budget: WorkBudget): string {
  if (!isList(value)) throw wrongType('join', 'a list of texts', value);
  budget.walkList(value.length);
  const texts = value.map((item) => expectText('join', item));
  const length =
    texts.reduce((total, text) => total + text.length, 0) + separator.length * Math.max(0, texts.length - 1);
  budget.buildText(length);
  return texts.join(separator);
}

function encode(value: CelValue, encoding: 'hex' | 'base64', budget: WorkBudget): string {
  if (!(value instanceof Uint8Array)) throw wrongType(encoding, 'bytes', value);
  budget.buildText(value.length * 2);
  return Buffer.from(value).toString(encoding);
}

function timeMethods(): Record<string, CelFunction> {
  const entries = Object.keys(timestampFields).flatMap((name): [string, CelFunction][] => [
    [`${name}/0`, ([value]) => timeField(name as TimestampField, value!)],
    [
      `${name}/1`,
      ([value, zone], budget) => {
        budget.spend(1_000);
        return timeField(name as TimestampField, value!, expectText(name, zone));
      },
    ],
  ]);
  return Object.fromEntries(entries);
}

function timeField(name: TimestampField, value: CelValue, timeZone?: string): bigint {
  if (value instanceof Date) return timestampField(name, value, timeZone);
  const size = value instanceof CelDuration && timeZone === undefined ? nanosecondsPer[name] : undefined;
  if (size !== undefined) return (value as CelDuration).nanoseconds / size;
  throw wrongType(name, 'a timestamp', value);
}

/** What a duration answers: the whole of it in that unit, as CEL has it. */
const nanosecondsPer: Partial<Record<TimestampField, bigint>> = {
  getHours: 3_600_000_000_000n,
  getMinutes: 60_000_000_000n,
  getSeconds: 1_000_000_000n,
  getMilliseconds: 1_000_000n,
};
