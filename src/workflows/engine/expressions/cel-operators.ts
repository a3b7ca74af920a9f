import { durationOf, timestampAt } from './cel-time.js';
import {
  asKey,
  CelDuration,
  CelType,
  isList,
  isMapping,
  keysOf,
  typeNameOf,
  valueAt,
  type CelMap,
  type CelObject,
  type CelValue,
} from './cel-value.js';
import { ExpressionFailure } from './expression-failure.js';
import { MAX_VALUE_DEPTH } from './expression-limits.js';
import type { WorkBudget } from './work-budget.js';

const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);
const MILLISECOND = 1_000_000n;

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%';
export type OrderOperator = '<' | '<=' | '>' | '>=';

/**
 * Arithmetic of CEL, except that an integer beside a double becomes a double (numbers of JSON are doubles, and
 * `input.count + 1` should work) and that `%` also takes doubles.
 */
export function calculate(operator: ArithmeticOperator, left: CelValue, right: CelValue, budget: WorkBudget): CelValue {
  if (typeof left === 'bigint' && typeof right === 'bigint') return integerResult(operator, left, right);
  if (isNumber(left) && isNumber(right)) return doubleArithmetic[operator](Number(left), Number(right));
  const result = operator === '+' ? sum(left, right, budget) : operator === '-' ? difference(left, right) : undefined;
  if (result !== undefined) return result;
  throw mismatch(operator, left, right);
}

export function toInteger(value: bigint): bigint {
  if (value <= MAX_INT && value >= MIN_INT) return value;
  throw new ExpressionFailure('INTEGER_OVERFLOW', `The integer ${value} does not fit into 64 bits.`);
}

function integerResult(operator: ArithmeticOperator, left: bigint, right: bigint): bigint {
  if ((operator === '/' || operator === '%') && right === 0n) {
    throw new ExpressionFailure('DIVISION_BY_ZERO', `The right side of ${operator} is 0.`);
  }
  return toInteger(integerArithmetic[operator](left, right));
}

const integerArithmetic: Readonly<Record<ArithmeticOperator, (left: bigint, right: bigint) => bigint>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
};

const doubleArithmetic: Readonly<Record<ArithmeticOperator, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
};

function sum(left: CelValue, right: CelValue, budget: WorkBudget): CelValue | undefined {
  if (typeof left === 'string' && typeof right === 'string') {
    budget.buildText(left.length + right.length);
    return left + right;
  }
  if (isList(left) && isList(right)) {
    budget.walkList(left.length + right.length);
    return left.concat(right);
  }
  if (left instanceof Uint8Array && right instanceof Uint8Array) {
    budget.buildText(left.length + right.length);
    return new Uint8Array(Buffer.concat([left, right]));
  }
  return sumOfTimes(left, right);
}

function sumOfTimes(left: CelValue, right: CelValue): CelValue | undefined {
  if (left instanceof CelDuration && right instanceof CelDuration)
    return durationOf(left.nanoseconds + right.nanoseconds);
  if (left instanceof Date && right instanceof CelDuration) return moved(left, right.nanoseconds);
  if (left instanceof CelDuration && right instanceof Date) return moved(right, left.nanoseconds);
  return undefined;
}

function difference(left: CelValue, right: CelValue): CelValue | undefined {
  if (left instanceof Date && right instanceof Date) {
    return durationOf(BigInt(left.getTime() - right.getTime()) * MILLISECOND);
  }
  if (left instanceof Date && right instanceof CelDuration) return moved(left, -right.nanoseconds);
  if (left instanceof CelDuration && right instanceof CelDuration)
    return durationOf(left.nanoseconds - right.nanoseconds);
  return undefined;
}

const moved = (moment: Date, nanoseconds: bigint) => timestampAt(moment.getTime() + Number(nanoseconds / MILLISECOND));

/** Numbers by value whatever their type, texts by UTF-16 code unit, false before true, times by time. */
export function isInOrder(operator: OrderOperator, left: CelValue, right: CelValue, budget: WorkBudget): boolean {
  if (typeof left === 'string' && typeof right === 'string') {
    budget.spendOnText(Math.min(left.length, right.length));
    return ordered(operator, left, right);
  }
  if (isNumber(left) && isNumber(right)) return ordered(operator, left, right);
  if (typeof left === 'boolean' && typeof right === 'boolean') return ordered(operator, left, right);
  if (left instanceof Date && right instanceof Date) return ordered(operator, left.getTime(), right.getTime());
  if (left instanceof CelDuration && right instanceof CelDuration) {
    return ordered(operator, left.nanoseconds, right.nanoseconds);
  }
  throw mismatch(operator, left, right);
}

