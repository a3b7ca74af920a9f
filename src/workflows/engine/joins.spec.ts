import { advance, errorHandle } from './advance-execution.js';
import { drawGraph, PlayedExecution } from './drawn-graph.fixture.js';
import { markingOf, withStep, type StepSoFar } from './marking.js';

function play(...drawing: Parameters<typeof drawGraph>): PlayedExecution {
  const execution = new PlayedExecution(drawGraph(...drawing));
  execution.go();
  return execution;
}

describe('a join of a count', () => {
  //        ┌yes─► b ─┐
  //   x ───┤         ├─► d      d: join count 2
  //        └else► c ─┘
  it('fails the execution when no more arrivals can come', () => {
    const execution = play('x:yes>b x:else>c b>d c>d', { d: { join: { count: 2 } } });
    execution.complete('x', 'yes');
    expect(execution.complete('b')).toEqual([]);
    expect(advance(execution.graph, execution.marking)).toEqual({
      starts: [],
      cancels: [],
      ended: false,
      failure: { code: 'JOIN_NOT_SATISFIED', node_id: 'd', message: expect.stringContaining('2 arrivals; 1 came') },
    });
  });

  //   s ─┬─► c ──► j ─┬─else─► e      c: join count 2
  //      └────────►   └─yes─► c
  it('is not given up while a join that waits for it may start and help', () => {
    const execution = play('s>c s>j c>j j:yes>c j:else>e', { c: { join: { count: 2 } } });
    expect(execution.complete('s')).toEqual(['j#1 <s>j']);
    expect(execution.complete('j', 'yes')).toEqual(['c#1 <s>c j:yes>c']);
  });
});

describe('a join of any', () => {
  //   p ─┬─► b ─┐
  //      └─► c ─┴─► d ─► x ─else─► p      c of round 1 is still on its way in round 2
  it('does not take the arrival of a round before for one of the new round', () => {
    const execution = play('s>p p>b p>c b>d c>d d>x x:else>p x:yes>e', { d: { join: 'any' } });
    for (const node of ['s', 'p', 'b', 'd']) execution.complete(node);
    execution.complete('x', 'else');
    execution.complete('p');
    expect(execution.running.map(({ node_id, iteration }) => `${node_id}#${iteration}`)).toEqual(['c#1', 'b#2', 'c#2']);
    expect(execution.complete('c')).toEqual([]);
    expect(execution.complete('c')).toEqual(['d#2 <c>d']);
  });

  //   a ─► m ─► d      m: join each, so that d gets two tokens on one edge
  //   b ─► m
  it('starts once for all that comes in a round, also on one edge', () => {
    const execution = play('a>m b>m m>d', { m: { join: 'each' }, d: { join: 'any' } });
    execution.complete('a');
    execution.complete('b');
    expect(execution.complete('m')).toEqual(['d#1 <m>d']);
    expect(execution.complete('m')).toEqual([]);
    execution.complete('d');
    expect(execution.ended).toBe(true);
  });

  //   a ─┬─► d         d: join any, cancel_rest
  //      └─► b ─► d
  it('that cancels the rest names steps that would start and be cancelled at once', () => {
    const execution = play('s>a a>b a>d b>d', { d: { join: 'any', cancel_rest: true } });
    execution.complete('s');
    execution.finish(execution.running[0]!, null);
    const { starts, cancels } = advance(execution.graph, execution.marking);
    expect(starts.map(({ node_id }) => node_id)).toEqual(['b', 'd']);
    expect(cancels).toMatchObject([{ node_id: 'b', iteration: 1 }]);
  });
});

describe('a node that cancels', () => {
  //   s ─┬─► w ─► v      stop: cancels w, v
  //      └─► x ─► stop
  it('lets nothing start at the nodes it names either, unless that comes from itself', () => {
    const execution = play('s>w s>x w>v x>stop stop>v', { stop: { cancels: ['v'] } });
    execution.complete('s');
    execution.complete('x');
    expect(execution.complete('w')).toEqual([]);
    expect(execution.complete('stop')).toEqual(['v#1 <stop>v']);
  });

  //   s ─┬─► a ─┐
  //      ├─► b ─┴─► j      stop: cancels b
  //      └─► x ─► stop
  it('frees a join that waited for what it cancels', () => {
    const execution = play('s>a s>b s>x a>j b>j x>stop', { stop: { cancels: ['b'] } });
    execution.complete('s');
    execution.complete('a');
    expect(execution.complete('x')).toEqual(['stop#1 <x>stop', 'j#1 <a>j', 'not b#1']);
  });
});

