import { validateDefinition } from './validate-definition.js';

const node = (id: string, data: object = {}, type = 'transform') => {
  return { id, type, data: { ...(type === 'transform' && { output: 1 }), ...data } };
};
const edge = (source: string, target: string, sourceHandle?: string) => {
  return { id: `${source}:${sourceHandle}>${target}`, source, target, ...(sourceHandle && { sourceHandle }) };
};
const graph = (nodes: object[], ...edges: object[]) => ({ nodes, edges });

/** a and b lead to j. */
const joined = (data: object) => graph([node('a'), node('b'), node('j', data)], edge('a', 'j'), edge('b', 'j'));

function problemsOf(definition: unknown): [string, string][] {
  const validation = validateDefinition(definition);
  return validation.ok ? [] : validation.problems.map(({ pointer, code }) => [pointer, code]);
}

const messageOf = (definition: unknown) => {
  const validation = validateDefinition(definition);
  return validation.ok ? '' : validation.problems[0]?.message;
};

describe('a definition', () => {
  it.each<[string, object]>([
    ['a join of each kind', joined({ join: 'each' })],
    ['a join of as many as there are edges', joined({ join: { count: 2 }, cancel_rest: true })],
    ['a join of any that cancels the rest', joined({ join: 'any', cancel_rest: true })],
    [
      'nodes that cancel and wait for each other',
      graph([node('a', { cancels: ['b'] }), node('b', { requires: [{ node: 'a', is: 'not_started' }] })]),
    ],
    [
      'compensations, also one for several nodes',
      graph([node('a', { compensate: 'undo' }), node('b', { compensate: 'undo' }), node('undo')]),
    ],
    [
      'an error that is routed',
      graph([node('a', { on_error: 'route' }), node('b'), node('c')], edge('a', 'b'), edge('a', 'c', 'error')),
    ],
    [
      'a loop that only an error leaves',
      graph(
        [node('s'), node('a', { on_error: 'route' }), node('b')],
        edge('s', 'a'),
        edge('a', 'a'),
        edge('a', 'b', 'error'),
      ),
    ],
  ])('may have %s', (_what, definition) => {
    expect(problemsOf(definition)).toEqual([]);
  });

  it.each<[string, object, [string, string][]]>([
    ['a join of another kind', joined({ join: 'some' }), [['/nodes/2/data/join', 'WRONG_TYPE']]],
    ['a join of none', joined({ join: { count: 0 } }), [['/nodes/2/data/join/count', 'OUT_OF_RANGE']]],
    ['a join of more than arrive', joined({ join: { count: 3 } }), [['/nodes/2/data/join', 'JOIN_COUNT_TOO_HIGH']]],
    [
      'a count where nothing arrives',
      graph([node('a', { join: { count: 1 } })]),
      [['/nodes/0/data/join', 'JOIN_COUNT_TOO_HIGH']],
    ],
    [
      'a join of all that cancels the rest',
      joined({ cancel_rest: true }),
      [['/nodes/2/data/cancel_rest', 'INVALID_VALUE']],
    ],
    [
      'a join of each that cancels the rest',
      joined({ join: 'each', cancel_rest: true }),
      [['/nodes/2/data/cancel_rest', 'INVALID_VALUE']],
    ],
    [
      'mentions of nodes that are not there',
      graph([node('a', { cancels: ['a2', 'b'], requires: [{ node: 'x', is: 'active' }], compensate: 'y' }), node('b')]),
      [
        ['/nodes/0/data/cancels/0', 'UNKNOWN_NODE'],
        ['/nodes/0/data/requires/0/node', 'UNKNOWN_NODE'],
        ['/nodes/0/data/compensate', 'UNKNOWN_NODE'],
      ],
    ],
    [
      'a node that cancels, awaits and undoes itself',
      graph([node('b'), node('a', { cancels: ['a'], requires: [{ node: 'a', is: 'completed' }], compensate: 'a' })]),
      [
        ['/nodes/1/data/cancels/0', 'NODE_NAMES_ITSELF'],
        ['/nodes/1/data/requires/0/node', 'NODE_NAMES_ITSELF'],
        ['/nodes/1/data/compensate', 'NODE_NAMES_ITSELF'],
      ],
    ],
    [
      'a requirement that cannot be read',
      graph([node('a', { requires: [{ node: 'b c', is: 'gone' }] })]),
      [
        ['/nodes/0/data/requires/0/node', 'INVALID_FORMAT'],
        ['/nodes/0/data/requires/0/is', 'INVALID_VALUE'],
      ],
    ],
    [
      'a compensation by a person',
      graph([node('a', { compensate: 'ask' }), node('ask', { title: 'T', content: 1 }, 'checkpoint')]),
      [['/nodes/0/data/compensate', 'COMPENSATION_TYPE']],
    ],
    [
      'a compensation that leads on',
      graph([node('a', { compensate: 'undo' }), node('undo'), node('b')], edge('undo', 'b')),
      [
        ['/nodes/0/data/compensate', 'COMPENSATION_CONNECTED'],
        ['/nodes/2', 'NODE_UNREACHABLE'],
      ],
    ],
    [
      'nothing but compensations',
      graph([node('a', { compensate: 'b' }), node('b', { compensate: 'a' })]),
      [['/nodes', 'NO_ENTRY_NODE']],
    ],
    [
      'an error route that leads nowhere',
      graph([node('a', { on_error: 'route' }), node('b')], edge('a', 'b')),
      [['/nodes/0/data/on_error', 'ERROR_ROUTE_MISSING']],
    ],
    [
      'an edge for errors that are not routed',
      graph([node('a'), node('b')], edge('a', 'b', 'error')),
      [['/edges/0/sourceHandle', 'HANDLE_UNKNOWN']],
    ],
    [
      'a checkpoint that goes on without a decision',
      graph([node('a', { title: 'T', content: 1, on_error: 'continue' }, 'checkpoint')]),
      [['/nodes/0/data/on_error', 'INVALID_VALUE']],
    ],
    [
      'an end that could fail',
      graph([node('a', { on_error: 'continue', race: 'r', compensate: 'a' }, 'end')]),
      [
        ['/nodes/0/data/on_error', 'UNKNOWN_FIELD'],
        ['/nodes/0/data/race', 'UNKNOWN_FIELD'],
        ['/nodes/0/data/compensate', 'UNKNOWN_FIELD'],
      ],
    ],
    [
      'a case named error',
      graph([node('a', { cases: [{ handle: 'error', when: 'true' }] }, 'branch')]),
      [['/nodes/0/data/cases/0/handle', 'INVALID_VALUE']],
    ],
  ])('with %s is refused', (_what, definition, problems) => {
    expect(problemsOf(definition)).toEqual(problems);
  });

  it('is told what a join may be', () => {
    expect(messageOf(joined({ join: 'some' }))).toBe('"join": must be all, any, each or {"count": number}.');
    expect(messageOf(joined({ join: { count: 3 } }))).toContain('waits for 3 arrivals, and 2 edges lead to the node');
  });
});

