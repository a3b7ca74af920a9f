import type { CheckpointPolicy, OfferedAction } from '../workflows/engine/checkpoint-policy.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { Decision } from './decision.entity.js';
import {
  type Attempt,
  type Case,
  type Decider,
  judgeDecision,
  judgeHandling,
  type Mandate,
  winnerOf,
} from './judge-decision.js';
import { PLAIN_POLICY } from './plain-policy.fixture.js';

const NOW = new Date('2026-03-02T10:00:00Z');
const EARLIER = new Date('2026-03-02T09:00:00Z');

const offer = (action: string, comment: OfferedAction['comment'] = 'optional'): OfferedAction => ({
  action,
  label: null,
  comment,
  handle: action,
  quorum: 2,
});

const POLICY: CheckpointPolicy = {
  ...PLAIN_POLICY,
  actions: [offer('approve'), offer('reject', 'required'), offer('request_changes', 'required'), offer('hold')],
};

type Given = Partial<Omit<Checkpoint, 'policy'>> & { policy?: Partial<CheckpointPolicy> };

function caseOf({ policy, ...checkpoint }: Given = {}, more: Partial<Case> = {}): Case {
  const made = {
    status: 'open',
    action: null,
    candidates: ['ann', 'bea'],
    requested_by: null,
    claimed_by: null,
    claimed_by_name: null,
    due_at: null,
    closed_at: null,
    created_at: EARLIER,
    round: 1,
    revision: 3,
    ...checkpoint,
    policy: { ...POLICY, ...policy },
  } as Checkpoint;
  const requesters = new Set(made.requested_by === null ? [] : [made.requested_by]);
  const given = { checkpoint: made, votes: [], requesters, excluded: new Set<string>() };
  return { ...given, now: NOW, problemsOf: () => [], ...more };
}

const mandate = (person: string, more: Partial<Mandate> = {}): Mandate => ({
  person,
  name: person,
  keys: [person],
  may_decide: true,
  ...more,
});

const signedIn = (user_id: string, ...for_: Mandate[]): Decider => ({
  user_id,
  name: user_id,
  verified: true,
  via: 'access_token',
  mandates: [mandate(user_id), ...for_],
});
const ann = signedIn('ann');
/** Asked for nothing herself, she stands in for Bea. */
const cemForBea = signedIn('cem', mandate('bea'));
const byKey: Decider = { ...ann, via: 'api_key' };
const byLink: Decider = { ...ann, via: 'decision_link' };
const unknown: Decider = {
  user_id: null,
  name: 'Somebody',
  verified: false,
  via: 'decision_link',
  mandates: [mandate('unverified', { keys: [], may_decide: false })],
};
/** Of each action one person is enough, so it may be somebody whom nobody knows. */
const FOR_ONE = POLICY.actions.map((offered) => ({ ...offered, quorum: 1 }));
const FOR_ANYONE = { allow_links: 'anyone' as const, actions: FOR_ONE };
const clock: Decider = {
  user_id: null,
  name: 'The clock',
  verified: true,
  via: 'timer',
  mandates: [mandate('clock', { keys: [], may_decide: false })],
};

const APPROVE: Attempt = { action: 'approve', revision: 3 };
const EDIT: Attempt = { action: 'edit', content: 1, revision: 3 };
const REJECT: Attempt = { action: 'reject', comment: 'No', revision: 3 };
const CHANGES: Attempt = { action: 'request_changes', comment: 'Shorter', revision: 3 };
const HOLD: Attempt = { action: 'hold', revision: 3 };

const vote = (person: string, decided_by: string | null = person, more: Partial<Decision> = {}) =>
  ({
    action: 'approve',
    person,
    decided_by,
    decided_by_name: person,
    verified: decided_by !== null,
    decided_at: EARLIER,
    void_reason: null,
    ...more,
  }) as Decision;

/** `as <person>` or the code of the refusal. */
function verdict(given: Case, decider: Decider, attempt: Attempt): string {
  const judged = judgeDecision(given, decider, attempt);
  return judged.ok ? `as ${judged.mandate.person}` : judged.refusal.code;
}

type Row = [what: string, given: Case, decider: Decider, attempt: Attempt, expected: string];

const closed = (status: Checkpoint['status'], action: string | null = null) =>
  caseOf({ status, action, closed_at: EARLIER }, { votes: action === null ? [] : [vote('bea', 'bea', { action })] });

