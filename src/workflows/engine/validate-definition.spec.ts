import { compileGraph } from './graph.js';
import { validateDefinition } from './validate-definition.js';

const transform = (id: string, output: unknown = 1) => ({ id, type: 'transform', data: { output } });
const edge = (source: string, target: string, more: object = {}) => ({
  id: `${source}-${target}`,
  source,
  target,
  ...more,
});
const checkpoint = (id: string, data: object = {}) => ({
  id,
  type: 'checkpoint',
  data: { title: 'T', content: 1, ...data },
});
const node = (type: string, data: object) => ({ nodes: [{ id: 'n', type, data }], edges: [] });

function problemsOf(definition: unknown): [string, string][] {
  const validation = validateDefinition(definition);
  return validation.ok ? [] : validation.problems.map(({ pointer, code }) => [pointer, code]);
}

const messagesOf = (definition: unknown) => {
  const validation = validateDefinition(definition);
  return validation.ok ? [] : validation.problems.map(({ message }) => message);
};

const everything = {
  viewport: { x: 0, y: 0, zoom: 1 },
  nodes: [
    {
      id: 'draft',
      type: 'code',
      position: { x: 1, y: 2 },
      measured: { width: 100, height: 40 },
      width: 100,
      selected: true,
      style: { color: 'red' },
      data: { code: 'output = {{}}', label: 'Draft', retry: { max_attempts: 3 }, input: { who: '{{ input.who }}' } },
    },
    {
      id: 'review',
      type: 'checkpoint',
      data: {
        title: 'Review of {{ input.who }}',
        instructions: 'Look.',
        content: '{{ steps.draft.output }}',
        schema: { type: 'object', properties: { text: { type: 'string' } } },
        not_requester: true,
        max_iterations: 5,
      },
    },
    {
      id: 'route',
      type: 'branch',
      data: { cases: [{ handle: 'long', when: 'size(steps.review.output.text) > 100', label: 'Long' }] },
    },
    {
      id: 'shape',
      type: 'transform',
      data: { output: { text: 'Dear {{ input.who }}, {{ steps.review.output.text }}' } },
    },
    { id: 'pause', type: 'delay', data: { for_seconds: '{{ input.wait }}' } },
    { id: 'until', type: 'delay', data: { until: '2026-01-31T09:00:00Z', join: 'all' } },
    { id: 'done', type: 'end', data: { output: '{{ steps.shape.output }}' } },
    { id: 'stop', type: 'fail', data: { message: 'No {{ input.who }}', code: 'NOT_TODAY' } },
  ],
  edges: [
    { ...edge('draft', 'review'), animated: true, type: 'smoothstep' },
    edge('review', 'route', { sourceHandle: 'approved', targetHandle: 'top' }),
    edge('review', 'draft', { sourceHandle: 'rejected' }),
    edge('route', 'shape', { sourceHandle: 'long', data: { label: 'long', when: 'input.who != ""' } }),
    edge('route', 'pause', { sourceHandle: 'else' }),
    edge('pause', 'until', { sourceHandle: 'default' }),
    edge('until', 'stop', { sourceHandle: null }),
    edge('shape', 'done'),
    { ...edge('shape', 'done'), id: 'again' },
  ],
};
everything.nodes.unshift(transform('start') as never);
everything.edges.unshift(edge('start', 'draft'));

