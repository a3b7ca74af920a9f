import { compileExpression, evaluateExpression, type ExpressionNames } from './expression.js';

const names: ExpressionNames = {
  input: {
    n: 5,
    half: 0.5,
    text: 'héllo 👋',
    list: [1, 2, 3],
    items: [
      { name: 'a', price: 10 },
      { name: 'b', price: 20 },
    ],
    nested: { a: { b: [true, null] } },
    due: '2026-02-28T23:30:00+01:00',
    'odd key': 1,
  },
  steps: new Map([
    ['draft', { output: { title: 'T' } }],
    ['a-b', { output: 7 }],
  ]),
  execution: { id: 'e1' },
};

function evaluate(source: string) {
  const compiled = compileExpression(source);
  if (!compiled.ok) throw new Error(compiled.problem.message);
  return evaluateExpression(compiled.expression, names);
}

const valueOf = (source: string) => {
  const result = evaluate(source);
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
};

const errorOf = (source: string) => {
  const result = evaluate(source);
  return result.ok ? result : result.error;
};

const problemOf = (source: string) => {
  const compiled = compileExpression(source);
  return compiled.ok ? undefined : compiled.problem;
};

describe('an expression', () => {
  it.each([
    ['1 + 2 * 3', 7],
    ['7 / 2', 3],
    ['-7 / 2', -3],
    ['7 % 3', 1],
    ['7.0 / 2', 3.5],
    ['input.n / 2', 2.5],
    ['input.n + 1', 6],
    ['1 + input.half', 1.5],
    ['input.n % 2', 1],
    ['input.n == 5', true],
    ['5 == 5.0', true],
    ['5 < 5.5', true],
    ['input.n > 4 && input.n <= 5', true],
    ['9007199254740993 == 9007199254740992.0', false],
    ['-9223372036854775808 < 0', true],
    ['"a" + "b"', 'ab'],
    ['"a" < "b"', true],
    ['[1] + [2]', [1, 2]],
    ['[1, 2] == [1.0, 2.0]', true],
    ['{"a": [1]} == {"a": [1]}', true],
    ['{"a": 1} == {"a": 2}', false],
    ['null == null', true],
    ['1 == "1"', false],
    ['2 in input.list', true],
    ['"n" in input', true],
    ['"toString" in input', false],
    ['input.list[0]', 1],
    ['input.list[input.n - 4]', 2],
    ['input["odd key"]', 1],
    ['input.nested.a.b[0]', true],
    ['input.nested.a.b[1]', null],
    ['{1: "one"}[1]', 'one'],
    ['{true: 1, 2: 3}', { true: 1, 2: 3 }],
    ['steps.draft.output.title', 'T'],
    ['steps["a-b"].output', 7],
    ['execution.id', 'e1'],
    ['input.n > 3 ? "big" : "small"', 'big'],
    ['!(input.n > 3)', false],
    ['size(input.text)', 7],
    ['input.text.size()', 7],
    ['size(input.list) + size(input.nested) + size(b"abc")', 7],
    ['input.text.substring(6)', '👋'],
    ['input.text.substring(1, 3)', 'él'],
    ['input.text.indexOf("👋")', 6],
    ['"abcabc".indexOf("b", 2)', 4],
    ['"abcabc".lastIndexOf("b")', 4],
    ['"abc".indexOf("z")', -1],
    ['"abc".contains("b") && "abc".startsWith("ab") && "abc".endsWith("bc")', true],
    ['"É-aBc".lowerAscii() + "é-aBc".upperAscii()', 'É-abcé-ABC'],
    ['" a ".trim()', 'a'],
    ['"a,b".split(",")', ['a', 'b']],
    ['"ab".split("")', ['a', 'b']],
    ['["a", "b"].join("-")', 'a-b'],
    ['"a.b.c".replace(".", "$&")', 'a$&b$&c'],
    ['"foobar".matches("o+b")', true],
    ['"foobar".matches("^o+b$")', false],
    ['input.text.matches("^" + "h")', true],
    ['int("42") + int(3.9) + int("-1")', 44],
    ['double("2.5") * 2', 5],
    ['string(5) + string(0.5) + string(true)', '50.5true'],
    ['bool("false")', false],
    ['type(input.n) == double && type(1) == int', true],
    ['type(input.items)', 'list'],
    ['b"hi"', 'aGk='],
    ['bytes("hi").hex() + string(b"hi")', '6869hi'],
    ['timestamp(input.due)', '2026-02-28T22:30:00.000Z'],
    ['timestamp(0) + duration("1h30m")', '1970-01-01T01:30:00.000Z'],
    ['timestamp(input.due) - timestamp("2026-02-28T22:29:58.5Z")', '1.5s'],
    ['duration("90m") > duration("1h") ? duration("-0.25s") : duration("1s")', '-0.25s'],
    ['duration("90m").getMinutes()', 90],
    ['timestamp(input.due).getHours()', 22],
    ['timestamp(input.due).getHours("Europe/Berlin")', 23],
    ['timestamp(input.due).getDayOfMonth() + timestamp(input.due).getDate("Asia/Tokyo")', 28],
    ['timestamp("2024-03-01T00:00:00Z").getDayOfYear()', 60],
    ['timestamp("2026-03-01T00:00:00Z").getDayOfYear()', 59],
    ['input.list.map(x, x * 2)', [2, 4, 6]],
    ['input.list.map(x, x > 1, x * 2)', [4, 6]],
    ['input.items.filter(i, i.price > 10).map(i, i.name)', ['b']],
    ['input.list.all(x, x > 0)', true],
    ['input.list.exists(x, x > 2)', true],
    ['input.list.exists_one(x, x > 1)', false],
    ['input.nested.map(key, key)', ['a']],
    ['input.list.map(x, input.list.map(y, x * y))[1]', [2, 4, 6]],
    ['cel.bind(total, input.items.map(i, i.price), total[0] + total[1])', 30],
    ['has(input.n) && !has(input.missing)', true],
    ['has(steps.draft) && !has(steps.other)', true],
    ['true || input.missing', true],
    ['input.missing || true', true],
    ['input.missing && false', false],
    ['[1, "a", 0].exists(x, x == "a" || x > 0)', true],
    ['[1, "a"].exists(x, x > 0)', true],
    ['dyn(1)', 1],
    ['// a comment\n1', 1],
    ["r\"\\d\" + '''it's'''", "\\dit's"],
  ])('%s is %j', (source, expected) => {
    expect(valueOf(source)).toEqual(expected);
  });

  it.each([
    ['input.missing', 'NO_SUCH_KEY', 'No such key: missing; available: n, half, text, list, items'],
    ['steps.review.output', 'NO_SUCH_KEY', 'No such key: review; available: draft, a-b.'],
    ['input.nested.a.c', 'NO_SUCH_KEY', 'available: b.'],
    ['{}.a', 'NO_SUCH_KEY', 'the map is empty'],
    ['input.list[3]', 'INDEX_OUT_OF_RANGE', 'The list has 3 items, there is no item 3.'],
    ['input.list[-1]', 'INDEX_OUT_OF_RANGE', 'no item -1'],
    ['input.list["0"]', 'WRONG_TYPE', 'whole number'],
    ['input.list[0.5]', 'WRONG_TYPE', 'whole number'],
    ['input.n.x', 'WRONG_TYPE', 'Cannot read x of a value of type double'],
    ['"a" + 1', 'WRONG_TYPE', 'string + int is not defined; turn the other side into text with string(…)'],
    ['input.list - 1', 'WRONG_TYPE', 'list - int is not defined.'],
    ['"1" > 0', 'WRONG_TYPE', 'string > int'],
    ['1 in "1"', 'WRONG_TYPE', 'text.contains(part)'],
    ['input.n ? 1 : 2', 'WRONG_TYPE', 'must be true or false, got double'],
    ['!input.n', 'WRONG_TYPE', 'after !'],
    ['input.n && true', 'WRONG_TYPE', 'Each side of &&'],
    ['-"a"', 'WRONG_TYPE', 'minus sign'],
    ['1 / 0', 'DIVISION_BY_ZERO', 'right side of / is 0'],
    ['1 % 0', 'DIVISION_BY_ZERO', 'right side of % is 0'],
    ['1.0 / 0', 'NUMBER_NOT_FINITE', 'Infinity'],
    ['[0.0 / 0.0]', 'NUMBER_NOT_FINITE', 'NaN'],
    ['9223372036854775807 + 1', 'INTEGER_OVERFLOW', '64 bits'],
    ['-(-9223372036854775808)', 'INTEGER_OVERFLOW', '64 bits'],
    ['9007199254740993', 'NUMBER_TOO_LARGE', 'string(…)'],
    ['int("x")', 'INVALID_VALUE', 'digits only'],
    ['double("0x10")', 'INVALID_VALUE', 'decimal number'],
    ['timestamp("2026-02-30T00:00:00Z")', 'INVALID_VALUE', 'RFC 3339'],
    ['timestamp("2026-02-28T24:00:00Z")', 'INVALID_VALUE', 'RFC 3339'],
    ['timestamp("2025-02-29T00:00:00Z")', 'INVALID_VALUE', 'RFC 3339'],
    ['timestamp("0000-01-01T00:00:00Z")', 'INVALID_VALUE', 'RFC 3339'],
    ['timestamp("2026-02-28T00:00:00")', 'INVALID_VALUE', 'RFC 3339'],
    ['timestamp("2026-02-28")', 'INVALID_VALUE', 'RFC 3339'],
    ['timestamp(1e15)', 'INVALID_VALUE', 'years 1 to 9999'],
    ['duration("soon")', 'INVALID_VALUE', '1h30m'],
    ['timestamp(0).getHours("Mars/Olympus")', 'INVALID_VALUE', 'Europe/Berlin'],
    ['"abc".substring(2, 1)', 'INDEX_OUT_OF_RANGE', 'text of 3 characters'],
    ['"a".matches("(" + "")', 'PATTERN_INVALID', 'RE2'],
    ['5.map(x, x)', 'WRONG_TYPE', 'Only a list or a map has items'],
    ['[1].map(x, x > 0, 1 + "a")', 'WRONG_TYPE', 'int + string'],
    ['[1].filter(x, x)', 'WRONG_TYPE', 'condition of the macro'],
    ['["a"].all(x, x > 0)', 'WRONG_TYPE', 'string > int'],
    ['{[1]: 2}', 'WRONG_TYPE', 'key of a map must be text'],
    ['has(input.n.x)', 'WRONG_TYPE', 'Cannot read x'],
    ['false || input.missing', 'NO_SUCH_KEY', 'missing'],
    ['input.missing || false', 'NO_SUCH_KEY', 'missing'],
  ])('%s fails with %s', (source, code, message) => {
    const problem = problemOf(source);
    expect(problem).toBeUndefined();
    expect(errorOf(source)).toEqual({ code, message: expect.stringContaining(message), expression: source });
  });

  it.each([
    ['', 'EXPRESSION_INVALID', 'empty', 0],
    ['1 +', 'EXPRESSION_INVALID', 'Unexpected token: EOF at character 4', 3],
    ['a b', 'EXPRESSION_INVALID', 'at character 3', 2],
    ['"open', 'EXPRESSION_INVALID', 'Unterminated string', 0],
    ['{{ input.n }}', 'EXPRESSION_INVALID', 'without {{ and }}', 0],
    ['foo.bar', 'UNKNOWN_NAME', 'knows input, steps, execution', 0],
    ['1 + item', 'UNKNOWN_NAME', '"item"', 4],
    ['input.list.map(x, y)', 'UNKNOWN_NAME', 'execution, x', 18],
    ['input.list.map(x, 1) + x', 'UNKNOWN_NAME', '"x"', 23],
    ['__proto__', 'EXPRESSION_INVALID', 'Reserved identifier', 0],
    ['constructor', 'UNKNOWN_NAME', '"constructor"', 0],
    ['constructor("x")', 'EXPRESSION_INVALID', 'no function constructor()', 0],
    ['input.toString()', 'EXPRESSION_INVALID', 'no function toString()', 0],
    ['eval("1")', 'EXPRESSION_INVALID', 'no function eval()', 0],
    ['contains("a", "b")', 'EXPRESSION_INVALID', 'write value.contains(…)', 0],
    ['"a".string()', 'EXPRESSION_INVALID', 'write string(value)', 0],
    ['size()', 'EXPRESSION_INVALID', 'takes 1 arguments, got 0', 0],
    ['"a".matches("(?=a)")', 'EXPRESSION_INVALID', 'RE2', 12],
    ['5u', 'EXPRESSION_INVALID', 'leave out the u', 0],
    ['9223372036854775808', 'EXPRESSION_INVALID', '64 bits', 0],
    ['input.list.map(x.y, 1)', 'EXPRESSION_INVALID', 'iteration variable', 17],
    ['has(input)', 'EXPRESSION_INVALID', 'has() takes a path', 0],
    ['input.?a', 'EXPRESSION_INVALID', 'at character 7', 6],
    ['input.map(x, input.map(y, input.map(z, z)))', 'EXPRESSION_INVALID', 'nested 2 deep', 36],
  ])('%s is refused when it is compiled', (source, code, message, position) => {
    expect(problemOf(source)).toEqual({ code, message: expect.stringContaining(message), position });
  });

  it('may chain macros without nesting them', () => {
    expect(valueOf('input.list.map(x, x).filter(x, x > 1).map(x, x).map(x, x)')).toEqual([2, 3]);
  });

  it('lists the steps it mentions by name, but not those it computes or its own variables', () => {
    const compiled = compileExpression('steps.a.output + steps["b-c"].output + steps[input.x].output');
    expect(compiled.ok && compiled.expression.stepReferences).toEqual([
      { stepId: 'a', position: 6 },
      { stepId: 'b-c', position: 23 },
    ]);
    const shadowed = compileExpression('[{"q": 1}].map(steps, steps.q)');
    expect(shadowed.ok && shadowed.expression.stepReferences).toEqual([]);
  });

  it('reads steps from a Map and from an object alike', () => {
    const compiled = compileExpression('steps.draft.output.title');
    if (!compiled.ok) throw new Error(compiled.problem.message);
    const steps = { draft: { output: { title: 'T' } } };
    expect(evaluateExpression(compiled.expression, { ...names, steps })).toEqual({ ok: true, value: 'T' });
  });

  it('finds keys of JavaScript objects only where the data has them', () => {
    const input = JSON.parse('{"a": {"__proto__": 1, "constructor": 2}, "b": {}}');
    const read = (source: string) => {
      const compiled = compileExpression(source);
      if (!compiled.ok) throw new Error(compiled.problem.message);
      const result = evaluateExpression(compiled.expression, { ...names, input });
      return result.ok ? result.value : result.error.code;
    };
    expect(read('input.a["__proto__"] + input.a.constructor')).toBe(3);
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length']) {
      expect(read(`input.b[${JSON.stringify(key)}]`)).toBe('NO_SUCH_KEY');
      expect(read(`{}[${JSON.stringify(key)}]`)).toBe('NO_SUCH_KEY');
    }
    expect(read('input.b.constructor.constructor')).toBe('NO_SUCH_KEY');
    expect(read('[].length')).toBe('WRONG_TYPE');
    expect(read('"".constructor')).toBe('WRONG_TYPE');
    const made = read('{"__proto__": {"polluted": true}}');
    expect(Object.hasOwn(made as object, '__proto__')).toBe(true);
    expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