describe('1: what has ended', () => {
  it.each<Row>([
    ['open', caseOf(), ann, APPROVE, 'as ann'],
    ['approved', closed('approved', 'approve'), ann, APPROVE, 'CHECKPOINT_DECIDED'],
    ['rejected', closed('rejected', 'reject'), ann, APPROVE, 'CHECKPOINT_DECIDED'],
    ['expired', closed('expired'), ann, APPROVE, 'CHECKPOINT_EXPIRED'],
    ['withdrawn', closed('withdrawn'), ann, APPROVE, 'CHECKPOINT_WITHDRAWN'],
    ['before what was seen', closed('approved', 'approve'), ann, { ...APPROVE, revision: 1 }, 'CHECKPOINT_DECIDED'],
    ['for the clock too', closed('approved', 'approve'), clock, { ...APPROVE, revision: null }, 'CHECKPOINT_DECIDED'],
  ])('%s', (_, given, decider, attempt, expected) => expect(verdict(given, decider, attempt)).toBe(expected));

  it('names who was first, when and what', () => {
    const judged = judgeDecision(closed('approved', 'edit'), ann, APPROVE);
    const given = caseOf(
      { status: 'approved', action: 'approve' },
      { votes: [vote('bea', 'bea', { action: 'edit' })] },
    );
    expect(judged.ok).toBe(false);
    const { refusal } = judgeDecision(given, ann, APPROVE) as { refusal: Error & { extensions: object } };
    expect(refusal.message).toContain('bea was first: edited and approved at 2026-03-02T09:00:00.000Z');
    expect(refusal.extensions).toEqual({
      decided_by: { id: 'bea', name: 'bea' },
      decided_at: EARLIER.toISOString(),
      action: 'edit',
    });
  });

  it('the winner is the last vote for the action that counts', () => {
    const votes = [
      vote('a', 'a', { action: 'edit' }),
      vote('b'),
      vote('c', 'c', { action: 'reject' }),
      vote('d', 'd', { void_reason: 'withdrawn' }),
    ];
    expect(winnerOf({ action: 'approve' }, votes)?.person).toBe('b');
    expect(winnerOf({ action: null }, votes)).toBeNull();
  });
});

describe('2: what was seen', () => {
  it.each<Row>([
    ['is what is shown', caseOf(), ann, APPROVE, 'as ann'],
    ['is older', caseOf(), ann, { ...APPROVE, revision: 2 }, 'STALE_VERSION'],
    ['is newer', caseOf(), ann, { ...APPROVE, revision: 4 }, 'STALE_VERSION'],
    ['is nothing, given early', caseOf(), { ...ann, via: 'early' }, { ...APPROVE, revision: null }, 'as ann'],
  ])('%s', (_, given, decider, attempt, expected) => expect(verdict(given, decider, attempt)).toBe(expected));
});

describe('3: the way', () => {
  const due = (on_expiry: CheckpointPolicy['on_expiry'], due_at: Date | null = EARLIER) =>
    caseOf({ due_at, policy: { on_expiry } });
  const now = { ...APPROVE, revision: null };
  const LATER = new Date('2026-03-02T10:00:00.001Z');
  it.each<Row>([
    ['an API key', caseOf(), byKey, APPROVE, 'API_KEY_MAY_NOT_DECIDE'],
    ['an API key, allowed', caseOf({ policy: { allow_api_keys: true } }), byKey, APPROVE, 'as ann'],
    ['a link', caseOf(), byLink, APPROVE, 'LINK_MAY_NOT_DECIDE'],
    ['a member’s link, allowed', caseOf({ policy: { allow_links: 'members' } }), byLink, APPROVE, 'as ann'],
    ['a member’s link, for anyone', caseOf({ policy: { allow_links: 'anyone' } }), byLink, APPROVE, 'as ann'],
    ['anybody’s link', caseOf(), unknown, APPROVE, 'LINK_MAY_NOT_DECIDE'],
    [
      'anybody’s link, for members',
      caseOf({ policy: { allow_links: 'members' } }),
      unknown,
      APPROVE,
      'LINK_MAY_NOT_DECIDE',
    ],
    ['anybody’s link, allowed', caseOf({ policy: FOR_ANYONE }), unknown, APPROVE, 'as unverified'],
    ['the clock, set to approve', due('approve'), clock, now, 'as clock'],
    ['the clock at the very moment', due('approve', NOW), clock, now, 'as clock'],
    ['the clock, before it is due', due('approve', LATER), clock, now, 'NOT_DUE'],
    ['the clock, never due', due('approve', null), clock, now, 'NOT_DUE'],
    ['the clock, set to fail', due('fail'), clock, now, 'NOT_DUE'],
    ['the clock, set to escalate', due('escalate'), clock, now, 'NOT_DUE'],
    ['the clock, set to reject, approving', due('reject'), clock, now, 'NOT_DUE'],
    ['the clock, set to reject', due('reject'), clock, { ...REJECT, revision: null }, 'as clock'],
    ['a person, when it is due', due('fail'), ann, APPROVE, 'as ann'],
  ])('%s', (_, given, decider, attempt, expected) => expect(verdict(given, decider, attempt)).toBe(expected));
});

