import { DomainError, type Problem } from '../platform/errors/domain-error.js';
import { staleVersion } from '../platform/http/if-match.js';
import type { OfferedAction } from '../workflows/engine/checkpoint-policy.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { Decision, Way } from './decision.entity.js';

/** As whom somebody decides: themselves, or a colleague who has delegated to them. */
export interface Mandate {
  /** Who is counted; an account's id, `unverified` or `clock`. */
  person: string;
  name: string;
  /** Where the checkpoint's candidates name one of these, it is theirs to decide. */
  keys: readonly string[];
  /** The role of the account admits deciding, now. */
  may_decide: boolean;
}

/** Who wants to decide, as the database has them now. */
export interface Decider {
  user_id: string | null;
  name: string;
  /** False: the name is what somebody without an account wrote. */
  verified: boolean;
  via: Way;
  /** Their own first, then those of colleagues they stand in for. */
  mandates: readonly Mandate[];
}

export interface Attempt {
  action: string;
  comment?: string | undefined;
  /** With `edit`. */
  content?: unknown;
  /** The revision the person saw; null where nothing was shown: given early, or by the clock. */
  revision: number | null;
  /** The colleague for whom they decide; found where left out. */
  on_behalf_of?: string | undefined;
}

/** All that the verdict depends on. */
export interface Case {
  checkpoint: Checkpoint;
  /** All votes, void ones too, in their order. */
  votes: readonly Decision[];
  /** Whoever started it, or what it repeats; looked up where `not_requester` asks for others. */
  requesters: ReadonlySet<string>;
  /** Persons who decided the checkpoints that `not_same_as` names. */
  excluded: ReadonlySet<string>;
  /** By the database's clock. */
  now: Date;
  /** What is wrong with an edited content. */
  problemsOf: (content: unknown) => readonly Problem[];
}

export type Verdict = { ok: true; mandate: Mandate; offered: OfferedAction } | { ok: false; refusal: DomainError };

/**
 * The one place that says whether somebody may take an action on a checkpoint now, whatever the way.
 *
 * 1. What has ended stays ended: the later one is told who was first, and when.
 * 2. Nobody decides on something else than what they saw.
 * 3. An API key, a link, or the clock decides only where the definition lets it; the clock only what it says, and when due.
 * 4. The action is one that the definition offers; an edit is an approval of something else; in the last round nobody can
 *    ask for another.
 * 5. Whoever has claimed it has it to themselves.
 * 6. Their role lets them decide, and the checkpoint is assigned to them, or to a colleague whose role does and who delegated to them.
 * 7. With `not_requester`, whoever started the execution, or one that it repeats, neither decides nor is stood in for; with
 *    `not_same_as`, so for whoever decided the earlier one. Sending it back (reject, request changes) stays theirs.
 * 8. Nobody is in two votes, neither as who acts nor as for whom; where it takes several, each has an account.
 * 9. A comment where one is required; an edited content that fits the schema.
 */
export function judgeDecision(given: Case, decider: Decider, attempt: Attempt): Verdict {
  const refusal =
    endOf(given) ??
    seenBy(given, attempt) ??
    wayOf(given, decider, attempt) ??
    actionOf(given.checkpoint, attempt.action) ??
    claimOf(given.checkpoint, decider);
  if (refusal) return { ok: false, refusal };
  const offered = offeredBy(given.checkpoint, attempt.action) as OfferedAction;
  const mandate = mandateOf(given, decider, attempt);
  if (mandate instanceof DomainError) return { ok: false, refusal: mandate };
  const unfit = contentOf(given, offered, attempt);
  return unfit ? { ok: false, refusal: unfit } : { ok: true, mandate, offered };
}

/** Taking part in the work without deciding (claiming it, handing it on): rules 1, 3, 5, 6, 8 and, to claim, 7. */
export function judgeHandling(given: Case, decider: Decider, wants: 'claim' | 'reassign'): DomainError | null {
  const refusal = endOf(given) ?? wayOf(given, decider, { action: 'approve' }) ?? claimOf(given.checkpoint, decider);
  if (refusal) return refusal;
  const action = wants === 'claim' ? 'approve' : 'reject';
  const mandate = mandateOf(given, decider, { action, revision: null });
  return mandate instanceof DomainError ? mandate : null;
}

/** Taking a decision back is not for an API key that could not have taken it. Their person may, whatever their role is by now. */
export function judgeKey(
  { policy }: Pick<Checkpoint, 'policy'>,
  { via, may_decide }: { via: Way; may_decide: boolean | null },
): DomainError | null {
  if (via !== 'api_key') return null;
  if (!policy.allow_api_keys) return apiKeyMayNot();
  return may_decide === false ? roleMayNot() : null;
}

/** What the definition offers by that name; `edit` is the approval. */
export function offeredBy({ policy }: Pick<Checkpoint, 'policy'>, action: string): OfferedAction | undefined {
  return policy.actions.find((one) => one.action === (action === 'edit' ? 'approve' : action));
}