describe('a definition', () => {
  it('that is valid comes back as it is, with what a front end stored in it', () => {
    const before = structuredClone(everything);
    const validation = validateDefinition(everything);
    expect(validation).toEqual({ ok: true, definition: before });
    expect(validation.ok && validation.definition).toBe(everything);
    expect(() => compileGraph(everything as never)).not.toThrow();
  });

  it.each<[string, unknown, [string, string][]]>([
    ['text', 'x', [['', 'DEFINITION_NOT_OBJECT']]],
    ['a list', [], [['', 'DEFINITION_NOT_OBJECT']]],
    ['null', null, [['', 'DEFINITION_NOT_OBJECT']]],
    [
      'an empty object',
      {},
      [
        ['', 'NODES_MISSING'],
        ['', 'EDGES_MISSING'],
      ],
    ],
    ['nodes that are no list', { nodes: {}, edges: [] }, [['/nodes', 'NODES_MISSING']]],
    ['edges that are no list', { nodes: [transform('a')], edges: null }, [['/edges', 'EDGES_MISSING']]],
    ['no node', { nodes: [], edges: [] }, [['/nodes', 'NODES_EMPTY']]],
    [
      '501 nodes',
      { nodes: Array.from({ length: 501 }, (_, i) => transform(`n${i}`)), edges: [] },
      [['/nodes', 'TOO_MANY_NODES']],
    ],
    [
      '2,001 edges',
      { nodes: [transform('a')], edges: Array.from({ length: 2_001 }, () => edge('a', 'a')) },
      [['/edges', 'TOO_MANY_EDGES']],
    ],
    [
      'more than a megabyte',
      { nodes: [transform('a', 'x'.repeat(1_048_577))], edges: [] },
      [['', 'DEFINITION_TOO_LARGE']],
    ],
    [
      'very deep nesting',
      { nodes: [transform('a', JSON.parse('['.repeat(20_000) + ']'.repeat(20_000)))], edges: [] },
      [['', 'DEFINITION_TOO_DEEP']],
    ],
    ['values that JSON cannot hold', { nodes: [transform('a', 1n)], edges: [] }, [['', 'DEFINITION_NOT_JSON']]],
    ['a node that is no object', { nodes: [1, transform('a')], edges: [] }, [['/nodes/0', 'WRONG_TYPE']]],
    [
      'a node without anything',
      { nodes: [{}], edges: [] },
      [
        ['/nodes/0/id', 'REQUIRED'],
        ['/nodes/0/type', 'REQUIRED'],
      ],
    ],
    ['an id with a space', { nodes: [transform('a b')], edges: [] }, [['/nodes/0/id', 'INVALID_FORMAT']]],
    [
      'a position without y',
      { nodes: [{ ...transform('a'), position: { x: 1 } }], edges: [] },
      [['/nodes/0/position/y', 'REQUIRED']],
    ],
    ['an unknown type', node('shell', {}), [['/nodes/0/type', 'NODE_TYPE_UNKNOWN']]],
    ['a type named like a JavaScript property', node('constructor', {}), [['/nodes/0/type', 'NODE_TYPE_UNKNOWN']]],
    ['a node without data', { nodes: [{ id: 'n', type: 'end' }], edges: [] }, [['/nodes/0/data', 'REQUIRED']]],
    [
      'an unknown field',
      node('end', { output: 1, outptu: 2, label: 'L' }),
      [['/nodes/0/data/outptu', 'UNKNOWN_FIELD']],
    ],
    ['a label that is too long', node('end', { label: 'x'.repeat(256) }), [['/nodes/0/data/label', 'OUT_OF_RANGE']]],
    ['code that is missing', node('code', {}), [['/nodes/0/data/code', 'REQUIRED']]],
    ['code that is too long', node('code', { code: 'x'.repeat(50_001) }), [['/nodes/0/data/code', 'OUT_OF_RANGE']]],
    [
      'limits out of range',
      node('code', { code: 'x', timeout_seconds: 301, max_memory_mb: 63 }),
      [
        ['/nodes/0/data/timeout_seconds', 'OUT_OF_RANGE'],
        ['/nodes/0/data/max_memory_mb', 'OUT_OF_RANGE'],
      ],
    ],
    [
      'a language that is not known and secrets that cannot be',
      node('code', { code: 'x', language: 'perl', secrets: ['A', 'a', 1] }),
      [
        ['/nodes/0/data/language', 'INVALID_VALUE'],
        ['/nodes/0/data/secrets/1', 'INVALID_FORMAT'],
        ['/nodes/0/data/secrets/2', 'WRONG_TYPE'],
      ],
    ],
    [
      'a secret that is named twice',
      node('code', { code: 'x', secrets: ['A', 'B', 'A'] }),
      [['/nodes/0/data/secrets', 'INVALID_VALUE']],
    ],
    [
      'too many secrets',
      node('code', { code: 'x', secrets: Array.from({ length: 21 }, (_, n) => `S${n}`) }),
      [['/nodes/0/data/secrets', 'OUT_OF_RANGE']],
    ],
    [
      'a retry that is wrong',
      node('code', { code: 'x', retry: { max_attempts: 21, backoff: 'random', often: true } }),
      [
        ['/nodes/0/data/retry/max_attempts', 'OUT_OF_RANGE'],
        ['/nodes/0/data/retry/backoff', 'INVALID_VALUE'],
        ['/nodes/0/data/retry/often', 'UNKNOWN_FIELD'],
      ],
    ],
    [
      'too many iterations',
      node('end', { max_iterations: 10_001 }),
      [['/nodes/0/data/max_iterations', 'OUT_OF_RANGE']],
    ],
    ['a join of another kind', node('end', { join: 'some' }), [['/nodes/0/data/join', 'WRONG_TYPE']]],
    ['a transform without output', node('transform', {}), [['/nodes/0/data/output', 'REQUIRED']]],
    ['a checkpoint without content', node('checkpoint', { title: 'T' }), [['/nodes/0/data/content', 'REQUIRED']]],
    [
      'a checkpoint with a schema that is none',
      node('checkpoint', { title: 'T', content: 1, schema: { type: 'text' } }),
      [['/nodes/0/data/schema/type', 'JSON_SCHEMA_INVALID']],
    ],
    ['a branch without cases', node('branch', { cases: [] }), [['/nodes/0/data/cases', 'OUT_OF_RANGE']]],
    [
      'a case named else',
      node('branch', { cases: [{ handle: 'else', when: 'true' }] }),
      [['/nodes/0/data/cases/0/handle', 'INVALID_VALUE']],
    ],
    [
      'two cases of one handle',
      node('branch', {
        cases: [
          { handle: 'a', when: 'true' },
          { handle: 'a', when: 'true' },
        ],
      }),
      [['/nodes/0/data/cases/1/handle', 'HANDLE_DUPLICATE']],
    ],
    [
      'a case with a bad condition',
      node('branch', { cases: [{ handle: 'a', when: 'input.' }] }),
      [['/nodes/0/data/cases/0/when', 'EXPRESSION_INVALID']],
    ],
    ['a delay of neither kind', node('delay', {}), [['/nodes/0/data', 'INVALID_VALUE']]],
    [
      'a delay of both kinds',
      node('delay', { for_seconds: 1, until: '{{ input.t }}' }),
      [['/nodes/0/data', 'INVALID_VALUE']],
    ],
    [
      'a delay of more than a year',
      node('delay', { for_seconds: 31_536_001 }),
      [['/nodes/0/data/for_seconds', 'OUT_OF_RANGE']],
    ],
    [
      'a delay written as text',
      node('delay', { for_seconds: 'long' }),
      [['/nodes/0/data/for_seconds', 'INVALID_VALUE']],
    ],
    ['a delay until no date', node('delay', { until: 'tomorrow' }), [['/nodes/0/data/until', 'INVALID_VALUE']]],
    [
      'two nodes of one id',
      { nodes: [transform('a'), transform('a')], edges: [] },
      [['/nodes/1/id', 'NODE_ID_DUPLICATE']],
    ],
    [
      'two edges of one id',
      { nodes: [transform('a'), transform('b')], edges: [edge('a', 'b'), edge('a', 'b')] },
      [['/edges/1/id', 'EDGE_ID_DUPLICATE']],
    ],
    [
      'edges that dangle',
      { nodes: [transform('a')], edges: [edge('a', 'x'), edge('y', 'a')] },
      [
        ['/edges/0/target', 'EDGE_TARGET_UNKNOWN'],
        ['/edges/1/source', 'EDGE_SOURCE_UNKNOWN'],
      ],
    ],
    [
      'an edge without ends',
      { nodes: [transform('a')], edges: [{ id: 'e' }] },
      [
        ['/edges/0/source', 'REQUIRED'],
        ['/edges/0/target', 'REQUIRED'],
      ],
    ],
    [
      'an edge from an unknown handle',
      { nodes: [checkpoint('a'), transform('b')], edges: [edge('a', 'b', { sourceHandle: 'maybe' })] },
      [['/edges/0/sourceHandle', 'HANDLE_UNKNOWN']],
    ],
    [
      'an edge from a branch without a handle',
      {
        nodes: [node('branch', { cases: [{ handle: 'x', when: 'true' }] }).nodes[0], transform('b')],
        edges: [edge('n', 'b')],
      },
      [['/edges/0/sourceHandle', 'HANDLE_UNKNOWN']],
    ],
    [
      'an edge that leaves an end',
      { nodes: [node('end', {}).nodes[0], transform('b')], edges: [edge('n', 'b')] },
      [['/edges/0/source', 'EDGE_LEAVES_END']],
    ],
    [
      'an edge with a bad condition',
      { nodes: [transform('a'), transform('b')], edges: [edge('a', 'b', { data: { when: 'input.x ==' } })] },
      [['/edges/0/data/when', 'EXPRESSION_INVALID']],
    ],
    [
      'only nodes with incoming edges',
      { nodes: [checkpoint('a')], edges: [edge('a', 'a')] },
      [['/nodes', 'NO_ENTRY_NODE']],
    ],
    [
      'nodes that nothing leads to',
      {
        nodes: [transform('a'), checkpoint('b'), transform('c')],
        edges: [edge('b', 'b', { sourceHandle: 'rejected' }), edge('b', 'c')],
      },
      [
        ['/nodes/1', 'NODE_UNREACHABLE'],
        ['/nodes/2', 'NODE_UNREACHABLE'],
      ],
    ],
    [
      'a loop without a way out',
      {
        nodes: [transform('s'), transform('a'), transform('b')],
        edges: [edge('s', 'a'), edge('a', 'b'), edge('b', 'a')],
      },
      [
        ['/nodes/1', 'CYCLE_WITHOUT_EXIT'],
        ['/nodes/2', 'CYCLE_WITHOUT_EXIT'],
      ],
    ],
    [
      'a node that only leads to itself',
      { nodes: [transform('s'), transform('a')], edges: [edge('s', 'a'), edge('a', 'a')] },
      [['/nodes/1', 'CYCLE_WITHOUT_EXIT']],
    ],
    [
      'a loop left only by an edge that is taken beside the one back',
      {
        nodes: [transform('s'), transform('a'), transform('b')],
        edges: [edge('s', 'a'), edge('a', 'a'), edge('a', 'b')],
      },
      [['/nodes/1', 'CYCLE_WITHOUT_EXIT']],
    ],
    [
      'a bad expression in a template',
      { nodes: [transform('a', { list: ['{{ 1 + }}'] })], edges: [] },
      [['/nodes/0/data/output/list/0', 'EXPRESSION_INVALID']],
    ],
    [
      'an unknown name in a template',
      { nodes: [transform('a', '{{ inputs.x }}')], edges: [] },
      [['/nodes/0/data/output', 'UNKNOWN_NAME']],
    ],
    [
      'an unknown step in a template',
      { nodes: [transform('a', { 'x/y': '{{ steps.b.output }}' })], edges: [] },
      [['/nodes/0/data/output/x~1y', 'UNKNOWN_STEP']],
    ],
    [
      'an unknown step in a condition',
      { nodes: [transform('a'), transform('b')], edges: [edge('a', 'b', { data: { when: 'steps.c.output' } })] },
      [['/edges/0/data/when', 'UNKNOWN_STEP']],
    ],
    [
      'a template that is not closed',
      { nodes: [transform('a', 'Dear {{ input.name')], edges: [] },
      [['/nodes/0/data/output', 'TEMPLATE_UNBALANCED']],
    ],
  ])('of %s is refused', (_what, definition, problems) => {
    expect(problemsOf(definition)).toEqual(problems);
  });

  it.each<[string, unknown]>([
    [
      'a loop left by a checkpoint that leads nowhere',
      {
        nodes: [transform('s'), checkpoint('a')],
        edges: [edge('s', 'a'), edge('a', 'a', { sourceHandle: 'rejected' })],
      },
    ],
    [
      'a loop whose way back has a condition',
      {
        nodes: [transform('s'), transform('a')],
        edges: [edge('s', 'a'), edge('a', 'a', { data: { when: 'input.more' } })],
      },
    ],
    [
      'two edges between the same nodes',
      { nodes: [transform('a'), transform('b')], edges: [edge('a', 'b'), { ...edge('a', 'b'), id: 'e2' }] },
    ],
    ['two graphs beside each other', { nodes: [transform('a'), transform('b')], edges: [] }],
    ['Python with braces', node('code', { code: 'x = "{{ not a template"' })],
    [
      '500 nodes in a row',
      {
        nodes: Array.from({ length: 500 }, (_, i) => transform(`n${i}`)),
        edges: Array.from({ length: 499 }, (_, i) => edge(`n${i}`, `n${i + 1}`)),
      },
    ],
  ])('of %s is accepted', (_what, definition) => {
    expect(problemsOf(definition)).toEqual([]);
  });

  it('tells all its problems at once, in the order of the document', () => {
    const definition = {
      edges: [edge('a', 'nowhere'), edge('b', 'a', { data: { when: 'x' } })],
      nodes: [
        transform('a', '{{ steps.q.output }}'),
        { id: 'b', type: 'code', data: { colour: 'red', code: '', timeout_seconds: 0 } },
        transform('a', '{{'),
      ],
    };
    expect(problemsOf(definition)).toEqual([
      ['/edges/0/target', 'EDGE_TARGET_UNKNOWN'],
      ['/edges/1/data/when', 'UNKNOWN_NAME'],
      ['/nodes/0/data/output', 'UNKNOWN_STEP'],
      ['/nodes/1/data/colour', 'UNKNOWN_FIELD'],
      ['/nodes/1/data/code', 'OUT_OF_RANGE'],
      ['/nodes/1/data/timeout_seconds', 'OUT_OF_RANGE'],
      ['/nodes/2/id', 'NODE_ID_DUPLICATE'],
      ['/nodes/2/data/output', 'TEMPLATE_UNBALANCED'],
    ]);
  });

  it('is told what to do in a sentence', () => {
    expect(
      messagesOf({ nodes: [transform('my-step'), transform('b', '{{ steps.my-step.output }}')], edges: [] }),
    ).toEqual([expect.stringContaining('"step"')]);
    expect(messagesOf({ nodes: [transform('my-step'), transform('b', '{{ steps.my }}')], edges: [] })).toEqual([
      'There is no node "my" for steps to read; write steps["my-step"], as a - would subtract.',
    ]);
    expect(messagesOf(node('branch', { cases: [{ handle: 'a', when: '{{ input.x }}' }] }))).toEqual([
      'Write this expression without {{ and }}.',
    ]);
    expect(messagesOf(node('code', { code: 'x', timeout_seconds: 301 }))).toEqual([
      '"timeout_seconds": Too big: expected number to be <=300.',
    ]);
  });

  it('may have keys named like properties of JavaScript objects', () => {
    const output = JSON.parse('{"__proto__": {"a": "{{ 1 + }}"}, "constructor": 1}');
    expect(problemsOf({ nodes: [transform('a', output)], edges: [] })).toEqual([
      ['/nodes/0/data/output/__proto__/a', 'EXPRESSION_INVALID'],
    ]);
  });
});