describe('4: the action', () => {
  const only = (...actions: OfferedAction[]) => caseOf({ policy: { actions } });
  it.each<Row>([
    ['offered', caseOf(), ann, HOLD, 'as ann'],
    ['not offered', only(offer('approve')), ann, REJECT, 'ACTION_UNAVAILABLE'],
    ['with a name of every object', caseOf(), ann, { ...APPROVE, action: 'toString' }, 'ACTION_UNAVAILABLE'],
    ['edit, an approval', only(offer('approve')), ann, EDIT, 'as ann'],
    ['edit without approve', only(offer('reject')), ann, EDIT, 'ACTION_UNAVAILABLE'],
    ['edit of what is not editable', caseOf({ policy: { editable: false } }), ann, EDIT, 'CONTENT_NOT_EDITABLE'],
    ['approve of what is not editable', caseOf({ policy: { editable: false } }), ann, APPROVE, 'as ann'],
    ['changes in the round before the last', caseOf({ round: 1, policy: { max_rounds: 2 } }), ann, CHANGES, 'as ann'],
    ['changes in the last round', caseOf({ round: 2, policy: { max_rounds: 2 } }), ann, CHANGES, 'LAST_ROUND'],
    ['approve in the last round', caseOf({ round: 2, policy: { max_rounds: 2 } }), ann, APPROVE, 'as ann'],
    ['changes where rounds are not counted', caseOf({ round: 99 }), ann, CHANGES, 'as ann'],
  ])('%s', (_, given, decider, attempt, expected) => expect(verdict(given, decider, attempt)).toBe(expected));
});

describe('5: a claim', () => {
  const claimed = (claimed_by: string, more: Given = {}) =>
    caseOf({ claimed_by, claimed_by_name: claimed_by, ...more });
  const due = { due_at: EARLIER, policy: { on_expiry: 'reject' as const } };
  it.each<Row>([
    ['one’s own', claimed('ann'), ann, APPROVE, 'as ann'],
    ['of another', claimed('bea'), ann, APPROVE, 'CHECKPOINT_CLAIMED'],
    ['of another, to send it back', claimed('bea'), ann, REJECT, 'CHECKPOINT_CLAIMED'],
    ['of whom one stands in for', claimed('bea'), cemForBea, APPROVE, 'as bea'],
    ['does not hold up the clock', claimed('bea', due), clock, { ...REJECT, revision: null }, 'as clock'],
  ])('%s', (_, given, decider, attempt, expected) => expect(verdict(given, decider, attempt)).toBe(expected));
});

describe('6: role and assignment', () => {
  const viewer = { ...ann, mandates: [mandate('ann', { may_decide: false })] };
  const demoted = signedIn('cem', mandate('bea', { may_decide: false }));
  const viewerForBea = { ...cemForBea, mandates: [mandate('cem', { may_decide: false }), mandate('bea')] };
  it.each<Row>([
    ['assigned', caseOf(), ann, APPROVE, 'as ann'],
    ['not assigned', caseOf({ candidates: ['bea'] }), ann, APPROVE, 'NOT_ASSIGNED'],
    ['assigned, by a role that does not decide', caseOf(), viewer, APPROVE, 'PERMISSION_MISSING'],
    ['to a colleague who delegated', caseOf(), cemForBea, APPROVE, 'as bea'],
    ['to a colleague whose role does not decide any more', caseOf(), demoted, APPROVE, 'NOT_ASSIGNED'],
    ['to a colleague, for who may not decide', caseOf(), viewerForBea, APPROVE, 'PERMISSION_MISSING'],
    ['to both, and themselves first', caseOf(), signedIn('ann', mandate('bea')), APPROVE, 'as ann'],
    [
      'to both, and asked for the colleague',
      caseOf(),
      signedIn('ann', mandate('bea')),
      { ...APPROVE, on_behalf_of: 'bea' },
      'as bea',
    ],
    ['asked for a colleague who did not delegate', caseOf(), ann, { ...APPROVE, on_behalf_of: 'bea' }, 'NO_MANDATE'],
    [
      'asked for oneself, and not assigned',
      caseOf({ candidates: ['bea'] }),
      cemForBea,
      { ...APPROVE, on_behalf_of: 'cem' },
      'NO_MANDATE',
    ],
  ])('%s', (_, given, decider, attempt, expected) => expect(verdict(given, decider, attempt)).toBe(expected));
});

