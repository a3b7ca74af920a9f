import { expressionContext, type ExpressionNames } from './expression.js';
import { compileTemplate, evaluateTemplate } from './template.js';

const names: ExpressionNames = {
  input: { name: 'Ada', n: 5, list: [1, 'a'], none: null, yes: true, object: { a: 1 } },
  steps: {},
  execution: {},
};

function evaluate(value: unknown) {
  const compiled = compileTemplate(value);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  return evaluateTemplate(compiled.template, names);
}

describe('a template', () => {
  it.each<[unknown, unknown]>([
    ['plain', 'plain'],
    ['', ''],
    [7, 7],
    [null, null],
    ['{{ input.n }}', 5],
    ['{{input.list}}', [1, 'a']],
    ['{{ input.none }}', null],
    [' {{ input.n }}', ' 5'],
    ['{{ input.n }}{{ input.n }}', '55'],
    ['Dear {{ input.name }},', 'Dear Ada,'],
    ['{{ input.list }} {{ input.object }} {{ input.none }} {{ input.yes }}', '[1,"a"] {"a":1} null true'],
    ['{{ {"a": {"b": 1}} }}', { a: { b: 1 } }],
    ['{{{"a": {"b": 1}}}}', { a: { b: 1 } }],
    ['{{ "}}" }} and {{ "{{" }}', '}} and {{'],
    ["{{ '}}' + \"\\\"}}\" + '''}}''' }}", '}}"}}}}'],
    ['{{ input.n // }} "\n + 1 }}', 6],
    ['{"a": {"b": 1}}', '{"a": {"b": 1}}'],
    ['{ {', '{ {'],
    [
      { a: ['{{ input.n }}', { b: 'x{{ input.n }}' }], c: true },
      { a: [5, { b: 'x5' }], c: true },
    ],
    [{ '{{ input.n }}': 1 }, { '{{ input.n }}': 1 }],
    [[], []],
  ])('%j gives %j', (value, expected) => {
    expect(evaluate(value)).toEqual({ ok: true, value: expected });
  });

  it('without expressions gives the very value that was written', () => {
    const value = { a: [1, { b: 'text' }] };
    const compiled = compileTemplate(value);
    expect(compiled.ok && compiled.template.isConstant).toBe(true);
    expect(evaluate(value)).toEqual({ ok: true, value });
  });

  it('tells all its problems with their places', () => {
    expect(compileTemplate({ a: 'x {{ input. }} {{ y }}', 'b/c': ['{{ 1'] })).toEqual({
      ok: false,
      problems: [
        { code: 'EXPRESSION_INVALID', pointer: '/a', position: 12, message: expect.stringContaining('{{ input. }}') },
        { code: 'UNKNOWN_NAME', pointer: '/a', position: 18, message: expect.stringContaining('"y"') },
        { code: 'TEMPLATE_UNBALANCED', pointer: '/b~1c/0', position: 0, message: expect.stringContaining('close it') },
      ],
    });
  });

  it.each(['{{', '{{ "a', '{{ {"a": 1 }}', '{{ } }}', `{{ "${'a'.repeat(4_096)}" }}`])('%s is not balanced', (text) => {
    expect(compileTemplate(text)).toMatchObject({ ok: false, problems: [{ code: 'TEMPLATE_UNBALANCED' }] });
  });

  it.each(['a {{ }}', '{{ "}}', '{{{{ 1 }}}}'])('%s holds no expression', (text) => {
    expect(compileTemplate(text)).toMatchObject({ ok: false, problems: [{ code: 'EXPRESSION_INVALID' }] });
  });

  it('lists the steps it mentions with their places', () => {
    const compiled = compileTemplate({ a: ['x {{ steps.one.output + steps["two"].output }}'] });
    expect(compiled.ok && compiled.template.stepReferences).toEqual([
      { stepId: 'one', pointer: '/a/0', position: 11 },
      { stepId: 'two', pointer: '/a/0', position: 30 },
    ]);
  });

  it('says which expression failed and why', () => {
    expect(evaluate({ a: '{{ input.n }}', b: 'Dear {{ input.who }}' })).toEqual({
      ok: false,
      error: {
        code: 'NO_SUCH_KEY',
        message: 'No such key: who; available: name, n, list, none, yes, object.',
        expression: ' input.who ',
      },
    });
  });

  it('knows item and index only where it is told so', () => {
    expect(compileTemplate('{{ item }}').ok).toBe(false);
    const compiled = compileTemplate('{{ item + index }}', expressionContext(new Set(['item', 'index'])));
    if (!compiled.ok) throw new Error('refused');
    expect(evaluateTemplate(compiled.template, { ...names, item: 2, index: 1 })).toEqual({ ok: true, value: 3 });
  });

  it('keeps keys named like properties of JavaScript objects as keys', () => {
    const result = evaluate(JSON.parse('{"__proto__": {"x": "{{ input.n }}"}}'));
    expect(JSON.stringify(result)).toBe('{"ok":true,"value":{"__proto__":{"x":5}}}');
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it('gives back at most a megabyte in all', () => {
    const half = 'x'.repeat(600_000);
    const compiled = compileTemplate(['{{ input }}', '{{ input }}']);
    if (!compiled.ok) throw new Error('refused');
    expect(evaluateTemplate(compiled.template, { ...names, input: half })).toMatchObject({
      error: { code: 'RESULT_TOO_LARGE' },
    });
  });
});
