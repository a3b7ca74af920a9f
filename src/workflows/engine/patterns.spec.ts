import { drawGraph, PlayedExecution } from './drawn-graph.fixture.js';
import { evaluateNode } from './evaluate-node.js';
import { nodeOf, type Graph } from './graph.js';
import type { JsonValue } from './json-value.js';

const play = (...drawing: Parameters<typeof drawGraph>) => begin(drawGraph(...drawing));

/** What is said of the patterns in `docs/patterns.md`; `test/house.spec.ts` compares the titles. */
describe('the control-flow patterns', () => {
  //   a ──► b ──► c
  it('WCP-1 sequence: starts a step when the one before has completed', () => {
    const execution = play('a>b b>c');
    expect(execution.running.map(({ node_id }) => node_id)).toEqual(['a']);
    expect(execution.complete('a')).toEqual(['b#1 <a>b']);
    expect(execution.complete('b')).toEqual(['c#1 <b>c']);
  });

  //        ┌─► b
  //   a ───┤
  //        └─► c
  it('WCP-2 parallel split: starts all steps that follow, beside each other', () => {
    expect(play('a>b a>c').complete('a')).toEqual(['b#1 <a>b', 'c#1 <a>c']);
  });

  //        ┌─► b ─┐
  //   a ───┤      ├─► d
  //        └─► c ─┘
  it('WCP-3 synchronization: starts the join when the last branch has come', () => {
    const execution = play('a>b a>c b>d c>d');
    execution.complete('a');
    expect(execution.complete('c')).toEqual([]);
    expect(execution.complete('b')).toEqual(['d#1 <b>d c>d']);
  });

  //        ┌yes─► b
  //   x ───┤
  //        └else► c
  it('WCP-4 exclusive choice: starts one of the steps that follow', () => {
    expect(play('x:yes>b x:else>c').complete('x', 'yes')).toEqual(['b#1 <x:yes>b']);
    expect(play('x:yes>b x:else>c').complete('x', 'else')).toEqual(['c#1 <x:else>c']);
  });

  //        ┌yes─► b ─┐
  //   x ───┤         ├─► d
  //        └else► c ─┘
  it('WCP-5 simple merge: starts behind the branch that was taken, without waiting for the other', () => {
    const execution = play('x:yes>b x:else>c b>d c>d');
    execution.complete('x', 'yes');
    expect(execution.complete('b')).toEqual(['d#1 <b>d']);
    expect(execution.complete('d')).toEqual([]);
    expect(execution.ended).toBe(true);
  });

  //        ┌─when input.b─► b
  //   a ───┼─when input.c─► c
  //        └─when input.d─► d
  it.each(subsets(['b', 'c', 'd']))('WCP-6 multi-choice: starts those steps whose conditions hold', (...chosen) => {
    const execution = multiChoice('a>b a>c a>d', chosen);
    expect(execution.complete('a')).toEqual(chosen.map((node) => `${node}#1 <a>${node}`));
  });

  //        ┌─when input.b─► b ─┐
  //   a ───┼─when input.c─► c ─┼─► e
  //        └─when input.d─► d ─┘
  it.each(subsets(['b', 'c', 'd']))(
    'WCP-7 structured synchronizing merge: waits for those that were chosen',
    (...chosen) => {
      const execution = multiChoice('a>b a>c a>d b>e c>e d>e', chosen);
      execution.complete('a');
      const started = chosen.map((node) => execution.complete(node));
      const arrivals = chosen.map((node) => `${node}>e`).join(' ');
      expect(started).toEqual(chosen.map((_, i) => (i === chosen.length - 1 ? [`e#1 <${arrivals}`] : [])));
      expect(execution.ended).toBe(chosen.length === 0);
    },
  );

  //        ┌─► b ─┐
  //   a ───┤      ├─► d ──► e      d: join each
  //        └─► c ─┘
  it('WCP-8 multi-merge: starts once for each branch that arrives', () => {
    const execution = play('a>b a>c b>d c>d d>e', { d: { join: 'each' } });
    execution.complete('a');
    expect(execution.complete('c')).toEqual(['d#1 <c>d']);
    expect(execution.complete('b')).toEqual(['d#2 <b>d']);
    expect(execution.complete('d')).toEqual(['e#1 <d>e']);
    expect(execution.complete('d')).toEqual(['e#2 <d>e']);
  });

  //        ┌─► b ─┐
  //   p ───┤      ├─► d ──► x ─yes─► e      d: join any,  x ─else─► p
  //        └─► c ─┘
  it('WCP-9 structured discriminator: starts at the first arrival, and anew in each round', () => {
    const execution = play('s>p p>b p>c b>d c>d d>x x:else>p x:yes>e', { d: { join: 'any' } });
    execution.complete('s');
    execution.complete('p');
    expect(execution.complete('c')).toEqual(['d#1 <c>d']);
    execution.complete('d');
    expect(execution.complete('x', 'else')).toEqual(['p#2 <x:else>p']);
    expect(execution.complete('p')).toEqual(['b#2 <p>b', 'c#2 <p>c']);
    expect([execution.complete('b'), execution.marking.tokens]).toEqual([[], []]);
    expect(execution.complete('b')).toEqual(['d#2 <b>d']);
  });

  //             ┌──────again──────┐
  //             ▼                 │
  //   x ─yes─► a ─► b ─► c ─► y ──┴ok─► e      x ─else─► c
  it('WCP-10 arbitrary cycles: runs a loop that is entered and left in several places', () => {
    const loop = 'x:yes>a x:else>c a>b b>c c>y y:again>a y:ok>e';
    const execution = play(loop);
    expect(execution.complete('x', 'else')).toEqual(['c#1 <x:else>c']);
    execution.complete('c');
    expect(execution.complete('y', 'again')).toEqual(['a#1 <y:again>a']);
    execution.complete('a');
    expect(execution.complete('b')).toEqual(['c#2 <b>c']);
    execution.complete('c');
    expect(execution.complete('y', 'ok')).toEqual(['e#1 <y:ok>e']);
    expect(play(loop).complete('x', 'yes')).toEqual(['a#1 <x:yes>a']);
  });

  //        ┌─► b
  //   a ───┤
  //        └─► c
  it('WCP-11 implicit termination: ends when nothing is left to do, without an end being drawn', () => {
    const execution = play('a>b a>c');
    execution.complete('a');
    execution.complete('b');
    expect(execution.ended).toBe(false);
    execution.complete('c');
    expect(execution.ended).toBe(true);
  });

  //   a ──► m ⫶ each item ──► b      m: map, wait false
  it('WCP-12 multiple instances without synchronization: goes on without waiting for the items', () => {
    const graph = drawGraph('a>m m>b', { m: { ...mapOf('{{ steps.a.output }}'), wait: false } });
    expect(evaluated(graph, 'm', { a: [1, 2] })).toEqual({ type: 'map', items: [1, 2] });
    expect(nodeOf(graph, 'm').data).toMatchObject({ wait: false });
  });

  //   a ──► m ⫶ 3 items ──► b      m: map of a list that stands in the definition
  it('WCP-13 multiple instances with a priori design-time knowledge: has as many items as are written down', () => {
    const graph = drawGraph('a>m m>b', { m: mapOf(['Ada', 'Grace', 'Edsger']) });
    expect(evaluated(graph, 'm', {})).toEqual({ type: 'map', items: ['Ada', 'Grace', 'Edsger'] });
    expect([...graph.bodies.get('m')!.nodes.keys()]).toEqual(['each']);
    const execution = begin(graph);
    expect(execution.complete('a')).toEqual(['m#1 <a>m']);
    expect(execution.complete('m')).toEqual(['b#1 <m>b']);
  });

  //   a ──► m ⫶ as many as a said ──► b      m: map of {{ steps.a.output }}
  it('WCP-14 multiple instances with a priori run-time knowledge: has as many items as there are when it starts', () => {
    const graph = drawGraph('a>m m>b', { m: mapOf('{{ steps.a.output }}') });
    for (const items of [[], [7], [1, 2, 3, 4, 5]]) {
      expect(evaluated(graph, 'm', { a: items })).toEqual({ type: 'map', items });
    }
  });

  //        ┌─► answer ───► b
  //   s ───┤                        answer, deadline: race reply
  //        └─► deadline ─► c
  it.each([
    ['answer', 'b', 'deadline'],
    ['deadline', 'c', 'answer'],
  ])('WCP-16 deferred choice: goes where something happens first, and withdraws the other', (first, next, other) => {
    const race = { type: 'wait', race: 'reply' } as const;
    const execution = play('s>answer s>deadline answer>b deadline>c', { answer: race, deadline: race });
    expect(execution.complete('s')).toHaveLength(2);
    expect(execution.complete(first)).toEqual([`${next}#1 <${first}>${next}`, `not ${other}#1`]);
    execution.complete(next);
    expect(execution.ended).toBe(true);
  });

  //        ┌─► x-ray ─┐
  //   s ───┼─► blood ─┼─► e      x-ray, blood, scan: concurrency_key patient
  //        └─► scan ──┘
  it('WCP-17 interleaved parallel routing: runs all of them, never two at a time', () => {
    const one = { concurrency_key: 'patient' };
    const execution = play('s>x-ray s>blood s>scan x-ray>e blood>e scan>e', { 'x-ray': one, blood: one, scan: one });
    expect(execution.complete('s')).toEqual(['x-ray#1 <s>x-ray']);
    expect(execution.complete('x-ray')).toEqual(['blood#1 <s>blood']);
    expect(execution.complete('blood')).toEqual(['scan#1 <s>scan']);
    expect(execution.complete('scan')).toEqual(['e#1 <x-ray>e blood>e scan>e']);
  });

  //   s ─┬─► offer ──► order
  //      └─► ask ────► change      change: requires that offer is active
  it('WCP-18 milestone: starts a step only while another is active', () => {
    const drawing = 's>offer s>ask offer>order ask>change';
    const change = { requires: [{ node: 'offer', is: 'active' }] };
    const inTime = play(drawing, { change });
    inTime.complete('s');
    expect(inTime.complete('ask')).toEqual(['change#1 <ask>change']);
    const late = play(drawing, { change });
    late.complete('s');
    late.complete('offer');
    expect(late.complete('ask')).toEqual([]);
    late.complete('order');
    expect(late.ended).toBe(true);
  });

  //   s ─┬─► long ────┐
  //      └─► short ───┴─► e
  //   s ─┬─► long ──► e
  //      └─► stop                stop: cancels long
  it('WCP-19 cancel task: goes on without a step that a person or another node has cancelled', () => {
    const byPerson = play('s>long s>short long>e short>e');
    byPerson.complete('s');
    byPerson.complete('short');
    expect(byPerson.cancel('long')).toEqual(['e#1 <short>e']);
    const byNode = play('s>long s>x x>stop long>e', { stop: { cancels: ['long'] } });
    byNode.complete('s');
    expect(byNode.complete('x')).toEqual(['stop#1 <x>stop', 'not long#1']);
    byNode.complete('stop');
    expect(byNode.ended).toBe(true);
  });

  //        ┌─► b ─┐
  //   a ───┤      ├─► d
  //        └─► c ─┘
  it('WCP-20 cancel case: leaves nothing to start when all that runs has been cancelled', () => {
    const execution = play('a>b a>c b>d c>d');
    execution.complete('a');
    execution.cancel('b');
    expect(execution.cancel('c')).toEqual([]);
    expect(execution.ended).toBe(true);
  });

  //   a ──► w ──► b      w: wait for payment of {{ steps.a.output }}
  it('WCP-24 persistent trigger: knows its signal by name and key, whenever that was sent', () => {
    const wait = { type: 'wait', signal: 'payment', correlation_key: '{{ steps.a.output }}' } as const;
    const graph = drawGraph('a>w w>b', { w: wait });
    expect(evaluated(graph, 'w', { a: 4711 })).toEqual({ type: 'wait', signal: 'payment', correlation_key: '4711' });
    const execution = begin(graph);
    expect(execution.complete('a')).toEqual(['w#1 <a>w']);
    expect(execution.complete('w')).toEqual(['b#1 <w>b']);
  });

  //        ┌─► b ────────┐
  //   a ───┤             ├─► d      d: join any, cancel_rest
  //        └─► c ──► c2 ─┘
  it('WCP-29 cancelling discriminator: cancels what could still arrive after the first', () => {
    const execution = play('a>b a>c c>c2 b>d c2>d c>log', { d: { join: 'any', cancel_rest: true } });
    execution.complete('a');
    expect(execution.complete('c')).toEqual(['c2#1 <c>c2', 'log#1 <c>log']);
    expect(execution.complete('b')).toEqual(['d#1 <b>d', 'not c2#1']);
    expect(execution.running.map(({ node_id }) => node_id)).toEqual(['log', 'd']);
  });

  //        ┌─► b ─┐
  //   p ───┼─► c ─┼─► e ──► x ─yes─► f      e: join count 2,  x ─else─► p
  //        └─► d ─┘
  it('WCP-30 structured partial join: starts at the second of three arrivals, and anew in each round', () => {
    const execution = play('s>p p>b p>c p>d b>e c>e d>e e>x x:else>p x:yes>f', { e: { join: { count: 2 } } });
    execution.complete('s');
    execution.complete('p');
    expect(execution.complete('d')).toEqual([]);
    expect(execution.complete('b')).toEqual(['e#1 <b>e d>e']);
    expect(execution.complete('c')).toEqual([]);
    execution.complete('e');
    execution.complete('x', 'else');
    execution.complete('p');
    expect(execution.complete('c')).toEqual([]);
    expect(execution.complete('b')).toEqual(['e#2 <b>e c>e']);
  });

  //   a ─┬─► b ──► stop      stop: end, terminate
  //      └─► c ──► done      done: end
  it('WCP-43 explicit termination: tells the end that ends everything from one that ends its way', () => {
    const graph = drawGraph('a>b a>c b>stop c>done', { stop: { type: 'end', terminate: true }, done: { type: 'end' } });
    expect(nodeOf(graph, 'stop').data).toMatchObject({ terminate: true });
    expect(nodeOf(graph, 'done').data).toMatchObject({ terminate: false });
    const execution = begin(graph);
    execution.complete('a');
    execution.complete('c');
    execution.complete('done');
    expect(execution.ended).toBe(false);
  });
});

function begin(graph: Graph, input: JsonValue = null): PlayedExecution {
  const execution = new PlayedExecution(graph, [], input);
  execution.go();
  return execution;
}

function multiChoice(drawing: string, chosen: readonly string[]): PlayedExecution {
  const whens = { 'a>b': 'input.b', 'a>c': 'input.c', 'a>d': 'input.d' };
  const input = Object.fromEntries(['b', 'c', 'd'].map((node) => [node, chosen.includes(node)]));
  return begin(drawGraph(drawing, {}, whens), input);
}

const mapOf = (items: JsonValue) => {
  const each = { id: 'each', type: 'transform', data: { output: '{{ item }}' } };
  return { type: 'map', items, definition: { nodes: [each], edges: [] } } as const;
};

function evaluated(graph: Graph, node: string, outputs: Record<string, JsonValue>) {
  const steps = Object.fromEntries(Object.entries(outputs).map(([id, output]) => [id, { output }]));
  const result = evaluateNode(nodeOf(graph, node), { input: null, steps, execution: {} }, []);
  return result.ok ? result.value : result.error;
}

function subsets(items: readonly string[]): string[][] {
  return items.reduce<string[][]>((sets, item) => [...sets, ...sets.map((set) => [...set, item])], [[]]);
}