describe('7: four eyes', () => {
  const started = (requested_by: string | null, policy: Partial<CheckpointPolicy> = { not_requester: true }) =>
    caseOf({ requested_by, policy });
  const before = (...persons: string[]) =>
    caseOf({ policy: { not_same_as: ['first'] } }, { excluded: new Set(persons) });
  const open = { allow_links: 'anyone' as const, actions: FOR_ONE };
  const REQUESTER = 'REQUESTER_MAY_NOT_APPROVE';
  const SAME = 'SAME_PERSON_MAY_NOT_APPROVE';
  it.each<Row>([
    ['another started it', started('bea'), ann, APPROVE, 'as ann'],
    ['nobody started it', started(null), ann, APPROVE, 'as ann'],
    ['they started it, and may', started('ann', {}), ann, APPROVE, 'as ann'],
    ['they started it', started('ann'), ann, APPROVE, REQUESTER],
    ['they started it, and edit', started('ann'), ann, EDIT, REQUESTER],
    ['they started it, and take an own action', started('ann'), ann, HOLD, REQUESTER],
    ['they started it, and reject', started('ann'), ann, REJECT, 'as ann'],
    ['they started it, and request changes', started('ann'), ann, CHANGES, 'as ann'],
    ['they started it, and stand in', started('cem'), cemForBea, APPROVE, REQUESTER],
    ['for who started it', started('bea'), cemForBea, APPROVE, REQUESTER],
    ['for who started it, to send it back', started('bea'), cemForBea, REJECT, 'as bea'],
    ['for who started it, but also for themselves', started('bea'), signedIn('ann', mandate('bea')), APPROVE, 'as ann'],
    ['others decided the earlier one', before('dan'), ann, APPROVE, 'as ann'],
    ['they decided the earlier one', before('ann'), ann, APPROVE, SAME],
    ['they decided the earlier one, and reject', before('ann'), ann, REJECT, 'as ann'],
    ['they decided the earlier one, and stand in', before('cem'), cemForBea, APPROVE, SAME],
    ['for who decided the earlier one', before('bea'), cemForBea, APPROVE, SAME],
    ['nobody knows who', started('bea', { not_requester: true, ...open }), unknown, APPROVE, 'IDENTITY_NEEDED'],
    [
      'nobody knows who, of several',
      caseOf({ policy: { allow_links: 'anyone' } }),
      unknown,
      APPROVE,
      'IDENTITY_NEEDED',
    ],
    [
      'nobody knows who, of several to reject',
      caseOf({ policy: { allow_links: 'anyone' } }),
      unknown,
      REJECT,
      'IDENTITY_NEEDED',
    ],
    [
      'nobody knows who, after an earlier one',
      caseOf({ policy: { not_same_as: ['x'], ...open } }),
      unknown,
      APPROVE,
      'IDENTITY_NEEDED',
    ],
  ])('%s', (_, given, decider, attempt, expected) => expect(verdict(given, decider, attempt)).toBe(expected));
});