describe('the data of a node', () => {
  const workflow_id = '6f2d8f0c-6c0f-4a53-9a5e-0f3b4f0d8c11';
  const body = graph([node('each', { output: '{{ item }}' })]);

  it.each<[string, string, object]>([
    ['http', 'http', { url: 'https://example.com/{{ input.id }}' }],
    [
      'http that says everything',
      'http',
      {
        method: 'POST',
        url: '{{ input.url }}',
        headers: { authorization: 'Bearer {{ input.token }}' },
        body: { n: '{{ input.n }}' },
        timeout_seconds: 0.05,
        success_statuses: [200, 404],
        retry: { max_attempts: 3, backoff: 'linear', on: ['HTTP_TIMED_OUT'] },
      },
    ],
    ['wait', 'wait', { signal: 'paid', correlation_key: '{{ input.order }}', timeout_seconds: 86_400 }],
    ['workflow', 'workflow', { workflow_id, version: 2, input: { a: 1 }, wait: false, timeout_seconds: 60 }],
    ['map of a workflow', 'map', { items: '{{ input.all }}', workflow_id, version: 1, concurrency: 1_000 }],
    ['map with its own definition', 'map', { items: [1], definition: body, on_item_error: 'collect', wait: false }],
    ['delay until a local time', 'delay', { until: '2026-03-29T02:30:00', time_zone: 'Europe/Berlin' }],
    ['delay in a zone that input names', 'delay', { until: '2026-03-29T02:30:00', time_zone: '{{ input.zone }}' }],
    ['checkpoint with a deadline', 'checkpoint', { title: 'T', content: 1, timeout_seconds: 3_600, race: 'r' }],
    ['end that ends everything', 'end', { terminate: true }],
  ])('of type %s is accepted', (_what, type, data) => {
    expect(problemsOf(graph([node('n', data, type)]))).toEqual([]);
  });

  it.each<[string, object, [string, string][]]>([
    ['http', {}, [['/url', 'REQUIRED']]],
    [
      'http',
      { url: 'x', method: 'TRACE', headers: { a: 1 }, timeout_seconds: 301, success_statuses: [99] },
      [
        ['/method', 'INVALID_VALUE'],
        ['/headers/a', 'WRONG_TYPE'],
        ['/timeout_seconds', 'OUT_OF_RANGE'],
        ['/success_statuses/0', 'OUT_OF_RANGE'],
      ],
    ],
    ['http', { url: '{{ item }}' }, [['/url', 'UNKNOWN_NAME']]],
    ['wait', {}, [['/signal', 'REQUIRED']]],
    ['wait', { signal: 's', timeout_seconds: 0 }, [['/timeout_seconds', 'OUT_OF_RANGE']]],
    [
      'workflow',
      { workflow_id: 'mine', version: 0 },
      [
        ['/workflow_id', 'INVALID_FORMAT'],
        ['/version', 'OUT_OF_RANGE'],
      ],
    ],
    ['map', { items: [1] }, [['', 'INVALID_VALUE']]],
    ['map', { items: [1], workflow_id, definition: body }, [['', 'INVALID_VALUE']]],
    ['map', { workflow_id }, [['/items', 'REQUIRED']]],
    ['map', { items: [], workflow_id, concurrency: 0 }, [['/concurrency', 'OUT_OF_RANGE']]],
    ['delay', { until: '2026-03-29T02:30:00' }, [['/until', 'INVALID_VALUE']]],
    ['delay', { until: '2026-02-30T02:30:00', time_zone: 'Europe/Berlin' }, [['/until', 'INVALID_VALUE']]],
    ['delay', { until: '2026-03-29T02:30:00', time_zone: 'Europe/Bonn' }, [['/time_zone', 'INVALID_VALUE']]],
    ['delay', { until: '{{ input.at }}', time_zone: 'Europe/Bonn' }, [['/time_zone', 'INVALID_VALUE']]],
    ['code', { code: 'x', retry: { on: [] } }, [['/retry/on', 'OUT_OF_RANGE']]],
  ])('of type %s that is %j is refused', (type, data, problems) => {
    const found = problems.map(([pointer, code]) => [`/nodes/0/data${pointer}`, code]);
    expect(problemsOf(graph([node('n', data, type)]))).toEqual(found);
  });
});

