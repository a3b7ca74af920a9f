import type { Problem } from '../errors/domain-error.js';
import { compilePattern } from './linear-regex-engine.js';

export const MAX_SCHEMA_LENGTH = 65_536;
/** How deep lists and objects of a schema may lie in each other. */
export const MAX_SCHEMA_DEPTH = 32;
/** Subschemas that apply, those behind references counted as often as they are referred to. */
export const MAX_SUBSCHEMAS = 2_000;

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** What the cost of validating a value with a schema depends on. */
export interface SchemaSize {
  /** How many subschemas may apply to a member at depth 0, 1, 2, … of a value. */
  readonly perDepth: readonly number[];
  /** Instructions of all compiled patterns together; each may run on each text. */
  readonly patternInstructions: number;
  readonly comparesItems: boolean;
}

export type MeasuredSchema =
  { readonly ok: true; readonly size: SchemaSize } | { readonly ok: false; readonly problems: readonly Problem[] };

/** Applied to the same value as the schema they stand in. */
const inPlace = {
  one: ['not', 'if', 'then', 'else'],
  list: ['allOf', 'anyOf', 'oneOf'],
  map: ['dependentSchemas'],
};
/** Applied to members of the value. */
const toMembers = {
  one: ['additionalProperties', 'propertyNames', 'items', 'contains', 'unevaluatedProperties', 'unevaluatedItems'],
  list: ['prefixItems'],
  map: ['properties', 'patternProperties'],
};
/** Names for schemas that could be reached from elsewhere, or take their meaning from where they are reached. */
const refused = ['$id', '$anchor', '$dynamicAnchor', '$dynamicRef', '$recursiveRef', '$recursiveAnchor', '$vocabulary'];

type SchemaObject = Readonly<Record<string, unknown>>;

/**
 * Counts what a schema can make a validator do, before anything is compiled. A reference is followed as if what it
 * refers to stood there: thirty definitions that each refer twice to the next are a billion subschemas.
 * Only references into `$defs` and other places of the same schema are allowed, and none back to where it stands.
 */
export function measureSchema(schema: unknown): MeasuredSchema {
  if (!isObject(schema)) return refuse('', 'write an object, or true or false');
  if (isTooDeep(schema)) return refuse('', `nest it at most ${MAX_SCHEMA_DEPTH} levels deep`);
  if (JSON.stringify(schema).length > MAX_SCHEMA_LENGTH) {
    return refuse('', `it may have up to ${MAX_SCHEMA_LENGTH} characters of JSON`);
  }
  const measure: Measure = { root: schema, perDepth: [], patternInstructions: 0, comparesItems: false, total: 0 };
  try {
    visit(schema, '', 0, [], measure);
  } catch (error) {
    if (error instanceof SchemaRefusal) return refuse(error.pointer, error.message);
    throw error;
  }
  return { ok: true, size: measure };
}

interface Measure {
  readonly root: SchemaObject;
  readonly perDepth: number[];
  patternInstructions: number;
  comparesItems: boolean;
  total: number;
}

class SchemaRefusal extends Error {
  constructor(
    readonly pointer: string,
    message: string,
  ) {
    super(message);
    this.name = 'SchemaRefusal';
  }
}

function refuse(pointer: string, advice: string): MeasuredSchema {
  const message = `The JSON Schema cannot be used: ${advice}.`;
  return { ok: false, problems: [{ pointer, code: 'JSON_SCHEMA_INVALID', message }] };
}

function visit(schema: unknown, pointer: string, depth: number, path: readonly unknown[], measure: Measure): void {
  measure.total += 1;
  if (measure.total > MAX_SUBSCHEMAS) {
    throw new SchemaRefusal('', `use at most ${MAX_SUBSCHEMAS} subschemas, those behind $ref counted each time`);
  }
  measure.perDepth[depth] = (measure.perDepth[depth] ?? 0) + weightOf(schema);
  if (!isObject(schema)) return;
  checkNames(schema, pointer);
  measurePatterns(schema, pointer, measure);
  measure.comparesItems ||= schema['uniqueItems'] === true;
  visitReference(schema, pointer, depth, path, measure);
  for (const [child, at] of children(schema, inPlace, pointer)) visit(child, at, depth, path, measure);
  for (const [child, at] of children(schema, toMembers, pointer)) visit(child, at, depth + 1, path, measure);
}

const weightOf = (schema: unknown) =>
  1 + (isObject(schema) && Array.isArray(schema['enum']) ? schema['enum'].length : 0);

function checkNames(schema: SchemaObject, pointer: string): void {
  const name = refused.find((keyword) => Object.hasOwn(schema, keyword));
  if (name !== undefined) throw new SchemaRefusal(`${pointer}/${name}`, `leave out ${name}`);
  const dialect = schema['$schema'];
  if (dialect !== undefined && (pointer !== '' || dialect !== DIALECT)) {
    throw new SchemaRefusal(`${pointer}/$schema`, `leave out $schema, or write ${DIALECT} at the top`);
  }
}

function measurePatterns(schema: SchemaObject, pointer: string, measure: Measure): void {
  const own = typeof schema['pattern'] === 'string' ? [schema['pattern']] : [];
  const ofKeys = isObject(schema['patternProperties']) ? Object.keys(schema['patternProperties']) : [];
  for (const pattern of [...own, ...ofKeys]) measure.patternInstructions += instructionsOf(pattern, pointer);
}

function instructionsOf(pattern: string, pointer: string): number {
  try {
    return compilePattern(pattern).programSize();
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'cannot be read';
    throw new SchemaRefusal(pointer, `write patterns in RE2 syntax (${reason})`);
  }
}

function visitReference(
  schema: SchemaObject,
  pointer: string,
  depth: number,
  path: readonly unknown[],
  measure: Measure,
): void {
  const reference = schema['$ref'];
  if (reference === undefined) return;
  const at = `${pointer}/$ref`;
  const target = typeof reference === 'string' ? resolve(measure.root, reference) : undefined;
  if (target === undefined)
    throw new SchemaRefusal(at, 'refer only to places of the same schema, such as #/$defs/name');
  if (path.includes(target) || target === schema) throw new SchemaRefusal(at, 'a schema may not refer back to itself');
  visit(target, at, depth, [...path, target], measure);
}

function resolve(root: SchemaObject, reference: string): unknown {
  if (!reference.startsWith('#/')) return undefined;
  return reference
    .slice(2)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>(
      (parent, token) => (isObject(parent) && Object.hasOwn(parent, token) ? parent[token] : undefined),
      root,
    );
}

function children(schema: SchemaObject, keywords: typeof inPlace, pointer: string): [unknown, string][] {
  const single = keywords.one.flatMap((name): [unknown, string][] =>
    schema[name] === undefined ? [] : [[schema[name], `${pointer}/${name}`]],
  );
  const several = [...keywords.list, ...keywords.map].flatMap((name): [unknown, string][] => {
    const group = schema[name];
    if (typeof group !== 'object' || group === null) return [];
    return Object.entries(group).map(([key, child]) => [child, `${pointer}/${name}/${escaped(key)}`]);
  });
  return [...single, ...several];
}

function isTooDeep(value: object): boolean {
  let level: readonly object[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth >= MAX_SCHEMA_DEPTH) return true;
    level = level.flatMap((item) => Object.values(item).filter((child) => typeof child === 'object' && child !== null));
  }
  return false;
}

const isObject = (value: unknown): value is SchemaObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const escaped = (token: string) => token.replaceAll('~', '~0').replaceAll('/', '~1');
