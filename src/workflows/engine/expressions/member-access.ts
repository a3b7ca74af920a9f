import { asKey, isList, isMapping, keysOf, typeNameOf, valueAt, type CelKey, type CelValue } from './cel-value.js';
import { ExpressionFailure } from './expression-failure.js';
import type { WorkBudget } from './work-budget.js';

const KEYS_SHOWN = 10;

/**
 * `value.key`, `value["key"]`, `list[0]`.
 * @throws ExpressionFailure NO_SUCH_KEY naming what there is instead, INDEX_OUT_OF_RANGE, WRONG_TYPE
 */
export function memberOf(target: CelValue, index: CelValue, budget: WorkBudget): CelValue {
  budget.spend(1);
  const key = asKey(index);
  if (isList(target)) return itemOf(target, key, index);
  if (!isMapping(target)) throw notAContainer(target, index);
  const value = key === undefined ? undefined : valueAt(target, key);
  if (value !== undefined) return value;
  throw new ExpressionFailure('NO_SUCH_KEY', () => `No such key: ${shown(index)}; ${available(keysOf(target))}.`);
}

/** For has(): whether `memberOf` would give a value. */
export function hasMember(target: CelValue, key: string): boolean {
  if (!isMapping(target)) throw notAContainer(target, key);
  return valueAt(target, key) !== undefined;
}

function itemOf(list: readonly CelValue[], key: CelKey | undefined, index: CelValue): CelValue {
  if (typeof key !== 'bigint') {
    throw new ExpressionFailure('WRONG_TYPE', () => `The index of a list is a whole number, got ${shown(index)}.`);
  }
  const item = key >= 0n && key < BigInt(list.length) ? list[Number(key)] : undefined;
  if (item !== undefined) return item;
  throw new ExpressionFailure('INDEX_OUT_OF_RANGE', `The list has ${list.length} items, there is no item ${key}.`);
}

const notAContainer = (target: CelValue, index: CelValue) =>
  new ExpressionFailure('WRONG_TYPE', () => `Cannot read ${shown(index)} of a value of type ${typeNameOf(target)}.`);

const shown = (index: CelValue) =>
  typeof index === 'string' ? index.slice(0, 64) : typeof index === 'object' ? typeNameOf(index) : String(index);

function available(keys: readonly CelKey[]): string {
  if (keys.length === 0) return 'the map is empty';
  const more = keys.length > KEYS_SHOWN ? ` and ${keys.length - KEYS_SHOWN} more` : '';
  return `available: ${keys.slice(0, KEYS_SHOWN).map(shown).join(', ')}${more}`;
}
