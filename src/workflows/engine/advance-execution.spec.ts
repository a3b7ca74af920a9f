import { advance, leaveNode } from './advance-execution.js';
import { compileGraph } from './graph.js';
import { drawDefinition, drawGraph, PlayedExecution } from './drawn-graph.fixture.js';
import { markingOf, withStep, type StepSoFar } from './marking.js';

const play = (...drawing: Parameters<typeof drawGraph>) => new PlayedExecution(drawGraph(...drawing));

describe('advancing an execution', () => {
  //   a ──► b ──► c
  it('runs a sequence one step after another and ends after the last', () => {
    const execution = play('a>b b>c');
    expect(execution.go()).toEqual(['a#1']);
    expect(execution.complete('a')).toEqual(['b#1 <a>b']);
    expect(execution.ended).toBe(false);
    expect(execution.complete('b')).toEqual(['c#1 <b>c']);
    expect(execution.complete('c')).toEqual([]);
    expect(execution.ended).toBe(true);
  });

  //        ┌─► b ─┐
  //   a ───┤      ├─► d
  //        └─► c ─┘
  it('runs branches in parallel and joins them when the last has come', () => {
    const execution = play('a>b a>c b>d c>d');
    execution.go();
    expect(execution.complete('a')).toEqual(['b#1 <a>b', 'c#1 <a>c']);
    expect(execution.complete('c')).toEqual([]);
    expect(execution.complete('b')).toEqual(['d#1 <b>d c>d']);
    execution.complete('d');
    expect(execution.ended).toBe(true);
  });

  //   a ─┐
  //      ├─► c
  //   b ─┘
  it('starts every node without incoming edges and joins what they give', () => {
    const execution = play('a>c b>c');
    expect(execution.go()).toEqual(['a#1', 'b#1']);
    expect(execution.complete('b')).toEqual([]);
    expect(execution.complete('a')).toEqual(['c#1 <a>c b>c']);
  });

  //        ┌yes─► b ─┐
  //   x ───┤         ├─► d
  //        └else► c ─┘
  it('does not wait at a merge for the branch that was not taken', () => {
    const execution = play('x:yes>b x:else>c b>d c>d');
    execution.go();
    expect(execution.complete('x', 'else')).toEqual(['c#1 <x:else>c']);
    expect(execution.complete('c')).toEqual(['d#1 <c>d']);
    execution.complete('d');
    expect(execution.ended).toBe(true);
  });

  //        ┌──────────────► d
  //   a ───┤                ▲
  //        └─► x ─yes─► b ──┘     x ─else─► (nowhere)
  it('starts a join as soon as the branch that could still have come has ended elsewhere', () => {
    const execution = play('a>d a>x x:yes>b b>d');
    execution.go();
    expect(execution.complete('a')).toEqual(['x#1 <a>x']);
    expect(execution.complete('x', 'else')).toEqual(['d#1 <a>d']);
  });

  //   the same, the other way: x ─yes─► b ─► d
  it('makes a join wait while a branch can still come', () => {
    const execution = play('a>d a>x x:yes>b b>d');
    execution.go();
    execution.complete('a');
    expect(execution.complete('x', 'yes')).toEqual(['b#1 <x:yes>b']);
    expect(execution.complete('b')).toEqual(['d#1 <a>d b>d']);
  });

  //        ┌─► b ─┬─► d ─┐
  //   a ───┤      └─► e ─┴─► f ─┐
  //        └─► c ───────────────┴─► g
  it('joins nested branches from the inside out', () => {
    const execution = play('a>b a>c b>d b>e d>f e>f f>g c>g');
    execution.go();
    execution.complete('a');
    expect(execution.complete('c')).toEqual([]);
    expect(execution.complete('b')).toEqual(['d#1 <b>d', 'e#1 <b>e']);
    expect(execution.complete('e')).toEqual([]);
    expect(execution.complete('d')).toEqual(['f#1 <d>f e>f']);
    expect(execution.complete('f')).toEqual(['g#1 <f>g c>g']);
  });

  //   write ──► review ─approved─► publish
  //     ▲          │
  //     └─rejected─┘
  it('makes each round of a rework loop a new iteration', () => {
    const execution = play('start>write write>review review:rejected>write review:approved>publish');
    execution.go();
    expect(execution.complete('start')).toEqual(['write#1 <start>write']);
    expect(execution.complete('write')).toEqual(['review#1 <write>review']);
    expect(execution.complete('review', 'rejected')).toEqual(['write#2 <review:rejected>write']);
    expect(execution.complete('write')).toEqual(['review#2 <write>review']);
    expect(execution.complete('review', 'approved')).toEqual(['publish#1 <review:approved>publish']);
    execution.complete('publish');
    expect(execution.ended).toBe(true);
  });

  //   s ─► a ─┬─► b ─┬─► j ─► x ─yes─► end
  //        ▲  └─► c ─┘        │
  //        └──────────else────┘
  it('joins inside a loop once per round', () => {
    const execution = play('s>a a>b a>c b>j c>j j>x x:else>a x:yes>end');
    execution.go();
    execution.complete('s');
    for (const round of [1, 2, 3]) {
      expect(execution.complete('a')).toEqual([`b#${round} <a>b`, `c#${round} <a>c`]);
      expect(execution.complete('b')).toEqual([]);
      expect(execution.complete('c')).toEqual([`j#${round} <b>j c>j`]);
      expect(execution.complete('j')).toEqual([`x#${round} <j>x`]);
      expect(execution.complete('x', 'else')).toEqual([`a#${round + 1} <x:else>a`]);
    }
    for (const node of ['a', 'b', 'c', 'j']) execution.complete(node);
    expect(execution.complete('x', 'yes')).toEqual(['end#1 <x:yes>end']);
  });

  //            ┌──────────else──────────┐
  //            ▼                        │
  //   s ─┬──► j1 ─► p ─► x ─yes─► e     │
  //      │                              │
  //      └──► j2 ─► q ─► y ─yes─► e     │      y ─else─► j1,  x ─else─► j2
  it('releases the first of two joins that wait for each other', () => {
    const execution = play('s>j1 s>j2 j1>x x:yes>e x:else>j2 j2>y y:yes>e y:else>j1');
    execution.go();
    expect(execution.complete('s')).toEqual(['j1#1 <s>j1']);
    expect(execution.complete('j1')).toEqual(['x#1 <j1>x']);
    expect(execution.complete('x', 'yes')).toEqual(['j2#1 <s>j2']);
    execution.complete('j2');
    expect(execution.complete('y', 'yes')).toEqual(['e#1 <x:yes>e y:yes>e']);
  });

  it('lets what the released join gives arrive at the other one', () => {
    const execution = play('s>j1 s>j2 j1>x x:yes>e x:else>j2 j2>y y:yes>e y:else>j1');
    execution.go();
    execution.complete('s');
    execution.complete('j1');
    expect(execution.complete('x', 'else')).toEqual(['j2#1 <s>j2 x:else>j2']);
  });

  //   the pair above, and behind it   d ◄── s,  d ◄── e
  it('never releases a join that stands behind the pair that is stuck', () => {
    const execution = play('s>d s>j1 s>j2 j1>x x:yes>e x:else>j2 j2>y y:yes>e y:else>j1 e>d');
    execution.go();
    expect([...execution.graph.nodes.keys()].slice(0, 3)).toEqual(['s', 'd', 'j1']);
    expect(execution.complete('s')).toEqual(['j1#1 <s>j1']);
  });

  //   the pair above, beside it a long step   s ─► w
  it('does not make a stuck pair wait for a step that cannot help it', () => {
    const execution = play('s>w s>j1 s>j2 j1>x x:yes>e x:else>j2 j2>y y:yes>e y:else>j1');
    execution.go();
    expect(execution.complete('s')).toEqual(['w#1 <s>w', 'j1#1 <s>j1']);
  });

  //   the pair above, and a step that may come to it   s ─► w ─► j1
  it('makes a stuck pair wait for a step that may help it', () => {
    const execution = play('s>w w>j1 s>j2 s>j1 j1>x x:yes>e x:else>j2 j2>y y:yes>e y:else>j1');
    execution.go();
    expect(execution.complete('s')).toEqual(['w#1 <s>w']);
    expect(execution.complete('w')).toEqual(['j1#1 <w>j1 s>j1']);
  });

  //   s ─► j ◄─┐      j is a join whose own round comes back to it
  //        └───┴─rejected
  it('does not wait at a join for what only the join itself could send', () => {
    const execution = play('s>j j:rejected>j j:approved>e');
    execution.go();
    expect(execution.complete('s')).toEqual(['j#1 <s>j']);
    expect(execution.complete('j', 'rejected')).toEqual(['j#2 <j:rejected>j']);
    expect(execution.complete('j', 'approved')).toEqual(['e#1 <j:approved>e']);
  });

  //   s ─► x ─yes─► n      x ─yes─► x as well: it comes back while n still has the arrival of its last round
  it('starts a node once for each arrival on its only edge', () => {
    const graph = drawGraph('s>x x:yes>x x:yes>n x:else>e');
    const both = ['x:yes>x', 'x:yes>n'];
    const steps: StepSoFar[] = [
      completed('s', 1, [entry('s')], ['s>x']),
      completed('x', 1, [token('s>x', 'x', 's', 1)], both),
      completed('x', 2, [token('x:yes>x', 'x', 'x', 1)], both),
    ];
    expect(advance(graph, markingOf(graph, steps)).starts).toEqual([
      { node_id: 'x', iteration: 3, consumed: [token('x:yes>x', 'x', 'x', 2)] },
      { node_id: 'n', iteration: 1, consumed: [token('x:yes>n', 'n', 'x', 1)] },
      { node_id: 'n', iteration: 2, consumed: [token('x:yes>n', 'n', 'x', 2)] },
    ]);
  });

  it('does not end while a step waits, and starts nothing twice', () => {
    const execution = play('a>b');
    expect(execution.go()).toEqual(['a#1']);
    expect(execution.go()).toEqual([]);
    expect(execution.ended).toBe(false);
  });

  it('fails when a loop goes round more often than its node allows', () => {
    const execution = play('s>a a:rejected>a a:approved>e', { a: { max_iterations: 2 } });
    execution.go();
    execution.complete('s');
    execution.complete('a', 'rejected');
    expect(execution.complete('a', 'rejected')).toEqual([]);
    expect(advance(execution.graph, execution.marking)).toEqual({
      starts: [],
      cancels: [],
      ended: false,
      failure: { code: 'MAX_ITERATIONS_EXCEEDED', node_id: 'a', message: expect.stringContaining('more than 2 times') },
    });
  });

  it('allows a hundred iterations where the definition says nothing', () => {
    const graph = drawGraph('s>a a:rejected>a a:approved>e');
    const rounds = Array.from({ length: 100 }, (_, i) =>
      completed(
        'a',
        i + 1,
        [i === 0 ? token('s>a', 'a', 's', 1) : token('a:rejected>a', 'a', 'a', i)],
        ['a:rejected>a'],
      ),
    );
    const before = markingOf(graph, [completed('s', 1, [entry('s')], ['s>a']), ...rounds.slice(0, 99)]);
    expect(advance(graph, before).starts).toMatchObject([{ node_id: 'a', iteration: 100 }]);
    const after = markingOf(graph, [completed('s', 1, [entry('s')], ['s>a']), ...rounds]);
    expect(advance(graph, after).failure?.node_id).toBe('a');
  });

  it('ends when a failed or cancelled step was the last', () => {
    const graph = drawGraph('a>b');
    for (const status of ['failed', 'cancelled'] as const) {
      const steps = [{ ...completed('a', 1, [entry('a')], []), status }];
      expect(advance(graph, markingOf(graph, steps))).toEqual({ starts: [], cancels: [], ended: true });
    }
  });
});

