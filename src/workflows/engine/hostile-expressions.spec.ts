import { compileExpression, evaluateExpression, type ExpressionNames } from './expression.js';
import { compileTemplate, evaluateTemplate } from './template.js';

const names: ExpressionNames = {
  input: {
    text: 'a'.repeat(1_000_000),
    list: Array.from({ length: 10_000 }, (_, i) => i),
    long: Array.from({ length: 200_000 }, (_, i) => i),
    words: Array.from({ length: 10_000 }, () => 'word'),
    deep: JSON.parse('['.repeat(5_000) + ']'.repeat(5_000)),
    shapes: Array.from({ length: 2_000 }, (_, i) => i.toString(2).split('').reduce<unknown>(nest, 1)) as never[],
  },
  steps: {},
  execution: {},
};

function nest(inner: unknown, digit: string): unknown {
  return digit === '1' ? [inner] : { a: inner };
}

/** Binds a value, then `times` values that are each made of two of the one before, and gives the last to `then`. */
function doubled(
  times: number,
  first: string,
  double: (name: string) => string,
  then = (last: string) => last,
  variable = 'v',
) {
  const bindings = Array.from({ length: times }, (_, i) => {
    return `cel.bind(${variable}${i + 1}, ${double(`${variable}${i}`)}, `;
  });
  return `cel.bind(${variable}0, ${first}, ${bindings.join('')}${then(`${variable}${times}`)}${')'.repeat(times + 1)}`;
}

const twice = (name: string) => `${name} + ${name}`;
const pair = (name: string) => `[${name}, ${name}]`;

const hostile: [string, string, string][] = [
  ['a text doubled 40 times', doubled(40, '"aaaa"', twice), 'TEXT_TOO_LONG'],
  ['bytes doubled 40 times', doubled(40, 'b"aaaa"', twice), 'TEXT_TOO_LONG'],
  ['a list doubled 40 times', doubled(40, '[1, 2]', twice), 'LIST_TOO_LARGE'],
  ['lists that share themselves', doubled(40, '[1]', pair), 'RESULT_TOO_LARGE'],
  ['maps that share themselves', doubled(40, '{"a": 1}', (v) => `{"l": ${v}, "r": ${v}}`), 'RESULT_TOO_LARGE'],
  [
    'comparing two values that share themselves',
    doubled(22, '[1]', pair, (v) => doubled(22, '[1]', pair, (w) => `${v} == ${w}`, 'w')),
    'WORK_LIMIT_EXCEEDED',
  ],
  ['replacing each letter by the text', '"aaaaaaaaaa".replace("a", input.text)', 'TEXT_TOO_LONG'],
  ['replacing nothing by the text', 'input.text.replace("", "aaaaaaaa")', 'TEXT_TOO_LONG'],
  ['splitting a long text into letters', 'input.text.split("")', 'LIST_TOO_LARGE'],
  ['joining with a long separator', 'input.words.join(input.text)', 'TEXT_TOO_LONG'],
  ['two loops over 10,000 items', 'input.list.map(x, input.list.exists(y, y < 0))', 'WORK_LIMIT_EXCEEDED'],
  ['a loop over 200,000 items', 'input.long.map(x, x)', 'LIST_TOO_LARGE'],
  ['a search in a list for each item', 'input.list.filter(x, (x + 0.5) in input.list)', 'WORK_LIMIT_EXCEEDED'],
  ['a list for each item', 'input.list.map(x, input.list)', 'RESULT_TOO_LARGE'],
  ['a list concatenated for each item', 'input.list.map(x, input.list + [])', 'WORK_LIMIT_EXCEEDED'],
  ['a text for each item', 'input.list.map(x, input.text + "b").map(x, x.size())', 'WORK_LIMIT_EXCEEDED'],
  ['failures in a loop, put aside', 'input.list.exists(x, input.list.exists(y, y.z))', 'WORK_LIMIT_EXCEEDED'],
  ['a limit put aside by ||', 'input.long.exists(x, x < 0) || true', 'LIST_TOO_LARGE'],
  ['a pattern that backtracks elsewhere', '(input.text.substring(0, 100000) + "!").matches("^(a+)+$")', ''],
  ['a large pattern on a long text', 'input.text.matches("(?i)\\\\pL{1,500}Q")', 'WORK_LIMIT_EXCEEDED'],
  [
    'patterns compiled in a loop',
    'input.list.exists(x, "a".matches("\\\\pL{1,500}" + string(x)))',
    'WORK_LIMIT_EXCEEDED',
  ],
  ['a pattern of 100,000 letters', '"a".matches(input.text.substring(0, 100000))', 'PATTERN_INVALID'],
  [
    'a search that meets its worst case',
    'input.text.contains(input.text.substring(0, 400000) + "b")',
    'WORK_LIMIT_EXCEEDED',
  ],
  ['a result nested 5,000 deep', 'input.deep', 'VALUE_TOO_DEEP'],
  ['a comparison nested 5,000 deep', 'input.deep == [input.deep[0]]', 'VALUE_TOO_DEEP'],
  [
    'thousands of shapes compared',
    'input.shapes.filter(x, input.shapes.exists(y, x == y)).size()',
    'WORK_LIMIT_EXCEEDED',
  ],
  ['time zones in a loop', 'input.list.map(x, timestamp(0).getHours("Europe/Berlin"))', 'WORK_LIMIT_EXCEEDED'],
  ['the whole input', 'input', 'RESULT_TOO_LARGE'],
];

describe('a hostile expression', () => {
  it.each(hostile)('is stopped: %s', (_what, source, code) => {
    const compiled = compileExpression(source);
    if (!compiled.ok) throw new Error(compiled.problem.message);
    const before = process.memoryUsage().heapUsed;
    const start = performance.now();
    const result = evaluateExpression(compiled.expression, names);
    expect(result.ok ? '' : result.error.code).toBe(code);
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1_048_576);
  });

  it.each([
    ['4,000 exclamation marks', `${'!'.repeat(4_000)}true`],
    ['4,000 minus signs', `${'-'.repeat(4_000)}1`],
    ['2,000 parentheses', `${'('.repeat(2_000)}1${')'.repeat(2_000)}`],
    ['2,000 brackets', `${'['.repeat(2_000)}${']'.repeat(2_000)}`],
    ['a sum of 2,000 terms', `1${'+1'.repeat(2_000)}`],
    ['1,300 alternatives', `true${'||true'.repeat(600)}`],
    ['3,000 fields', `input${'.a'.repeat(2_000)}`],
    ['a source of 5,000 characters', `"${'a'.repeat(5_000)}"`],
    ['a pattern of a million instructions', '"a".matches("((a{100}){100}){100}")'],
  ])('is refused when it is compiled: %s', (_what, source) => {
    expect(compileExpression(source).ok).toBe(false);
  });

  it('shares its budget with all other expressions of a template', () => {
    const compiled = compileTemplate(Array.from({ length: 200 }, () => '{{ input.list.map(x, x + 1).size() }}'));
    if (!compiled.ok) throw new Error(compiled.problems[0]?.message);
    const start = performance.now();
    const result = evaluateTemplate(compiled.template, names);
    expect(result.ok ? '' : result.error.code).toBe('WORK_LIMIT_EXCEEDED');
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});
