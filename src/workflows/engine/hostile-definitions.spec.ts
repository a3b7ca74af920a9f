import { validateDefinition } from './validate-definition.js';

const transform = (output: unknown) => ({ nodes: [{ id: 'a', type: 'transform', data: { output } }], edges: [] });

const schema = {
  type: 'object',
  properties: Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`p${i}`, { type: 'string', minLength: 1, maxLength: 80 }]),
  ),
};

const map = (id: string, definition: object) => ({ id, type: 'map', data: { items: [1], definition } });

/** Two maps in each of two maps in each of … */
function branching(levels: number): object {
  const nodes = levels === 0 ? transform(1).nodes : [map('l', branching(levels - 1)), map('r', branching(levels - 1))];
  return { nodes, edges: [] };
}

/** Every node connected to many of those behind it. */
const dense = (nodes: number, edges: number) => ({
  nodes: numbered(nodes, (i) => ({ id: `n${i}`, type: 'end', data: {} })),
  edges: numbered(edges, (i) => ({ id: `${i}`, source: `n${i % (nodes - 1)}`, target: `n${nodes - 1 - (i % 7)}` })),
});

/** Time zones are found whatever case they are written in. */
const tokyo = (way: number) =>
  [...'asia/tokyo'].map((letter, i) => (way & (1 << i) ? letter.toUpperCase() : letter)).join('');

const hostileCheckpoint = (id: string, time_zone: string) => ({
  id,
  type: 'checkpoint',
  data: {
    title: 'T',
    content: 1,
    actions: ['a', 'b', 'c', 'approve', 'approve'],
    quorum: { d: 1, e: 1 },
    not_same_as: ['x', 'x', id],
    working_hours: { time_zone },
    due_at: '2026-03-29T02:30:00',
    max_rounds: 1,
  },
});

const numbered = <T>(length: number, make: (i: number) => T) => Array.from({ length }, (_, i) => make(i));

describe('a hostile definition of a megabyte is answered within 5 s', () => {
  it.each<[string, unknown, number]>([
    ['200,000 expressions', transform('{{1}}'.repeat(200_000)), 0],
    ['100,000 texts with an expression', transform(numbered(100_000, () => '{{1}}')), 0],
    ['200,000 unknown names', transform('{{x}}'.repeat(200_000)), 100],
    ['200,000 mentions of a step', transform('{{steps.b}}'.repeat(90_000)), 100],
    [
      'mentions of a step under a key of 100,000 characters',
      transform({ ['k'.repeat(100_000)]: numbered(30_000, () => '{{steps.b}}') }),
      100,
    ],
    ['holes that are never closed', transform('{{ "\''.repeat(150_000)), 1],
    ['20,000 patterns that are slow to compile', transform('{{"a".matches("\\\\pL{1,500}")}}'.repeat(20_000)), 100],
    [
      '60,000 unknown fields',
      { nodes: [{ id: 'a', type: 'end', data: Object.fromEntries(numbered(60_000, (i) => [`k${i}`, 1])) }], edges: [] },
      1_000,
    ],
    [
      '500 checkpoints with a schema each',
      {
        nodes: numbered(500, (i) => ({ id: `n${i}`, type: 'checkpoint', data: { title: 'T', content: 1, schema } })),
        edges: [],
      },
      0,
    ],
    [
      '1,500 checkpoints in 3 maps, in time zones written in 512 ways, each with several mistakes',
      {
        nodes: numbered(3, (i) =>
          map(`m${i}`, { nodes: numbered(500, (n) => hostileCheckpoint(`n${n}`, tokyo(n))), edges: [] }),
        ),
        edges: [],
      },
      1_000,
    ],
    [
      'a checkpoint with 10,000 rungs of 20 assignees each',
      {
        nodes: [
          {
            id: 'n',
            type: 'checkpoint',
            data: {
              title: 'T',
              content: 1,
              escalation: numbered(10_000, () => ({ after_seconds: 1, to: numbered(20, () => '') })),
            },
          },
        ],
        edges: [],
      },
      401,
    ],
    [
      'every node connected to the next four',
      {
        nodes: numbered(500, (i) => ({ id: `n${i}`, type: 'transform', data: { output: 1 } })),
        edges: numbered(1_980, (i) => {
          return { id: `e${i}`, source: `n${i >> 2}`, target: `n${(i >> 2) + 1 + (i % 4)}` };
        }),
      },
      0,
    ],
    ['2,048 maps, 11 deep', branching(11), 0],
    [
      '10,000 unknown steps in 50 maps',
      {
        nodes: numbered(50, (i) =>
          map(`m${i}`, {
            nodes: numbered(200, (n) => ({ ...transform('{{steps.b}}').nodes[0], id: `n${n}` })),
            edges: [],
          }),
        ),
        edges: [],
      },
      1_000,
    ],
    [
      '12,000 edges that leave ends in 6 maps',
      { nodes: numbered(6, (i) => map(`m${i}`, dense(500, 2_000))), edges: [] },
      1_000,
    ],
    [
      '9,000 local times in 18 maps, in time zones written in 512 ways',
      {
        nodes: numbered(18, (i) =>
          map(`m${i}`, {
            nodes: numbered(500, (n) => {
              return { id: `${n}`, type: 'delay', data: { until: '2026-03-29T02:30:00', time_zone: tokyo(n) } };
            }),
            edges: [],
          }),
        ),
        edges: [],
      },
      0,
    ],
  ])('%s', (_what, definition, problems) => {
    const start = performance.now();
    const validation = validateDefinition(definition);
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(validation.ok ? 0 : validation.problems.length).toBe(problems);
  });
});