describe('a marking', () => {
  const graph = drawGraph('s>a a>b a>c b>d c>d');
  const steps: StepSoFar[] = [
    completed('s', 1, [entry('s')], ['s>a']),
    completed('a', 1, [token('s>a', 'a', 's', 1)], ['a>b', 'a>c']),
    completed('b', 1, [token('a>b', 'b', 'a', 1)], ['b>d']),
    { ...completed('c', 1, [token('a>c', 'c', 'a', 1)], []), status: 'backing_off' },
  ];

  it('shows what is on its way, what runs and how often each node was started', () => {
    expect(markingOf(graph, steps)).toEqual({
      tokens: [{ ...token('b>d', 'd', 'b', 1), lineage: [] }],
      active: [{ node_id: 'c', iteration: 1, status: 'backing_off', lineage: [], races: [] }],
      started: new Map([
        ['s', 1],
        ['a', 1],
        ['b', 1],
        ['c', 1],
      ]),
      completed: new Set(['s', 'a', 'b']),
      decided: new Set(),
    });
  });

  it('does not depend on the order of the rows', () => {
    const expected = markingOf(graph, steps);
    for (const order of permutations(steps)) expect(markingOf(graph, order)).toEqual(expected);
  });

  it('is the same when each step is added to the one before', () => {
    const added = steps.reduce((marking, step) => withStep(graph, marking, step), markingOf(graph, []));
    expect(added).toEqual(markingOf(graph, steps));
  });

  it('does not change by news that it already has', () => {
    const marking = markingOf(graph, steps);
    for (const step of steps.slice(0, 3)) {
      expect(withStep(graph, marking, step)).toBe(marking);
      expect(withStep(graph, marking, { ...step, status: 'running', fired: [] })).toBe(marking);
    }
  });

  it('is not changed by making the next one of it', () => {
    const marking = markingOf(graph, steps);
    const copy = structuredClone(marking);
    withStep(graph, marking, { ...steps[3]!, status: 'completed', fired: ['c>d'] });
    advance(graph, marking);
    expect(marking).toEqual(copy);
  });

  it('follows a step from running through backing off to its end', () => {
    let marking = markingOf(graph, steps.slice(0, 3));
    for (const status of ['running', 'backing_off', 'running', 'waiting'] as const) {
      marking = withStep(graph, marking, { ...steps[3]!, status });
      expect(marking.active).toMatchObject([{ node_id: 'c', iteration: 1, status }]);
    }
    marking = withStep(graph, marking, { ...steps[3]!, status: 'completed', fired: ['c>d'] });
    expect(marking.active).toEqual([]);
    expect(marking.tokens.map(({ edge }) => edge)).toEqual(['b>d', 'c>d']);
  });

  it('refuses rows that belong to another graph', () => {
    expect(() => markingOf(graph, [completed('s', 1, [], ['gone'])])).toThrow('no edge "gone"');
  });
});

