import { drawGraph, PlayedExecution } from './drawn-graph.fixture.js';
import { evaluateNode } from './evaluate-node.js';
import type { ExpressionNames, StepOutput } from './expression.js';
import type { JsonValue } from './json-value.js';
import { nodeOf } from './graph.js';

const actions = ['approve', 'reject', 'request_changes'];
const review = { content: '{{ steps.write.output }}', actions };

/**
 *   brief ──► write ──► review ──approved──► done
 *               ▲          │
 *               └──────────┘ changes_requested
 */
const drawn = 'brief>write write>review review:approved>done review:changes_requested>write';
const code = { type: 'code', code: 'output = input' } as const;

const requested = {
  action: 'request_changes',
  content: 'first draft',
  comment: 'Shorter, please.',
  decided_by: 'ann',
  round: 1,
};

/** Plays `write` twice: before anybody has reviewed, and after changes were requested. */
function inputsOfWrite(write: object) {
  const graph = drawGraph(drawn, { review, write: { ...code, ...write } });
  const steps: Record<string, StepOutput> = { brief: { output: 'a topic' } };
  const names: ExpressionNames = { input: null, steps, execution: {} };
  const execution = new PlayedExecution(graph);
  const input = () => {
    const consumed = execution.running.find(({ node_id }) => node_id === 'write')!.consumed;
    return evaluateNode(nodeOf(graph, 'write'), names, consumed);
  };
  execution.go();
  execution.complete('brief');
  const first = input();
  steps['write'] = { output: 'first draft' };
  execution.complete('write');
  steps['review'] = { output: requested satisfies JsonValue };
  expect(execution.complete('review', 'changes_requested')).toEqual(['write#2 <review:changes_requested>write']);
  return [first, input()];
}

const given = (input: JsonValue) => ({ ok: true, value: { type: 'code', input } });

describe('a rework loop', () => {
  it('gives the author null first and the comment in the next round, where the input asks whether there was a review', () => {
    const comment = '{{ has(steps.review) ? steps.review.output.comment : null }}';
    expect(inputsOfWrite({ input: { comment } })).toEqual([
      given({ comment: null }),
      given({ comment: requested.comment }),
    ]);
  });

  it('fails at the first pass where the input does not ask', () => {
    expect(inputsOfWrite({ input: '{{ steps.review.output.comment }}' })).toMatchObject([
      { ok: false, error: { code: 'NO_SUCH_KEY' } },
      given(requested.comment),
    ]);
  });

  it('gives an author that names no input what came first, then all that was decided', () => {
    expect(inputsOfWrite({})).toEqual([given('a topic'), given(requested)]);
  });
});
