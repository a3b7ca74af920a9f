import type { Problem } from '../errors/domain-error.js';
import { pointerTo } from './json-pointer.js';

/** Deeper than this nobody nests by hand, and recursive readers of the value stay safe. */
export const MAX_JSON_DEPTH = 64;

const LIMIT = 20;

/**
 * What PostgreSQL or later readers cannot hold: NUL characters, lone surrogates (RFC 8259 §8.2), numbers beyond those of
 * JSON readers (1e400, which would be stored as null), keys that reach JavaScript prototypes, nesting over 64. Reports at
 * most 20 places. Text is passed over where it is not kept: what nobody stores need not be storable.
 */
export function findUnstorable(value: unknown, textIsKept = true): Problem[] {
  const problems: Problem[] = [];
  // One path for the whole walk: copying it for each of a million values would take half a second.
  const path: PropertyKey[] = [];
  const visit = (at: unknown): void => {
    if (problems.length >= LIMIT) return;
    if (typeof at === 'string' && textIsKept) checkText(at, path, problems);
    if (typeof at === 'number' && !Number.isFinite(at)) problems.push(tooLarge(path));
    if (typeof at !== 'object' || at === null) return;
    if (path.length >= MAX_JSON_DEPTH) {
      problems.push({ pointer: pointerTo(path), code: 'TOO_DEEP', message: `Nest at most ${MAX_JSON_DEPTH} levels.` });
      return;
    }
    if (Array.isArray(at)) {
      for (let index = 0; index < at.length && problems.length < LIMIT; index++) below(index, at[index]);
      return;
    }
    for (const key of Object.keys(at)) {
      if (problems.length >= LIMIT) return;
      path.push(key);
      if (key === '__proto__') problems.push(forbiddenKey(path));
      if (textIsKept) checkText(key, path, problems);
      path.pop();
      below(key, (at as Record<string, unknown>)[key]);
    }
  };
  const below = (key: PropertyKey, item: unknown): void => {
    path.push(key);
    visit(item);
    path.pop();
  };
  visit(value);
  return problems;
}

function checkText(text: string, path: PropertyKey[], problems: Problem[]): void {
  if (text.includes('\0') || !text.isWellFormed()) {
    problems.push({
      pointer: pointerTo(path).toWellFormed().replaceAll('\0', '\uFFFD'),
      code: 'INVALID_UNICODE',
      message: 'The text contains a NUL character or half of a surrogate pair, which cannot be stored. Remove it.',
    });
  }
}

function tooLarge(path: PropertyKey[]): Problem {
  const message = 'The number is larger than JSON readers hold (about 1.8e308). Send it as text.';
  return { pointer: pointerTo(path), code: 'NUMBER_TOO_LARGE', message };
}

function forbiddenKey(path: PropertyKey[]): Problem {
  return { pointer: pointerTo(path), code: 'FORBIDDEN_KEY', message: 'This key is not allowed. Rename it.' };
}