describe('the definition that a map carries', () => {
  const map = (definition: unknown, id = 'm') => node(id, { items: [1], definition }, 'map');
  const before = [node('s'), node('t'), node('u')];

  it('has the pointers of its place', () => {
    const inner = graph(
      [node('a', { output: '{{ 1 + }}' }), node('a'), node('b', { cancels: ['s'] }), { id: 'c', type: 'shell' }],
      edge('a', 'z'),
      { ...edge('a', 'b'), data: { when: 'input.' } },
    );
    expect(problemsOf(graph([...before, map(inner)]))).toEqual([
      ['/nodes/3/data/definition/nodes/0/data/output', 'EXPRESSION_INVALID'],
      ['/nodes/3/data/definition/nodes/1/id', 'NODE_ID_DUPLICATE'],
      ['/nodes/3/data/definition/nodes/2/data/cancels/0', 'UNKNOWN_NODE'],
      ['/nodes/3/data/definition/nodes/3/type', 'NODE_TYPE_UNKNOWN'],
      ['/nodes/3/data/definition/edges/0/target', 'EDGE_TARGET_UNKNOWN'],
      ['/nodes/3/data/definition/edges/1/data/when', 'EXPRESSION_INVALID'],
    ]);
  });

  it.each<[string, unknown, [string, string][]]>([
    [
      'a list',
      [],
      [
        ['', 'WRONG_TYPE'],
        ['', 'DEFINITION_NOT_OBJECT'],
      ],
    ],
    [
      'empty',
      {},
      [
        ['', 'NODES_MISSING'],
        ['', 'EDGES_MISSING'],
      ],
    ],
    ['without nodes', graph([]), [['/nodes', 'NODES_EMPTY']]],
    [
      'a loop',
      graph([node('a')], edge('a', 'a')),
      [
        ['/nodes', 'NO_ENTRY_NODE'],
        ['/nodes/0', 'CYCLE_WITHOUT_EXIT'],
      ],
    ],
    ['of 501 nodes', graph(Array.from({ length: 501 }, (_, i) => node(`n${i}`))), [['/nodes', 'TOO_MANY_NODES']]],
  ])('is refused when it is %s', (_what, inner, problems) => {
    const found = problems.map(([pointer, code]) => [`/nodes/0/data/definition${pointer}`, code]);
    expect(problemsOf(graph([map(inner)]))).toEqual(found);
  });

  it('knows item and index, which nothing outside of it does', () => {
    const useItem = { output: '{{ string(item) + string(index) }}' };
    expect(problemsOf(graph([map(graph([node('a', useItem)]))]))).toEqual([]);
    expect(problemsOf(graph([map(graph([map(graph([node('a', useItem)]))]))]))).toEqual([]);
    expect(problemsOf(graph([node('a', useItem)]))).toEqual([['/nodes/0/data/output', 'UNKNOWN_NAME']]);
    const items = node('m', { items: '{{ item }}', definition: graph([node('a')]) }, 'map');
    expect(problemsOf(graph([items]))).toEqual([['/nodes/0/data/items', 'UNKNOWN_NAME']]);
  });

  it('reads no steps of the definition around it, and the one around reads none of it', () => {
    const inner = graph([node('a', { output: '{{ steps.s.output }}' })]);
    expect(problemsOf(graph([node('s', { output: '{{ steps.a.output }}' }), map(inner)]))).toEqual([
      ['/nodes/0/data/output', 'UNKNOWN_STEP'],
      ['/nodes/1/data/definition/nodes/0/data/output', 'UNKNOWN_STEP'],
    ]);
  });

  it('may use the ids of the definition around it', () => {
    expect(problemsOf(graph([node('a'), map(graph([node('a'), node('m')]))]))).toEqual([]);
  });

  it('may lie in others as deep as a definition may be nested', () => {
    const nested = (levels: number): object => graph([levels === 0 ? node('a') : map(nested(levels - 1))]);
    expect(problemsOf(nested(11))).toEqual([]);
    expect(problemsOf(nested(12))).toEqual([['', 'DEFINITION_TOO_DEEP']]);
  });
});