describe('leaving a node', () => {
  const definition = drawDefinition('s>a a:approved>b a:rejected>c');
  const graph = compileGraph({
    ...definition,
    edges: [
      ...definition.edges,
      { id: 'if-big', source: 'a', sourceHandle: 'approved', target: 'b', data: { when: 'input.n > 10' } },
    ],
  });
  const names = (input: { n?: number }) => ({ input, steps: {}, execution: {} });

  it('fires the edges of the handle whose condition is true or missing', () => {
    expect(leaveNode(graph, 'a', 'approved', names({ n: 11 }))).toEqual({
      ok: true,
      fired: ['a:approved>b', 'if-big'],
    });
    expect(leaveNode(graph, 'a', 'approved', names({ n: 10 }))).toEqual({ ok: true, fired: ['a:approved>b'] });
    expect(leaveNode(graph, 'a', 'rejected', names({}))).toEqual({ ok: true, fired: ['a:rejected>c'] });
  });

  it('takes no handle for the default one of the type of node', () => {
    expect(leaveNode(graph, 'a', null, names({ n: 1 }))).toEqual({ ok: true, fired: ['a:approved>b'] });
    expect(leaveNode(graph, 's', null, names({}))).toEqual({ ok: true, fired: ['s>a'] });
    expect(leaveNode(graph, 's', 'default', names({}))).toEqual({ ok: true, fired: ['s>a'] });
    expect(leaveNode(graph, 'b', null, names({}))).toEqual({ ok: true, fired: [] });
  });

  it('says which edge has a condition that cannot be evaluated', () => {
    expect(leaveNode(graph, 'a', 'approved', names({}))).toEqual({
      ok: false,
      error: { code: 'NO_SUCH_KEY', message: expect.any(String), expression: 'input.n > 10', edge: 'if-big' },
    });
  });

  it('refuses a handle that the node does not have', () => {
    expect(() => leaveNode(graph, 'a', 'maybe', names({}))).toThrow('no handle "maybe"');
  });
});

function completed(node_id: string, iteration: number, consumed: StepSoFar['consumed'], fired: string[]): StepSoFar {
  return { node_id, iteration, status: 'completed', consumed, fired };
}

function token(edge: string, node: string, source: string, source_iteration: number) {
  return { edge, node, source, source_iteration };
}

function entry(node: string) {
  return { edge: null, node, source: null, source_iteration: 0 };
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}
