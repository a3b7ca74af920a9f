import type { Problem } from '../errors/domain-error.js';
import type { SchemaSize } from './measure-schema.js';

/** Subschemas applied to members, texts and items compared, in all. Half a million took 100 to 300 ms. */
const MAX_WORK = 500_000;
/** How deep a value may be nested. */
const MAX_DEPTH = 100;
const PATTERN_STEPS_PER_UNIT = 16;

/** The one problem of a value that would take too long to validate; undefined for all others. */
export function tooMuchWork(size: SchemaSize, value: unknown): Problem[] | undefined {
  let work = 0;
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    const schemas = size.perDepth[depth] ?? 0;
    for (const item of level) work += schemas + workOn(item, size);
    if (work > MAX_WORK || depth >= MAX_DEPTH) return [tooComplex];
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return undefined;
}

const tooComplex: Problem = {
  pointer: '',
  code: 'VALUE_TOO_COMPLEX',
  message: 'The value is too large or too deep to be checked against its JSON Schema; make it smaller.',
};

function workOn(item: unknown, { patternInstructions, comparesItems }: SchemaSize): number {
  if (typeof item === 'string') return (item.length * patternInstructions) / PATTERN_STEPS_PER_UNIT;
  if (Array.isArray(item)) return comparesItems ? item.length ** 2 : 0;
  if (typeof item !== 'object' || item === null || patternInstructions === 0) return 0;
  const keys = Object.keys(item).reduce((total, key) => total + key.length, 0);
  return (keys * patternInstructions) / PATTERN_STEPS_PER_UNIT;
}
