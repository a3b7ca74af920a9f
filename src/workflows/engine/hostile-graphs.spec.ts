import { advance } from './advance-execution.js';
import { drawDefinition, type DrawnNode } from './drawn-graph.fixture.js';
import { compileGraph } from './graph.js';
import { markingOf, type StepSoFar } from './marking.js';

const numbered = (letter: string, length: number) => Array.from({ length }, (_, i) => `${letter}${i}`);

describe('a hostile graph is advanced within 2 s', () => {
  const wide = numbered('a', 370);
  const others = numbered('b', 120);
  const from = (source: string) => wide.map((node) => `${source}>${node}`);

  it.each<[string, string[], DrawnNode, number]>([
    [
      'whose nodes all cancel many others',
      [...from('s'), ...others.map((node) => `s>${node}`)],
      { cancels: others.slice(1) },
      371,
    ],
    [
      'whose nodes all are joins that cancel the rest',
      [...from('s'), ...from('t'), ...from('u')],
      { join: 'any', cancel_rest: true },
      372,
    ],
    ['whose nodes all wait for their turn', from('s'), { concurrency_key: 'one' }, 1],
    ['whose nodes all run one race', from('s'), { race: 'one' }, 370],
    ['whose nodes all wait for what never comes', from('s'), { requires: [{ node: 's', is: 'active' }] }, 0],
    ['of which each waits for a second arrival', [...from('s'), ...from('t')], { join: { count: 2 } }, 1],
    [
      'whose nodes wait for each other in a ring',
      [...from('s'), ...wide.map((node, i) => `${node}>${wide[(i + 1) % wide.length]}`)],
      {},
      1,
    ],
  ])('%s', (_what, edges, data, started) => {
    const graph = compileGraph(drawDefinition(edges.join(' '), Object.fromEntries(wide.map((node) => [node, data]))));
    const step = (node_id: string): StepSoFar => ({
      node_id,
      iteration: 1,
      status: 'completed',
      consumed: [{ edge: null, node: node_id, source: null, source_iteration: 0 }],
      fired: edges.filter((edge) => edge.startsWith(`${node_id}>`)),
    });
    const start = performance.now();
    const { starts } = advance(graph, markingOf(graph, [step('s')]));
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(starts).toHaveLength(started);
  });
});
