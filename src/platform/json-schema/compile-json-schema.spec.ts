import { compileJsonSchema } from './compile-json-schema.js';

function validatorOf(schema: unknown) {
  const compiled = compileJsonSchema(schema);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  return compiled.validate;
}

const problemsOf = (schema: unknown) => {
  const compiled = compileJsonSchema(schema);
  return compiled.ok ? [] : compiled.problems;
};

const article = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Article',
  type: 'object',
  properties: {
    title: { type: 'string', minLength: 1, maxLength: 5 },
    tags: { type: 'array', items: { enum: ['a', 'b'] }, uniqueItems: true },
    author: { $ref: '#/$defs/person' },
    'a/b': { type: 'integer' },
  },
  required: ['title'],
  additionalProperties: false,
  $defs: { person: { type: 'object', properties: { email: { type: 'string', format: 'email' } } } },
};

describe('a JSON Schema', () => {
  it('accepts what fits', () => {
    expect(validatorOf(article)({ title: 'abc', tags: ['a', 'b'], author: { email: 'a@b.cd' }, 'a/b': 1 })).toEqual([]);
  });

  it('tells every problem of a value with its place', () => {
    const problems = validatorOf(article)({
      tags: ['a', 'c', 'a'],
      author: { email: 'x' },
      'a/b': 1.5,
      more: 1,
    });
    expect(problems.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/title', 'REQUIRED'],
      ['/more', 'UNKNOWN_FIELD'],
      ['/tags/1', 'INVALID_VALUE'],
      ['/tags', 'INVALID_VALUE'],
      ['/author/email', 'INVALID_FORMAT'],
      ['/a~1b', 'WRONG_TYPE'],
    ]);
    expect(problems[2]?.message).toBe('The value must be equal to one of the allowed values: ["a","b"].');
  });

  it('may be true or false', () => {
    expect(validatorOf(true)(1)).toEqual([]);
    expect(validatorOf(false)(1)).toHaveLength(1);
  });

  it('keeps patterns apart and reads them as JSON Schema does, anywhere in the text', () => {
    const validate = validatorOf({
      properties: { a: { pattern: '^\\d+$' }, b: { pattern: '[x-z]' }, c: { pattern: '^(?<year>\\d{4})/' } },
      patternProperties: { '^n_': { type: 'number' } },
    });
    expect(validate({ a: '12', b: '-y-', c: '2026/', n_1: 1 })).toEqual([]);
    expect(validate({ a: 'y', b: '12', c: 'y', n_1: 'x' }).map(({ pointer }) => pointer)).toEqual([
      '/a',
      '/b',
      '/c',
      '/n_1',
    ]);
  });

  it('looks at own keys only', () => {
    expect(validatorOf({ required: ['toString'] })({})).toHaveLength(1);
    expect(validatorOf({ properties: { constructor: { type: 'string' } } })({})).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ['text', 'string', ''],
    ['a list', [], ''],
    ['an unknown type', { properties: { a: { type: 'text' } } }, '/properties/a/type'],
    ['a negative length', { maxLength: -1 }, '/maxLength'],
    ['an unknown keyword', { minimun: 1 }, ''],
    ['an unknown format', { format: 'colour' }, ''],
    ['an older draft', { $schema: 'http://json-schema.org/draft-04/schema#' }, '/$schema'],
    ['an older draft inside', { not: { $schema: 'http://json-schema.org/draft-04/schema#' } }, '/not/$schema'],
    ['an id', { $id: 'https://example.com/a' }, '/$id'],
    ['an anchor', { properties: { a: { $anchor: 'x' } } }, '/properties/a/$anchor'],
    ['a remote reference', { $ref: 'https://example.com/schema' }, '/$ref'],
    ['a reference to the meta-schema', { $ref: 'https://json-schema.org/draft/2020-12/schema' }, '/$ref'],
    ['a reference to nowhere', { properties: { a: { $ref: '#/$defs/x' } } }, '/properties/a/$ref'],
    ['a reference to a key of all objects', { $ref: '#/constructor' }, '/$ref'],
    ['a reference to itself', { $defs: { a: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }, '/$ref/$ref'],
    [
      'recursion through members',
      { $defs: { a: { items: { $ref: '#/$defs/a' } } }, $ref: '#/$defs/a' },
      '/$ref/items/$ref',
    ],
    ['a pattern with look-ahead', { properties: { 'a/b': { pattern: '(?=a)' } } }, '/properties/a~1b'],
    ['a key pattern with a back reference', { patternProperties: { '(a)\\1': {} } }, ''],
    ['a pattern of 1,001 characters', { pattern: 'a'.repeat(1_001) }, ''],
    ['deep nesting', JSON.parse('{"not":'.repeat(40) + '{}' + '}'.repeat(40)), ''],
    ['more than 64 KiB', { description: 'x'.repeat(65_536) }, ''],
    ['2,000 subschemas', { allOf: Array.from({ length: 2_000 }, () => ({})) }, ''],
  ])('with %s is refused', (_what, schema, pointer) => {
    const problems = problemsOf(schema);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ pointer, code: 'JSON_SCHEMA_INVALID' });
  });

  it('that refers to itself a billion times is refused at once', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => {
        return [`d${i}`, i === 29 ? {} : { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] }];
      }),
    );
    const start = performance.now();
    expect(problemsOf({ $defs, $ref: '#/$defs/d0' })).toMatchObject([{ code: 'JSON_SCHEMA_INVALID' }]);
    expect(performance.now() - start).toBeLessThan(500);
  });

  it.each<[string, unknown, unknown]>([
    ['a pattern that backtracks', { pattern: '^(a+)+$' }, `${'a'.repeat(100_000)}!`],
    ['a large pattern', { pattern: '(?i)\\pL{1,500}Q' }, 'a'.repeat(1_000_000)],
    ['a format that backtracks', { format: 'email' }, `a@${'a'.repeat(1_000_000)}`],
    [
      'many alternatives for many items',
      { items: { anyOf: Array.from({ length: 500 }, () => ({ const: 1 })) } },
      Array.from({ length: 100_000 }, () => 2),
    ],
    ['items compared with each other', { uniqueItems: true }, Array.from({ length: 20_000 }, (_, i) => ({ i }))],
    [
      'a long enumeration',
      { items: { enum: Array.from({ length: 5_000 }, (_, i) => ({ i })) } },
      Array.from({ length: 5_000 }, () => ({})),
    ],
    ['a value that is nested too deep', { type: 'array' }, JSON.parse('['.repeat(20_000) + ']'.repeat(20_000))],
  ])('ends quickly with %s', (_what, schema, value) => {
    const validate = validatorOf(schema);
    const start = performance.now();
    expect(validate(value)).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it('does not run what a schema says as code', () => {
    const hostile = `"]; globalThis.hacked = true; //\u2028\n\${globalThis.hacked = true}'*/`;
    const validate = validatorOf({
      title: hostile,
      properties: { [hostile]: { const: hostile, enum: [hostile] }, __proto__x: { default: hostile } },
      required: [hostile],
      dependentRequired: { [hostile]: [hostile] },
      patternProperties: { [`^${hostile.replace(/[^a-z]/gi, '.')}$`]: {} },
    });
    expect(validate({})).toHaveLength(1);
    expect(validate({ [hostile]: hostile })).toEqual([]);
    expect(problemsOf({ [hostile]: 1 })).toHaveLength(1);
    expect(problemsOf({ format: hostile })).toHaveLength(1);
    expect(Object.hasOwn(globalThis, 'hacked')).toBe(false);
  });

  it('is compiled again and again without being kept', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    for (let i = 0; i < 50; i += 1) expect(validatorOf(schema)({ a: 1 })).toHaveLength(1);
  });
});
