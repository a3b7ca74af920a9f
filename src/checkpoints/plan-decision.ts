import { v7 as uuidv7 } from 'uuid';
import type { JsonValue } from '../workflows/engine/json-value.js';
import { type Cast, castVote } from './cast-vote.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { EventActor } from './checkpoint-event.entity.js';
import type { Sight } from './checkpoint.repository.js';
import { statusAfter } from './checkpoint-status.js';
import type { Act, NewEvent } from './checkpoint-writer.js';
import { type Claimant, eventActorOf } from './deciders.service.js';
import type { Decision } from './decision.entity.js';
import { type Attempt, nameOf, type Verdict } from './judge-decision.js';

/** What a decision that may be taken comes to. */
export interface Plan {
  vote: Decision;
  act: Act;
  /** It reaches the quorum: the checkpoint is closed and its step ends. */
  completes: boolean;
  /** All votes afterwards. */
  votes: Decision[];
}

/** Pure but for the id of the vote: the same sight gives the same plan. */
export function planDecision(
  sight: Sight,
  claimant: Claimant,
  attempt: Attempt,
  verdict: Verdict & { ok: true },
): Plan {
  const { checkpoint, votes, now } = sight;
  // The clock is not one of several people: what the definition lets it do does not wait for their quorum.
  const offered = claimant.via === 'timer' ? { ...verdict.offered, quorum: 1 } : verdict.offered;
  const cast = castVote(checkpoint, votes, offered, attempt);
  const vote = voteOf(checkpoint, claimant, attempt, verdict, cast, now);
  const act = {
    events: eventsOf(checkpoint, eventActorOf(claimant), vote, verdict, cast),
    vote,
    voided: cast.voided.map(({ id }) => ({ id, void_reason: 'content_changed' as const })),
    set: changesBy(sight, vote, verdict, cast),
  };
  return { vote, act, completes: cast.completes, votes: [...stillOf(votes, cast, now), vote] };
}

/** How the step of a checkpoint ends that was decided. Without a way out by `rejected`, rejecting fails the execution. */
export function stepOutcome(
  { content: decided, round }: Checkpoint,
  vote: Decision,
  handle: string,
  hasRoute: boolean,
) {
  const { action, comment, decided_by } = vote;
  if (!hasRoute) {
    const failure = rejectedWithoutRoute(nameOf(vote), comment);
    return { kind: 'failed' as const, failure, retryable: false };
  }
  const content = (decided ?? null) as JsonValue;
  return { kind: 'completed' as const, output: { action, content, comment, decided_by, round }, handle };
}

/** What the audit record says of it. */
export function auditOf(after: Checkpoint, { action, content_hash, on_behalf_of, via }: Decision) {
  const details = {
    action,
    execution_id: after.execution_id,
    content_hash,
    closed: after.status !== 'open',
    ...(on_behalf_of === null ? {} : { on_behalf_of }),
    ...(via === 'timer' ? { by_expiry: true } : {}),
  };
  return { action: auditAction(after, action), details };
}

function stillOf(votes: readonly Decision[], { voided }: Cast, now: Date): Decision[] {
  return votes.map((vote) =>
    voided.includes(vote) ? { ...vote, void_reason: 'content_changed' as const, voided_at: now } : vote,
  );
}

function voteOf(
  { id, organization_id }: Checkpoint,
  { user_id, name, verified, via }: Claimant,
  { action, comment }: Attempt,
  { mandate }: Verdict & { ok: true },
  { content, content_hash, result_hash, patch }: Cast,
  now: Date,
): Decision {
  const forOther = user_id !== null && mandate.person !== user_id;
  return {
    id: uuidv7(),
    checkpoint_id: id,
    organization_id,
    action,
    decided_by: user_id,
    decided_by_name: name,
    verified,
    person: mandate.person,
    on_behalf_of: forOther ? mandate.person : null,
    on_behalf_of_name: forOther ? mandate.name : null,
    via,
    decided_at: now,
    comment: comment || null,
    content_hash,
    result_hash,
    edited_content: action === 'edit' ? content : null,
    patch,
    void_reason: null,
    voided_at: null,
  };
}

function eventsOf(
  { workflow_id, version, round }: Checkpoint,
  actor: EventActor,
  vote: Decision,
  { offered }: Verdict & { ok: true },
  { voided, counted, completes, result_hash }: Cast,
): NewEvent[] {
  const { id: decision_id, action, comment, content_hash, patch, person, verified } = vote;
  const { on_behalf_of, on_behalf_of_name } = vote;
  const who = { person, verified, on_behalf_of, on_behalf_of_name };
  const verdict = { quorum: offered.quorum, counted, completes };
  const what = { decision_id, action, comment, content_hash, result_hash, patch };
  const events: NewEvent[] = [
    { type: 'decided', actor, data: { ...what, ...who, workflow_id, version, round, verdict } },
  ];
  if (voided.length > 0) {
    const data = { decision_ids: voided.map(({ id }) => id), reason: 'content_changed' };
    events.push({ type: 'decisions_voided', actor, data });
  }
  if (completes) {
    const status = statusAfter(offered.action);
    const data = { status, action: offered.action, handle: offered.handle, content_hash: result_hash };
    events.push({ type: 'closed', actor, data });
  }
  return events;
}

const edits = (vote: Pick<Decision, 'content_hash' | 'result_hash'>) => vote.result_hash !== vote.content_hash;

function changesBy(
  { checkpoint, votes, now }: Sight,
  { action }: Decision,
  { offered }: Verdict & { ok: true },
  { content, content_hash, result_hash, completes }: Cast,
): Partial<Checkpoint> {
  const original_content = votes.some(edits) ? checkpoint.original_content : checkpoint.content;
  return {
    ...(action === 'edit' && edits({ content_hash, result_hash }) ? { content, original_content } : {}),
    ...(completes
      ? { status: statusAfter(offered.action), action: offered.action, closed_at: now, next_at: null, schedule: [] }
      : {}),
  };
}

function auditAction({ status }: Checkpoint, action: string): string {
  if (status === 'open') return 'checkpoint.voted';
  return status === 'decided' ? `checkpoint.decided:${action}` : `checkpoint.${status}`;
}

function rejectedWithoutRoute(name: string, comment: string | null) {
  return { code: 'CHECKPOINT_REJECTED', message: `${name} rejected it${comment ? `: ${comment}` : ''}` };
}
