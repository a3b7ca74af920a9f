import { hashJson } from '../platform/hashing/hash-json.js';
import type { OfferedAction } from '../workflows/engine/checkpoint-policy.js';
import { castVote } from './cast-vote.js';
import type { Decision } from './decision.entity.js';

const offer = (action: string, quorum: number): OfferedAction => ({
  action,
  label: null,
  comment: 'optional',
  handle: action,
  quorum,
});

/** One that was cast on that content, and counts unless it says why not. */
const vote = (id: string, action: string, on: unknown, void_reason: Decision['void_reason'] = null) =>
  ({ id, action, result_hash: hashJson(on), void_reason }) as Decision;

const SHOWN = { text: 'a' };
const EDITED = { text: 'b' };

describe('a vote', () => {
  it.each<[string, Decision[], string, number, number, boolean]>([
    ['alone completes a quorum of one', [], 'approve', 1, 1, true],
    ['alone does not complete a quorum of two', [], 'approve', 2, 1, false],
    ['completes it with another for the same', [vote('x', 'approve', SHOWN)], 'approve', 2, 2, true],
    ['does not count those for another action', [vote('x', 'reject', SHOWN)], 'approve', 2, 1, false],
    ['does not count those that were withdrawn', [vote('x', 'approve', SHOWN, 'withdrawn')], 'approve', 2, 1, false],
    ['does not count those that are void', [vote('x', 'approve', SHOWN, 'content_changed')], 'approve', 2, 1, false],
    ['counts an edit to what is shown now as an approval', [vote('x', 'edit', SHOWN)], 'approve', 2, 2, true],
    ['of an own action counts its own', [vote('x', 'hold', SHOWN), vote('y', 'approve', SHOWN)], 'hold', 3, 2, false],
    [
      'beyond the quorum completes it too',
      [vote('x', 'reject', SHOWN), vote('y', 'reject', SHOWN)],
      'reject',
      2,
      3,
      true,
    ],
  ])('%s', (_, votes, action, quorum, counted, completes) => {
    const cast = castVote({ content: SHOWN }, votes, offer(action, quorum), { action });
    expect(cast).toMatchObject({ counted, completes, voided: [], content: SHOWN, patch: null });
    expect(cast.result_hash).toBe(cast.content_hash);
  });
});

describe('an edit', () => {
  const votes = [
    vote('approval', 'approve', SHOWN),
    vote('rejection', 'reject', SHOWN),
    vote('withdrawn', 'approve', SHOWN, 'withdrawn'),
  ];

  it('voids what was cast on the content before, whatever the action, and nothing twice', () => {
    const cast = castVote({ content: SHOWN }, votes, offer('approve', 2), { action: 'edit', content: EDITED });
    expect(cast.voided.map(({ id }) => id)).toEqual(['approval', 'rejection']);
    expect(cast).toMatchObject({ content: EDITED, counted: 1, completes: false });
    expect(cast.content_hash).toBe(hashJson(SHOWN));
    expect(cast.result_hash).toBe(hashJson(EDITED));
    expect(cast.patch).toEqual([{ op: 'replace', path: '/text', value: 'b' }]);
  });

  it('to the same content voids nothing, whatever the order of its members', () => {
    const shown = { a: 1, b: 2 };
    const before = [vote('x', 'approve', shown)];
    const cast = castVote({ content: shown }, before, offer('approve', 2), { action: 'edit', content: { b: 2, a: 1 } });
    expect(cast).toMatchObject({ voided: [], counted: 2, completes: true, patch: [] });
  });

  it('does not bring back votes that an earlier edit voided', () => {
    const before = [vote('x', 'approve', SHOWN, 'content_changed'), vote('y', 'edit', EDITED)];
    const cast = castVote({ content: EDITED }, before, offer('approve', 2), { action: 'edit', content: SHOWN });
    expect(cast.voided.map(({ id }) => id)).toEqual(['y']);
    expect(cast).toMatchObject({ counted: 1, completes: false });
  });

  it('may make it null', () => {
    const cast = castVote({ content: SHOWN }, [], offer('approve', 1), { action: 'edit', content: null });
    expect(cast).toMatchObject({ content: null, completes: true });
    expect(cast.result_hash).toBe(hashJson(null));
  });

  it('content that comes with another action is not looked at', () => {
    const cast = castVote({ content: SHOWN }, [], offer('approve', 1), { action: 'approve', content: EDITED });
    expect(cast).toMatchObject({ content: SHOWN, patch: null });
  });
});