describe('a race', () => {
  const race = { race: 'r' };

  //   x ─┬─► a      a, b: race r;   x starts twice
  //      └─► b
  it('is run by those that one step has started, not by those of another round', () => {
    const execution = play('s>m t>m m>a m>b', { m: { join: 'each' }, a: race, b: race });
    execution.complete('s');
    execution.complete('t');
    execution.complete('m');
    execution.complete('m');
    expect(execution.complete('b')).toEqual(['not a#1']);
    expect(execution.complete('a')).toEqual(['not b#2']);
  });

  it('is won by a failure too, and by no step that was cancelled', () => {
    const drawing = ['s>a s>b a>c', { a: { ...race, on_error: 'continue' }, b: race }] as const;
    const failing = play(...drawing);
    failing.complete('s');
    expect(failing.fail('a')).toEqual(['c#1 <a>c', 'not b#1']);
    const cancelled = play(...drawing);
    cancelled.complete('s');
    expect(cancelled.cancel('a')).toEqual([]);
    expect(cancelled.running.map(({ node_id }) => node_id)).toEqual(['b']);
  });

  it('is lost by one that was held back and has not started', () => {
    const key = { ...race, concurrency_key: 'k' };
    const execution = play('s>a s>b', { a: key, b: key });
    expect(execution.complete('s')).toEqual(['a#1 <s>a']);
    expect(execution.complete('a')).toEqual([]);
    expect(execution.ended).toBe(true);
  });
});

describe('a node that requires', () => {
  //   s ─┬─► a ─► b
  //      └─► c         c: requires that b has completed
  it.each([
    ['not_started', ['a#1 <s>a', 'c#1 <s>c'], []],
    ['active', ['a#1 <s>a'], ['b#1 <a>b', 'c#1 <s>c']],
    ['completed', ['a#1 <s>a'], ['b#1 <a>b']],
  ])('%s waits until it is so', (is, first, second) => {
    const execution = play('s>a s>c a>b', { c: { requires: [{ node: 'b', is }] } });
    expect(execution.complete('s')).toEqual(first);
    expect(execution.complete('a')).toEqual(second.length > 0 ? second : ['b#1 <a>b']);
    const last = execution.complete('b');
    expect(last).toEqual(is === 'completed' ? ['c#1 <s>c'] : []);
  });

  //   s ─┬─► a ──────► j
  //      └─► c ──► ───►     c: requires what never comes
  it('no longer holds up a join once nothing else is left', () => {
    const execution = play('s>a s>c a>j c>j z:yes>never', { c: { requires: [{ node: 'never', is: 'completed' }] } });
    execution.complete('s');
    expect(execution.complete('a')).toEqual([]);
    expect(execution.complete('z', 'else')).toEqual(['j#1 <a>j']);
    execution.complete('j');
    expect(execution.ended).toBe(true);
  });
});

describe('a step that failed for good', () => {
  const graph = drawGraph('a>b c>d r>x r:error>y w:yes>z', {
    b: { on_error: 'continue' },
    r: { on_error: 'route' },
    w: { on_error: 'continue' },
  });

  it.each([
    ['a', undefined],
    ['b', { handle: null }],
    ['r', { handle: 'error' }],
    ['w', { handle: 'else' }],
  ])('at %s leaves by %j', (node, way) => {
    expect(errorHandle(graph, node)).toEqual(way);
  });
});

describe('the lineage of a loop', () => {
  //   p ─► d ─► x ─else─► p      d: join any
  it('of ten thousand rounds is followed back', () => {
    const graph = drawGraph('s>p p>d d>x x:else>p x:yes>e', { d: { join: 'any', max_iterations: 10_000 } });
    const at = (edge: string | null, node: string, source: string | null, source_iteration: number) => {
      return { edge, node, source, source_iteration };
    };
    const step = (node_id: string, iteration: number, token: StepSoFar['consumed'][number], fired: string) => {
      return { node_id, iteration, status: 'completed', consumed: [token], fired: [fired] } as const;
    };
    const rounds = Array.from({ length: 10_000 }, (_, i) => [
      step('p', i + 1, i === 0 ? at('s>p', 'p', 's', 1) : at('x:else>p', 'p', 'x', i), 'p>d'),
      step('d', i + 1, at('p>d', 'd', 'p', i + 1), 'd>x'),
      step('x', i + 1, at('d>x', 'x', 'd', i + 1), 'x:else>p'),
    ]).flat();
    const steps = [step('s', 1, at(null, 's', null, 0), 's>p'), ...rounds];
    const marking = markingOf(graph, steps.toReversed());
    expect(marking.tokens).toMatchObject([{ edge: 'x:else>p', source_iteration: 10_000, lineage: [10_000] }]);
    const added = steps.reduce((so, next) => withStep(graph, so, next), markingOf(graph, []));
    expect(added).toEqual(marking);
  });
});