describe('8: one person, one vote', () => {
  const voted = (...votes: Decision[]) => caseOf({}, { votes });
  const both = signedIn('ann', mandate('bea'));
  it.each<Row>([
    ['another voted', voted(vote('bea')), ann, APPROVE, 'as ann'],
    ['they voted', voted(vote('ann')), ann, APPROVE, 'ALREADY_VOTED'],
    ['they voted for another action', voted(vote('ann')), ann, REJECT, 'ALREADY_VOTED'],
    ['they took it back', voted(vote('ann', 'ann', { void_reason: 'withdrawn' })), ann, APPROVE, 'as ann'],
    ['theirs is void', voted(vote('ann', 'ann', { void_reason: 'content_changed' })), ann, APPROVE, 'as ann'],
    ['a delegate voted for them', voted(vote('ann', 'cem')), ann, APPROVE, 'ALREADY_VOTED'],
    ['they voted for a colleague', voted(vote('bea', 'ann')), ann, APPROVE, 'ALREADY_VOTED'],
    ['the colleague voted', voted(vote('bea')), cemForBea, APPROVE, 'ALREADY_VOTED'],
    ['the colleague voted, but they have a voice of their own', voted(vote('bea')), both, APPROVE, 'as ann'],
    ['they voted, and stand in for another', voted(vote('ann')), both, APPROVE, 'ALREADY_VOTED'],
    ['the colleague voted for somebody', voted(vote('dan', 'bea')), cemForBea, APPROVE, 'ALREADY_VOTED'],
    ['another delegate voted for the colleague', voted(vote('bea', 'dan')), cemForBea, APPROVE, 'ALREADY_VOTED'],
    [
      'somebody unknown voted, and another comes',
      caseOf({ policy: FOR_ANYONE }, { votes: [vote('unverified', null)] }),
      unknown,
      APPROVE,
      'ALREADY_VOTED',
    ],
    ['somebody unknown voted, and a member comes', voted(vote('unverified', null)), ann, APPROVE, 'as ann'],
  ])('%s', (_, given, decider, attempt, expected) => expect(verdict(given, decider, attempt)).toBe(expected));
});

describe('9: comment and content', () => {
  const problem = { pointer: '/text', code: 'TYPE', message: 'must be text' };
  const strict = caseOf({}, { problemsOf: (content) => (content === 1 ? [problem] : []) });
  it.each<Row>([
    ['no comment where it is optional', caseOf(), ann, APPROVE, 'as ann'],
    ['no comment where it is required', caseOf(), ann, { ...REJECT, comment: undefined }, 'COMMENT_REQUIRED'],
    ['a comment of blanks', caseOf(), ann, { ...REJECT, comment: ' \n' }, 'COMMENT_REQUIRED'],
    ['an edit that fits', strict, ann, { ...EDIT, content: 2 }, 'as ann'],
    ['an edit that does not', strict, ann, EDIT, 'CONTENT_AGAINST_SCHEMA'],
    ['an approval of what does not fit', strict, ann, APPROVE, 'as ann'],
  ])('%s', (_, given, decider, attempt, expected) => expect(verdict(given, decider, attempt)).toBe(expected));

  it('says at which place of the request', () => {
    const judged = judgeDecision(strict, ann, EDIT);
    expect(judged).toMatchObject({ refusal: { errors: [{ ...problem, pointer: '/content/text' }] } });
  });
});

describe('claiming and reassigning', () => {
  const codeOf = (given: Case, decider: Decider, wants: 'claim' | 'reassign') =>
    judgeHandling(given, decider, wants)?.code ?? 'yes';
  it.each<[string, Case, Decider, string, string]>([
    ['whose it is', caseOf(), ann, 'yes', 'yes'],
    ['whose it is not', caseOf({ candidates: [] }), ann, 'NOT_ASSIGNED', 'NOT_ASSIGNED'],
    [
      'who started it',
      caseOf({ requested_by: 'ann', policy: { not_requester: true } }),
      ann,
      'REQUESTER_MAY_NOT_APPROVE',
      'yes',
    ],
    ['what is over', closed('approved', 'approve'), ann, 'CHECKPOINT_DECIDED', 'CHECKPOINT_DECIDED'],
    ['what another has claimed', caseOf({ claimed_by: 'bea' }), ann, 'CHECKPOINT_CLAIMED', 'CHECKPOINT_CLAIMED'],
    ['an API key', caseOf(), byKey, 'API_KEY_MAY_NOT_DECIDE', 'API_KEY_MAY_NOT_DECIDE'],
    ['after one’s vote', caseOf({}, { votes: [vote('ann')] }), ann, 'ALREADY_VOTED', 'ALREADY_VOTED'],
  ])('%s', (_, given, decider, claim, reassign) => {
    expect([codeOf(given, decider, 'claim'), codeOf(given, decider, 'reassign')]).toEqual([claim, reassign]);
  });
});
