import { typeNameOf, type CelValue } from './cel-value.js';
import { ExpressionFailure } from './expression-failure.js';
import type { WorkBudget } from './work-budget.js';

/** For a method the first value is what it is called on. */
export type CelFunction = (values: readonly CelValue[], budget: WorkBudget) => CelValue;

export function expectText(name: string, value: CelValue | undefined): string {
  if (typeof value === 'string') return value;
  throw wrongType(name, 'text', value ?? null);
}

export function expectCount(name: string, value: CelValue | undefined): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number)) return number;
  throw wrongType(name, 'a whole number', value ?? null);
}

export const wrongType = (name: string, expected: string, value: CelValue) =>
  new ExpressionFailure('WRONG_TYPE', `${name}() takes ${expected}, got ${typeNameOf(value)}.`);

/** The characters that CEL counts: Unicode code points, not what a reader sees as one sign. */
export const codePoints = (text: string): string[] => Array.from(text);