function ordered<T extends string | number | bigint | boolean>(operator: OrderOperator, left: T, right: T): boolean {
  if (operator === '<') return left < right;
  if (operator === '<=') return left <= right;
  return operator === '>' ? left > right : left >= right;
}

/** Deep equality; values of different types are unequal, numbers are compared by value whatever their type. */
export function areEqual(left: CelValue, right: CelValue, budget: WorkBudget, depth = 0): boolean {
  budget.spend(1);
  if (typeof left === 'string' && typeof right === 'string') {
    if (left.length !== right.length) return false;
    budget.spendOnText(left.length);
    return left === right;
  }
  if (isNumber(left) && isNumber(right)) return areEqualNumbers(left, right);
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return left === right;
  return areEqualObjects(left, right, budget, depth);
}

/** By mathematical value, exactly: 9007199254740993 is not 9007199254740992.0. NaN equals nothing. */
function areEqualNumbers(left: number | bigint, right: number | bigint): boolean {
  if (typeof left === typeof right) return left === right;
  const [integer, double] = typeof left === 'bigint' ? [left, right] : [right, left];
  return Number.isInteger(double) && BigInt(double) === integer;
}

function areEqualObjects(left: object, right: object, budget: WorkBudget, depth: number): boolean {
  if (depth >= MAX_VALUE_DEPTH) {
    throw new ExpressionFailure('VALUE_TOO_DEEP', `Values nested more than ${MAX_VALUE_DEPTH} deep are not compared.`);
  }
  const a = left as CelValue;
  const b = right as CelValue;
  if (isList(a)) {
    return isList(b) && a.length === b.length && a.every((item, i) => areEqual(item, b[i]!, budget, depth + 1));
  }
  if (isMapping(a)) return isMapping(b) && areEqualMappings(a, b, budget, depth);
  return typeNameOf(a) === typeNameOf(b) && areEqualScalars(a, b, budget);
}

function areEqualMappings(a: CelMap | CelObject, b: CelMap | CelObject, budget: WorkBudget, depth: number): boolean {
  const keys = keysOf(a);
  budget.spend(keys.length);
  if (keys.length !== keysOf(b).length) return false;
  return keys.every((key) => {
    const other = valueAt(b, key);
    return other !== undefined && areEqual(valueAt(a, key)!, other, budget, depth + 1);
  });
}

function areEqualScalars(a: CelValue, b: CelValue, budget: WorkBudget): boolean {
  if (a instanceof Date) return a.getTime() === (b as Date).getTime();
  if (a instanceof CelDuration) return a.nanoseconds === (b as CelDuration).nanoseconds;
  if (a instanceof CelType) return a.name === (b as CelType).name;
  if (!(a instanceof Uint8Array)) return a === b;
  budget.spendOnText(a.length);
  return Buffer.compare(a, b as Uint8Array) === 0;
}

/** `in`: an item of a list, or a key of a map. */
export function contains(container: CelValue, sought: CelValue, budget: WorkBudget): boolean {
  if (isList(container)) {
    budget.walkList(container.length);
    return container.some((item) => areEqual(item, sought, budget));
  }
  if (isMapping(container)) {
    const key = asKey(sought);
    return key !== undefined && valueAt(container, key) !== undefined;
  }
  throw new ExpressionFailure(
    'WRONG_TYPE',
    `The right side of "in" must be a list or a map, got ${typeNameOf(container)}; for text write text.contains(part).`,
  );
}

export function negated(value: CelValue): CelValue {
  if (typeof value === 'bigint') return toInteger(-value);
  if (typeof value === 'number') return -value;
  throw new ExpressionFailure('WRONG_TYPE', `Only a number can have a minus sign, got ${typeNameOf(value)}.`);
}

const isNumber = (value: CelValue): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

function mismatch(operator: string, left: CelValue, right: CelValue): ExpressionFailure {
  return new ExpressionFailure('WRONG_TYPE', () => {
    const types = `${typeNameOf(left)} ${operator} ${typeNameOf(right)} is not defined`;
    const joinsText = operator === '+' && (typeof left === 'string' || typeof right === 'string');
    return joinsText ? `${types}; turn the other side into text with string(…).` : `${types}.`;
  });
}
