import { Ajv2020, type ErrorObject, type Options, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Problem } from '../errors/domain-error.js';
import { addShortFormats } from './string-formats.js';
import { linearRegexEngine } from './linear-regex-engine.js';
import { measureSchema } from './measure-schema.js';
import { tooMuchWork } from './validation-work.js';

export type CompiledJsonSchema =
  | { readonly ok: true; readonly validate: (value: unknown) => Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Problems of one value that are told; a list of a million wrong items has no million things to say. */
const MAX_PROBLEMS = 100;

/**
 * A schema of JSON Schema 2020-12 that a user wrote, checked and ready. `validate` gives [] for a value that fits,
 * and takes any JSON value: one that would take too long is a problem and not a pause of the process.
 *
 * Ajv makes JavaScript source of a schema and runs it (`new Function`), and says that schemas should be trusted.
 * Ours are not, so: every keyword Ajv does not know is refused, and it quotes all that it takes from the ones it
 * knows; `$id`, anchors and references beyond the schema are refused, as is recursion; size, depth and the number of
 * subschemas that apply are capped (see `measureSchema`); patterns run in linear time on re2js (plain Ajv took 2.9 s
 * for 26 characters) and formats on short texts only. The schema must come from JSON, not from code.
 */
export function compileJsonSchema(schema: unknown): CompiledJsonSchema {
  if (typeof schema === 'boolean') return compileJsonSchema(schema ? {} : { not: {} });
  const measured = measureSchema(schema);
  if (!measured.ok) return measured;
  const problems = metaProblems(schema as object);
  if (problems.length > 0) return { ok: false, problems };
  try {
    // An instance for each schema: Ajv keeps what it has compiled for ever, and users would fill the memory.
    const check = newAjv({ validateSchema: false }).compile(schema as object);
    return { ok: true, validate: (value) => tooMuchWork(measured.size, value) ?? valueProblems(check, value) };
  } catch (error) {
    return { ok: false, problems: [invalidSchema('', error instanceof Error ? error.message : 'cannot be read')] };
  }
}

/** Without inlining and optimizing, 600 references compile in 50 ms and not in 1,800. */
function newAjv(options: Options = {}): Ajv2020 {
  const ajv = new Ajv2020({
    allErrors: true,
    strictSchema: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    ownProperties: true,
    addUsedSchema: false,
    logger: false,
    inlineRefs: false,
    code: { regExp: linearRegexEngine, optimize: false },
    ...options,
  });
  return addShortFormats(ajv);
}

/** For what all schemas have in common: their own schema. */
const ajv = newAjv();

function metaProblems(schema: object): Problem[] {
  const isValid = ajv.validateSchema(schema);
  if (isValid === true) return [];
  // One place may break several branches of the meta-schema; the first says enough.
  const byPlace = new Map((ajv.errors ?? []).toReversed().map((error) => [error.instancePath, error]));
  const places = [...byPlace.values()].filter(({ keyword }) => !composing.has(keyword)).toReversed();
  const problems = places.map(({ instancePath, message }) => invalidSchema(instancePath, message ?? 'is wrong'));
  return problems.length > 0 ? problems.slice(0, MAX_PROBLEMS) : [invalidSchema('', 'is no JSON Schema')];
}

/** Keywords of the meta-schema that only say that something below them is wrong. */
const composing: ReadonlySet<string> = new Set(['$ref', '$dynamicRef', 'allOf', 'anyOf']);

const invalidSchema = (pointer: string, reason: string): Problem => ({
  pointer,
  code: 'JSON_SCHEMA_INVALID',
  message: `The JSON Schema is not valid: ${reason}.`,
});

function valueProblems(check: ValidateFunction, value: unknown): Problem[] {
  return check(value) ? [] : (check.errors ?? []).slice(0, MAX_PROBLEMS).map(valueProblem);
}

function valueProblem({ instancePath, keyword, message = 'does not fit', params }: ErrorObject): Problem {
  const member = memberNamed(params);
  const pointer = member === undefined ? instancePath : `${instancePath}/${escaped(member)}`;
  return {
    pointer,
    code: problemCodes[keyword] ?? 'INVALID_VALUE',
    message: `The value ${detailed(message, params)}.`,
  };
}

/** For keywords that speak about a member of the value, which is where the problem is. */
function memberNamed(params: Readonly<Record<string, unknown>>): string | undefined {
  const member = params['missingProperty'] ?? params['additionalProperty'] ?? params['unevaluatedProperty'];
  return typeof member === 'string' ? member : undefined;
}

function detailed(message: string, { allowedValues }: Readonly<Record<string, unknown>>): string {
  return Array.isArray(allowedValues) ? `${message}: ${JSON.stringify(allowedValues).slice(0, 500)}` : message;
}

const escaped = (token: string) => token.replaceAll('~', '~0').replaceAll('/', '~1');

const problemCodes: Readonly<Record<string, string>> = {
  required: 'REQUIRED',
  additionalProperties: 'UNKNOWN_FIELD',
  unevaluatedProperties: 'UNKNOWN_FIELD',
  type: 'WRONG_TYPE',
  format: 'INVALID_FORMAT',
  pattern: 'INVALID_FORMAT',
  ...Object.fromEntries(
    [
      'minimum',
      'maximum',
      'exclusiveMinimum',
      'exclusiveMaximum',
      'minLength',
      'maxLength',
      'minItems',
      'maxItems',
    ].map((keyword) => [keyword, 'OUT_OF_RANGE']),
  ),
};
