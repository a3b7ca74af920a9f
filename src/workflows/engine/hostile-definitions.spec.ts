import { validateDefinition } from './validate-definition.js';

const transform = (output: unknown) => ({ nodes: [{ id: 'a', type: 'transform', data: { output } }], edges: [] });

const schema = {
  type: 'object',
  properties: Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`p${i}`, { type: 'string', minLength: 1, maxLength: 80 }]),
  ),
};

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
      'every node connected to the next four',
      {
        nodes: numbered(500, (i) => ({ id: `n${i}`, type: 'transform', data: { output: 1 } })),
        edges: numbered(1_980, (i) => {
          return { id: `e${i}`, source: `n${i >> 2}`, target: `n${(i >> 2) + 1 + (i % 4)}` };
        }),
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