function endOf({ checkpoint, votes }: Case): DomainError | null {
  if (checkpoint.status === 'open') return null;
  const winner = winnerOf(checkpoint, votes);
  if (winner) return alreadyDecided(winner);
  if (checkpoint.status === 'expired') {
    const when = (checkpoint.closed_at ?? checkpoint.created_at).toISOString();
    return new DomainError(
      'conflict',
      'CHECKPOINT_EXPIRED',
      `It was due, and expired at ${when}. Nothing waits for it any more.`,
    );
  }
  const message = 'The execution went on or ended before this was decided; nothing waits for it any more.';
  return new DomainError('conflict', 'CHECKPOINT_WITHDRAWN', message);
}

const forbidden = (code: string, message: string) => new DomainError('forbidden', code, message);

/** The vote that closed it: no other came after it. Rework can make it void later; it is what was decided then. */
export function winnerOf({ action }: Pick<Checkpoint, 'action'>, votes: readonly Decision[]): Decision | null {
  const isIt = (vote: Decision) => vote.void_reason !== 'withdrawn' && group(vote.action) === action;
  return votes.findLast(isIt) ?? null;
}

/** As people read it: a name that somebody without an account wrote is nobody's word. */
export const nameOf = ({ verified, decided_by_name }: Pick<Decision, 'verified' | 'decided_by_name'>) =>
  verified ? decided_by_name : `${decided_by_name} (name not verified)`;

/** An edit counts as the approval of what it makes of the content. */
export const group = (action: string) => (action === 'edit' ? 'approve' : action);

function seenBy({ checkpoint }: Case, { revision }: Pick<Attempt, 'revision'>): DomainError | null {
  return revision === null || revision === checkpoint.revision ? null : staleVersion();
}

function wayOf({ checkpoint, now }: Case, { via, verified }: Decider, { action }: Pick<Attempt, 'action'>) {
  const { policy, due_at } = checkpoint;
  if (via === 'timer' && (policy.on_expiry !== action || due_at === null || due_at > now)) {
    return forbidden('NOT_DUE', 'The clock decides only what the definition says, and when it is due.');
  }
  if (via === 'api_key' && !policy.allow_api_keys) {
    return apiKeyMayNot();
  }
  if (via === 'decision_link' && (policy.allow_links === 'no' || (!verified && policy.allow_links !== 'anyone'))) {
    return forbidden('LINK_MAY_NOT_DECIDE', 'The workflow does not let this link decide here. Sign in and decide.');
  }
  return null;
}

function actionOf(checkpoint: Checkpoint, action: string): DomainError | null {
  const { policy, round } = checkpoint;
  if (!offeredBy(checkpoint, action)) {
    const names = policy.actions.map((offered) => offered.action).join(', ');
    return forbidden('ACTION_UNAVAILABLE', `This checkpoint offers ${names}. Take one of these.`);
  }
  if (action === 'edit' && !policy.editable) {
    const message = 'The workflow does not let the content be edited. Approve it as it is, or send it back.';
    return forbidden('CONTENT_NOT_EDITABLE', message);
  }
  if (action === 'request_changes' && policy.max_rounds !== null && round >= policy.max_rounds) {
    const message = `This is round ${round}, the last one. Take another action.`;
    return forbidden('LAST_ROUND', message);
  }
  return null;
}

function claimOf({ claimed_by, claimed_by_name }: Checkpoint, { user_id, via, mandates }: Decider): DomainError | null {
  if (claimed_by === null || via === 'timer' || claimed_by === user_id) return null;
  return mandates.some(({ person }) => person === claimed_by)
    ? null
    : claimedByAnother({ claimed_by, claimed_by_name });
}

export function claimedByAnother({ claimed_by, claimed_by_name }: Pick<Checkpoint, 'claimed_by' | 'claimed_by_name'>) {
  const message = `${claimed_by_name} has claimed it. Ask them to release it, or an admin to.`;
  return new DomainError('conflict', 'CHECKPOINT_CLAIMED', message, {
    extensions: { claimed_by: { id: claimed_by, name: claimed_by_name } },
  });
}

/** The first that stands, or why the first that comes nearest does not. */
function mandateOf(given: Case, decider: Decider, attempt: Attempt): Mandate | DomainError {
  if (decider.via === 'timer') return decider.mandates[0] as Mandate;
  const own = decider.mandates[0];
  if (decider.verified && !own?.may_decide) return roleMayNot();
  const wanted = decider.mandates.filter(
    ({ person }) => attempt.on_behalf_of === undefined || person === attempt.on_behalf_of,
  );
  const theirs = wanted.filter((mandate) => !decider.verified || isAssigned(given.checkpoint, mandate));
  const refusals: DomainError[] = [];
  for (const mandate of theirs) {
    const refusal =
      identityOf(given, decider, attempt.action) ??
      fourEyes(given, decider, mandate, attempt.action) ??
      secondVote(given, decider, mandate);
    if (!refusal) return mandate;
    refusals.push(refusal);
  }
  return refusals[0] ?? (attempt.on_behalf_of === undefined ? notAssigned() : noMandate());
}

