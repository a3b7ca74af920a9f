import { appendFileSync } from 'node:fs';
import { validateDefinition } from './validate-definition.js';
import { compileGraph } from './graph.js';
import { PlayedExecution, drawDefinition } from './drawn-graph.fixture.js';
import { advance, withStep, markingOf, leaveNode } from './advance-execution.js';
const time = (what: string, f: () => unknown) => {
  const s = performance.now();
  const r = f();
  appendFileSync(
    '/tmp/perf.log',
    `${what}: ${(performance.now() - s).toFixed(1)} ms ${JSON.stringify(r)?.slice(0, 100)}\n`,
  );
};
const one = (output: unknown) => ({ nodes: [{ id: 'a', type: 'transform', data: { output } }], edges: [] });
it('perf', () => {
  for (const round of [1]) {
    time('r' + round, () => validateDefinition(one('{{1}}'.repeat(200_000))).ok);
    time('200k {{1}} in list', () => validateDefinition(one(Array.from({ length: 100_000 }, () => '{{1}}'))).ok);
    time('{{x}}', () => (validateDefinition(one('{{x}}'.repeat(200_000))) as any).problems.length);
    time('"{{" quotes', () => (validateDefinition(one('{{ "\''.repeat(200_000))) as any).problems.length);
    time('many steps refs', () => (validateDefinition(one('{{steps.a}}'.repeat(90_000))) as any).problems?.length);
    time(
      'patterns',
      () => (validateDefinition(one('{{"a".matches("\\\\pL{1,500}")}}'.repeat(20_000))) as any).problems?.length,
    );
    time(
      'many unknown keys',
      () =>
        (
          validateDefinition({
            nodes: [
              {
                id: 'a',
                type: 'end',
                data: Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => ['k' + i, 1])),
              },
            ],
            edges: [],
          }) as any
        ).problems?.length,
    );
    time(
      'dense graph',
      () =>
        (
          validateDefinition({
            nodes: Array.from({ length: 500 }, (_, i) => ({ id: 'n' + i, type: 'transform', data: { output: 1 } })),
            edges: Array.from({ length: 2000 }, (_, i) => ({
              id: 'e' + i,
              source: 'n' + (i % 499),
              target: 'n' + ((i % 499) + 1 + (i % 7 === 0 && i % 499 < 490 ? 5 : 0)),
            })),
          }) as any
        ).problems?.length ?? 'ok',
    );
    const wide = drawDefinition(
      Array.from({ length: 249 }, (_, i) => `s>w${i}`).join(' ') +
        ' ' +
        Array.from({ length: 249 }, (_, i) => `w${i}>j`).join(' '),
    );
    const g = compileGraph(wide);
    time('wide fan out and join', () => {
      const p = new PlayedExecution(g);
      p.go();
      p.complete('s');
      for (let i = 0; i < 249; i++) p.complete('w' + i);
      return p.complete('j');
    });
    const loop = compileGraph(
      drawDefinition('s>a a:rejected>b b>a a:approved>e', {
        a: { max_iterations: 10_000 },
        b: { max_iterations: 10_000 },
      }),
    );
    time('loop 10000 steps', () => {
      let m = markingOf(loop, []);
      let n = 0;
      const names = { input: null, steps: {}, execution: {} };
      for (;;) {
        const { starts, failure } = advance(loop, m);
        if (failure || starts.length === 0 || n >= 10_000) return n;
        for (const st of starts) {
          const l = leaveNode(loop, st.node_id, st.node_id === 'a' ? 'rejected' : null, names);
          if (!l.ok) throw new Error('x');
          m = withStep(loop, m, { ...st, status: 'running', fired: [] });
          m = withStep(loop, m, { ...st, status: 'completed', fired: l.fired });
          n++;
        }
      }
    });
    const big = compileGraph(drawDefinition(Array.from({ length: 499 }, (_, i) => `n${i}>n${i + 1}`).join(' ')));
    time('chain 500', () => {
      let m = markingOf(big, []);
      let n = 0;
      const names = { input: null, steps: {}, execution: {} };
      for (;;) {
        const { starts } = advance(big, m);
        if (starts.length === 0) return n;
        for (const st of starts) {
          const l = leaveNode(big, st.node_id, null, names);
          if (!l.ok) throw new Error('x');
          m = withStep(big, m, { ...st, status: 'completed', fired: l.fired });
          n++;
        }
      }
    });
    time(
      'compile 500',
      () => compileGraph(drawDefinition(Array.from({ length: 499 }, (_, i) => `n${i}>n${i + 1}`).join(' '))).nodes.size,
    );
  }
});
