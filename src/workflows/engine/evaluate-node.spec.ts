import type { Token } from './marking.js';
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
const workflow_id = '6f2d8f0c-6c0f-4a53-9a5e-0f3b4f0d8c11';
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
    ['code gives its input', 'code', { ...code, input: { who: '{{ input.who }}' } }, { input: { who: 'Ada' } }],
    [
      'http gives its request',
      'http',
      {
        url: 'https://example.com/{{ input.who }}?n={{ input.n }}',
        headers: { 'X-N': '{{ input.n }}', 'X-Who': 'is {{ input.who }}' },
        body: { n: '{{ input.n }}', of: '{{ steps.b.output }}' },
      },
      {
        request: {
          url: 'https://example.com/Ada?n=5',
          headers: { 'X-N': '5', 'X-Who': 'is Ada' },
          body: { n: 5, of: { of: 'b' } },
        },
      },
    ],
    ['http may have no body', 'http', { url: 'x' }, { request: { url: 'x', headers: {}, body: undefined } }],
    [
      'http may have null as body',
      'http',
      { url: 'x', body: null },
      { request: { url: 'x', headers: {}, body: null } },
    ],
    ['wait gives its signal', 'wait', { signal: 'paid {{ input.n }}' }, { signal: 'paid 5', correlation_key: null }],
    [
      'wait gives its correlation key as text',
      'wait',
      { signal: 'paid', correlation_key: '{{ input.n }}' },
      { signal: 'paid', correlation_key: '5' },
    ],
    ['workflow gives its input', 'workflow', { workflow_id, input: ['{{ input.n }}'] }, { input: [5] }],
    ['map gives its items', 'map', { workflow_id, items: ['{{ input.n }}', 'x'] }, { items: [5, 'x'] }],
    [
      'map gives the items of an expression',
      'map',
      { workflow_id, items: '{{ [1, 2].map(i, i * 2) }}' },
      { items: [2, 4] },
    ],
    ['map may have no items', 'map', { workflow_id, items: '{{ [] }}' }, { items: [] }],
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
    expect(evaluate('workflow', { workflow_id }, consumed)).toEqual({ ok: true, value: { type: 'workflow', input } });
  });

  it.each<[string, string, string, string]>([
    ['winter', 'Europe/Berlin', '2026-01-31T09:00:00', '2026-01-31T08:00:00.000Z'],
    ['summer', 'Europe/Berlin', '2026-07-31T09:00:00.5', '2026-07-31T07:00:00.500Z'],
    ['the second before clocks go forward', 'Europe/Berlin', '2026-03-29T01:59:59', '2026-03-29T00:59:59.000Z'],
    ['a moment that is skipped', 'Europe/Berlin', '2026-03-29T02:30:00', '2026-03-29T01:30:00.000Z'],
    ['the second after clocks went forward', 'Europe/Berlin', '2026-03-29T03:00:00', '2026-03-29T01:00:00.000Z'],
    ['a moment that comes twice', 'Europe/Berlin', '2026-10-25T02:30:00', '2026-10-25T00:30:00.000Z'],
    ['the hour after clocks went back', 'Europe/Berlin', '2026-10-25T03:00:00', '2026-10-25T02:00:00.000Z'],
    ['a moment that is skipped', 'America/New_York', '2026-03-08T02:15:00', '2026-03-08T07:15:00.000Z'],
    ['a moment that comes twice', 'America/New_York', '2026-11-01T01:45:00', '2026-11-01T05:45:00.000Z'],
    ['the hour after clocks went back', 'America/New_York', '2026-11-01T02:00:00', '2026-11-01T07:00:00.000Z'],
    ['half an hour that is skipped', 'Australia/Lord_Howe', '2026-10-04T02:15:00', '2026-10-03T15:45:00.000Z'],
    ['half an hour that comes twice', 'Australia/Lord_Howe', '2026-04-05T01:45:00', '2026-04-04T14:45:00.000Z'],
    ['the half hour after', 'Australia/Lord_Howe', '2026-04-05T02:00:00', '2026-04-04T15:30:00.000Z'],
    ['a day that was skipped', 'Pacific/Apia', '2011-12-30T12:00:00', '2011-12-30T22:00:00.000Z'],
    ['the day after one that was skipped', 'Pacific/Apia', '2011-12-31T05:00:00', '2011-12-30T15:00:00.000Z'],
    ['a leap day', 'Asia/Kathmandu', '2028-02-29T00:00:00', '2028-02-28T18:15:00.000Z'],
  ])('of type delay finds %s in %s: %s', (_what, time_zone, until, moment) => {
    expect(evaluate('delay', { until, time_zone })).toEqual({ ok: true, value: { type: 'delay', until: moment } });
  });

  it('of type delay takes an offset before a time zone, and reads both from expressions', () => {
    const data = { until: '{{ input.soon }}', time_zone: '{{ "America/" + "New_York" }}' };
    expect(evaluate('delay', data)).toMatchObject({ value: { until: '2026-01-31T09:00:00.000Z' } });
    const local = { ...data, until: '{{ "2026-01-31" + "T10:00:00" }}' };
    expect(evaluate('delay', local)).toMatchObject({ value: { until: '2026-01-31T15:00:00.000Z' } });
  });

  it.each<[string, object, string, string]>([
    ['transform', { output: '{{ input.missing }}' }, 'NO_SUCH_KEY', ' input.missing '],
    ['branch', branch('input.n'), 'WRONG_TYPE', 'input.n'],
    ['fail', { message: '{{ input.missing }}' }, 'NO_SUCH_KEY', ' input.missing '],
    ['delay', { for_seconds: '{{ input.who }}' }, 'INVALID_VALUE', ''],
    ['delay', { for_seconds: '{{ -1 }}' }, 'INVALID_VALUE', ''],
    ['delay', { for_seconds: '{{ 31536001 }}' }, 'INVALID_VALUE', ''],
    ['delay', { for_seconds: '{{ " " }}' }, 'INVALID_VALUE', ''],
    ['delay', { until: '{{ input.who }}' }, 'INVALID_VALUE', ''],
    ['delay', { until: '{{ input.missing }}' }, 'NO_SUCH_KEY', ' input.missing '],
    ['delay', { until: '{{ input.n }}', time_zone: 'Europe/Berlin' }, 'INVALID_VALUE', ''],
    ['delay', { until: '2026-01-31T10:00:00', time_zone: '{{ input.who }}' }, 'INVALID_VALUE', ''],
    ['delay', { until: '2026-01-31T10:00:00', time_zone: '{{ input.missing }}' }, 'NO_SUCH_KEY', ' input.missing '],
    ['delay', { until: '9999-12-31T23:00:00', time_zone: 'America/New_York' }, 'INVALID_VALUE', ''],
    ['delay', { until: '0001-01-01T01:00:00', time_zone: 'Asia/Tokyo' }, 'INVALID_VALUE', ''],
    ['http', { url: '{{ input.missing }}' }, 'NO_SUCH_KEY', ' input.missing '],
    ['http', { url: 'x', headers: { a: '{{ 1 / 0 }}' } }, 'DIVISION_BY_ZERO', ' 1 / 0 '],
    ['http', { url: 'x', body: ['{{ 1 / 0 }}'] }, 'DIVISION_BY_ZERO', ' 1 / 0 '],
    ['wait', { signal: '{{ input.missing }}' }, 'NO_SUCH_KEY', ' input.missing '],
    ['wait', { signal: 's', correlation_key: '{{ 1 / 0 }}' }, 'DIVISION_BY_ZERO', ' 1 / 0 '],
    ['workflow', { workflow_id, input: '{{ 1 / 0 }}' }, 'DIVISION_BY_ZERO', ' 1 / 0 '],
    ['map', { workflow_id, items: '{{ 1 / 0 }}' }, 'DIVISION_BY_ZERO', ' 1 / 0 '],
    ['map', { workflow_id, items: '{{ input }}' }, 'INVALID_VALUE', ''],
    ['map', { workflow_id, items: 'a, b' }, 'INVALID_VALUE', ''],
    ['map', { workflow_id, items: null }, 'INVALID_VALUE', ''],
  ])('of type %s with %j fails with %s', (type, data, errorCode, expression) => {
    expect(evaluate(type, data)).toMatchObject({ ok: false, error: { code: errorCode, expression } });
  });

  it('of type map takes 10,000 items and names how many were too many', () => {
    const items = (length: number) => ({ workflow_id, items: Array.from({ length }, () => 0) });
    expect(evaluate('map', items(10_000))).toMatchObject({ ok: true });
    expect(evaluate('map', items(10_001))).toMatchObject({
      error: { message: 'items must be a list of up to 10000 items, got 10001 items.' },
    });
  });

  it('inside of a map reads item and index', () => {
    const each = { id: 'each', type: 'transform', data: { output: '{{ {"is": item, "at": index} }}' } };
    const map = { id: 'm', type: 'map', data: { items: [1], definition: { nodes: [each], edges: [] } } };
    const body = compileGraph({ nodes: [map], edges: [] } as never).bodies.get('m')!;
    expect(evaluateNode(nodeOf(body, 'each'), { ...names, item: 'x', index: 3 }, [entry])).toEqual({
      ok: true,
      value: { type: 'transform', output: { is: 'x', at: 3 } },
    });
  });

  it('has the defaults of its type', () => {
    const graph = compileGraph({ nodes: [{ id: 'n', type: 'code', data: code }], edges: [] } as never);
    expect(nodeOf(graph, 'n').data).toEqual({
      language: 'python',
      code: 'output = input',
      timeout_seconds: 30,
      max_memory_mb: 512,
      secrets: [],
      max_iterations: 100,
      join: 'all',
      cancel_rest: false,
      cancels: [],
      requires: [],
      on_error: 'fail',
      retry: { max_attempts: 1, backoff: 'exponential', initial_seconds: 1, max_seconds: 300, jitter: true },
    });
  });
});