function isAssigned({ candidates }: Checkpoint, { keys, may_decide }: Mandate): boolean {
  return may_decide && keys.some((key) => candidates.includes(key));
}

/** One of several, or another than before: of somebody without an account nobody knows, and members can open such links too. */
function identityOf({ checkpoint }: Case, { verified }: Decider, action: string): DomainError | null {
  const { not_requester, not_same_as } = checkpoint.policy;
  const fourEyed = (not_requester || not_same_as.length > 0) && !SENDS_BACK.has(action);
  const several = (offeredBy(checkpoint, action)?.quorum ?? 1) > 1;
  if (verified || !(fourEyed || several)) return null;
  const message = 'It takes different people here, so each has to be known. Sign in and decide.';
  return forbidden('IDENTITY_NEEDED', message);
}

/** Whoever made it, or approved it before, may send it back but not through. */
const SENDS_BACK = new Set(['reject', 'request_changes']);

function fourEyes({ checkpoint, requesters, excluded }: Case, decider: Decider, mandate: Mandate, action: string) {
  if (SENDS_BACK.has(action)) return null;
  const involved = [decider.user_id, mandate.person];
  const isIn = (persons: ReadonlySet<string>) => involved.some((person) => person !== null && persons.has(person));
  if (checkpoint.policy.not_requester && isIn(requesters)) {
    const message =
      'You started this execution, or decide for who did, and its workflow asks for somebody else. Ask a colleague.';
    return forbidden('REQUESTER_MAY_NOT_APPROVE', message);
  }
  if (isIn(excluded)) {
    const message =
      'You decided an earlier checkpoint, or decide for who did, and the workflow asks for somebody else here. Ask a colleague.';
    return forbidden('SAME_PERSON_MAY_NOT_APPROVE', message);
  }
  return null;
}

function secondVote({ votes }: Case, { user_id }: Decider, { person }: Mandate): DomainError | null {
  const isIn = (vote: Decision) =>
    [vote.person, vote.decided_by].some((one) => one !== null && (one === person || one === user_id));
  const vote = votes.find((one) => one.void_reason === null && isIn(one));
  if (!vote) return null;
  const message = `A decision of ${nameOf(vote)} counts already, and nobody counts twice. To change it, withdraw it first.`;
  return new DomainError('conflict', 'ALREADY_VOTED', message);
}

function contentOf({ problemsOf }: Case, offered: OfferedAction, { action, comment = '', content }: Attempt) {
  if (offered.comment === 'required' && comment.trim() === '') {
    const problem = { pointer: '/comment', code: 'COMMENT_REQUIRED', message: 'Say why in `comment`.' };
    const message = 'This action needs a comment, so that whoever made it can do better.';
    return new DomainError('invalid', 'COMMENT_REQUIRED', message, { errors: [problem] });
  }
  const problems = action === 'edit' ? problemsOf(content) : [];
  if (problems.length === 0) return null;
  const message = 'The edited content does not fit the schema of this checkpoint; each problem is in errors.';
  const errors = problems.map((problem) => ({ ...problem, pointer: `/content${problem.pointer}` }));
  return new DomainError('invalid', 'CONTENT_AGAINST_SCHEMA', message, { errors });
}

function apiKeyMayNot(): DomainError {
  return forbidden('API_KEY_MAY_NOT_DECIDE', 'The workflow wants people here, not API keys. Sign in and decide.');
}

function roleMayNot(): DomainError {
  const message = 'Your role in this organization does not decide checkpoints. Ask an admin for another role.';
  return forbidden('PERMISSION_MISSING', message);
}

function notAssigned(): DomainError {
  const message = 'It is assigned to others. Ask one of them, or an admin to reassign it.';
  return forbidden('NOT_ASSIGNED', message);
}

function noMandate(): DomainError {
  const message =
    'Nobody by that id has delegated this to you now. Leave on_behalf_of out, or ask them for a delegation.';
  return forbidden('NO_MANDATE', message);
}

function alreadyDecided(vote: Decision): DomainError {
  const { action, decided_by, decided_by_name, decided_at } = vote;
  const who = nameOf(vote);
  const when = decided_at.toISOString();
  const past = (Object.hasOwn(PAST, action) ? PAST[action] : undefined) ?? `took ${action}`;
  const message = `${who} was first: ${past} at ${when}. Read the checkpoint to see what was decided.`;
  return new DomainError('conflict', 'CHECKPOINT_DECIDED', message, {
    extensions: { decided_by: { id: decided_by, name: decided_by_name }, decided_at: when, action },
  });
}

const PAST: Readonly<Record<string, string>> = {
  approve: 'approved',
  edit: 'edited and approved',
  reject: 'rejected',
  request_changes: 'requested changes',
};
