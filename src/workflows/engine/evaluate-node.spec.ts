import type { Token } from './advance-execution.js';
import { evaluateNode } from './evaluate-node.js';
import type { ExpressionNames } from './expression.js';
import { compileGraph, nodeOf } from './graph.js';

const names: ExpressionNames = {
  input: { who: 'Ada', n: 5, soon: '2026-01-31T10:00:00+01:00' },
  steps: { a: { output: 'from a' }, b: { output: { of: 'b' } } },
  execution: { id: 'e1' },
};

const arrival = (source: string): Token => ({ edge: `${source}-n`, node: 'n', source, source_iteration: 1 });
const entry: Token = { edge: null, node: 'n', source: null, source_iteration: 0 };

function evaluate(type: string, data: object, consumed: Token[] = [entry]) {
  const graph = compileGraph({ nodes: [{ id: 'n', type, data }], edges: [] } as never);
  return evaluateNode(nodeOf(graph, 'n'), names, consumed);
}

const code = { code: 'output = input' };
const branch = (...whens: string[]) => ({ cases: whens.map((when, i) => ({ handle: `case${i}`, when })) });

describe('a node', () => {
  it.each<[string, string, object, object]>([
    ['transform gives its output', 'transform', { output: { to: '{{ input.who }}' } }, { output: { to: 'Ada' } }],
    ['end gives its output', 'end', { output: '{{ steps.b.output }}' }, { output: { of: 'b' } }],
    ['end without output gives null', 'end', {}, { output: null }],
    [
      'branch leaves by the first case that holds',
      'branch',
      branch('input.n > 9', 'input.n > 4', 'true'),
      { handle: 'case1', output: null },
    ],
    ['branch leaves by else when no case holds', 'branch', branch('input.n > 9'), { handle: 'else', output: null }],
    [
      'branch does not look at cases behind the one that holds',
      'branch',
      branch('true', 'input.missing'),
      { handle: 'case0', output: null },
    ],
    [
      'fail gives its message and a code',
      'fail',
      { message: 'No {{ input.who }}' },
      { failure: { code: 'WORKFLOW_FAILED', message: 'No Ada' } },
    ],
    [
      'fail gives its own code',
      'fail',
      { message: '{{ input.n }}', code: 'TOO_LATE' },
      { failure: { code: 'TOO_LATE', message: '5' } },
    ],
    ['delay gives seconds', 'delay', { for_seconds: 1.5 }, { seconds: 1.5 }],
    ['delay reads seconds from a template', 'delay', { for_seconds: '{{ input.n * 60 }}' }, { seconds: 300 }],
    ['delay reads seconds from text', 'delay', { for_seconds: '{{ input.n }}0' }, { seconds: 50 }],
    ['delay gives a moment in UTC', 'delay', { until: '{{ input.soon }}' }, { until: '2026-01-31T09:00:00.000Z' }],
    [
      'delay reckons with time',
      'delay',
      { until: '{{ timestamp(input.soon) + duration("1h") }}' },
      { until: '2026-01-31T10:00:00.000Z' },
    ],
    [
      'checkpoint gives what is to be shown',
      'checkpoint',
      { title: '{{ input.n }}', instructions: 'Hi {{ input.who }}', content: ['{{ input.n }}'] },
      { title: '5', instructions: 'Hi Ada', content: [5] },
    ],
    [
      'checkpoint may have no instructions',
      'checkpoint',
      { title: 'T', content: null },
      { title: 'T', instructions: null, content: null },
    ],
    ['code gives its input', 'code', { ...code, input: { who: '{{ input.who }}' } }, { input: { who: 'Ada' } }],
    ['code may have null as input', 'code', { ...code, input: null }, { input: null }],
  ])('of type %s', (_fact, type, data, value) => {
    expect(evaluate(type, data)).toEqual({ ok: true, value: { type, ...value } });
  });

  it.each<[string, Token[], unknown]>([
    ['the input of the execution at an entry', [entry], names.input],
    ['the output of the step it came from', [arrival('a')], 'from a'],
    ['the outputs by node id where several were joined', [arrival('a'), arrival('b')], { a: 'from a', b: { of: 'b' } }],
    ['one output for two edges of one step', [arrival('b'), { ...arrival('b'), edge: 'b-n-2' }], { of: 'b' }],
    ['null for a step without output', [arrival('toString')], null],
  ])('of type code that says nothing about its input gets %s', (_fact, consumed, input) => {
    expect(evaluate('code', code, consumed)).toEqual({ ok: true, value: { type: 'code', input } });
  });

  it.each<[string, object, string, string]>([
    ['transform', { output: '{{ input.missing }}' }, 'NO_SUCH_KEY', ' input.missing '],
    ['branch', branch('input.n'), 'WRONG_TYPE', 'input.n'],
    ['checkpoint', { title: '{{ input.missing }}', content: 1 }, 'NO_SUCH_KEY', ' input.missing '],
    ['checkpoint', { title: 'T', instructions: '{{ 1 / 0 }}', content: 1 }, 'DIVISION_BY_ZERO', ' 1 / 0 '],
    ['checkpoint', { title: 'T', content: '{{ 1 / 0 }}' }, 'DIVISION_BY_ZERO', ' 1 / 0 '],
    ['fail', { message: '{{ input.missing }}' }, 'NO_SUCH_KEY', ' input.missing '],
    ['delay', { for_seconds: '{{ input.who }}' }, 'INVALID_VALUE', ''],
    ['delay', { for_seconds: '{{ -1 }}' }, 'INVALID_VALUE', ''],
    ['delay', { for_seconds: '{{ 31536001 }}' }, 'INVALID_VALUE', ''],
    ['delay', { for_seconds: '{{ " " }}' }, 'INVALID_VALUE', ''],
    ['delay', { until: '{{ input.who }}' }, 'INVALID_VALUE', ''],
    ['delay', { until: '{{ input.missing }}' }, 'NO_SUCH_KEY', ' input.missing '],
  ])('of type %s with %j fails with %s', (type, data, errorCode, expression) => {
    expect(evaluate(type, data)).toMatchObject({ ok: false, error: { code: errorCode, expression } });
  });

  it('has the defaults of its type', () => {
    const graph = compileGraph({ nodes: [{ id: 'n', type: 'code', data: code }], edges: [] } as never);
    expect(nodeOf(graph, 'n').data).toEqual({
      code: 'output = input',
      timeout_seconds: 30,
      max_memory_mb: 512,
      max_iterations: 100,
      join: 'all',
      retry: { max_attempts: 1, backoff: 'exponential', initial_seconds: 1, max_seconds: 300, jitter: true },
    });
  });
});
