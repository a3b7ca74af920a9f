import { pointerTokens } from './json-pointer.js';

/** Sorts by where the pointers lead in the document; a missing member comes last among its siblings. */
export function inDocumentOrder<T extends { readonly pointer: string }>(document: unknown, items: readonly T[]): T[] {
  const indexes: KeyIndexes = new Map();
  const placed = items.map((item) => ({ item, place: placeOf(document, pointerTokens(item.pointer), indexes) }));
  return placed.toSorted((a, b) => comparePlaces(a.place, b.place)).map(({ item }) => item);
}

/** The places of the keys of each object met, so that an object with many problems is counted through once. */
type KeyIndexes = Map<object, ReadonlyMap<string, number>>;

/** Whether lists and objects lie deeper in each other than allowed. Walks without recursion, so any depth is safe. */
export function isDeeperThan(value: unknown, allowed: number): boolean {
  let level: readonly unknown[] = [value].filter(isContainer);
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth >= allowed) return true;
    level = level.flatMap((container) => Object.values(container as object).filter(isContainer));
  }
  return false;
}

const isContainer = (value: unknown) => typeof value === 'object' && value !== null;

function placeOf(document: unknown, tokens: readonly string[], indexes: KeyIndexes): number[] {
  let current = document;
  return tokens.map((token) => {
    if (typeof current !== 'object' || current === null) return Number.MAX_SAFE_INTEGER;
    const index = Array.isArray(current) ? Number(token) : keyIndexes(current, indexes).get(token);
    current = Object.hasOwn(current, token) ? (current as Record<string, unknown>)[token] : undefined;
    return index ?? Number.MAX_SAFE_INTEGER;
  });
}

function keyIndexes(object: object, indexes: KeyIndexes): ReadonlyMap<string, number> {
  const known = indexes.get(object) ?? new Map(Object.keys(object).map((key, i) => [key, i]));
  indexes.set(object, known);
  return known;
}

function comparePlaces(a: readonly number[], b: readonly number[]): number {
  const differing = a.findIndex((place, i) => place !== b[i]);
  if (differing === -1) return a.length - b.length;
  return differing >= b.length ? 1 : a[differing]! - b[differing]!;
}
