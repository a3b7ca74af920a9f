import { Injectable } from '@nestjs/common';
import { ExecutionsService } from '../executions/executions.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { Assignees } from '../workflows/engine/checkpoint-policy.js';
import { candidateKeys } from './candidate-keys.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { CheckpointEventType } from './checkpoint-event.entity.js';
import { CheckpointNotices } from './checkpoint-notices.js';
import { CheckpointRepository, type Sight } from './checkpoint.repository.js';
import { type Act, CheckpointWriter } from './checkpoint-writer.js';
import { type Claimant, DecidersService, eventActorOf } from './deciders.service.js';
import { DecisionsService } from './decisions.service.js';
import { claimedByAnother, judgeHandling, judgeKey } from './judge-decision.js';

/** What one act of a person comes to: refused, nothing to do, or an event and what it changes. */
type Handled =
  { refusal: DomainError } | { nothing: true } | { data: Record<string, unknown>; act: Omit<Act, 'events'> };

/** What people do with a checkpoint short of deciding it. Each act is one transaction, an event and an audit record. */
@Injectable()
export class HandlingService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: CheckpointRepository,
    private readonly writer: CheckpointWriter,
    private readonly deciders: DecidersService,
    private readonly decisions: DecisionsService,
    private readonly executions: ExecutionsService,
    private readonly notices: CheckpointNotices,
  ) {}

  /**
   * Takes it on, so that nobody else decides it meanwhile. Claiming it again changes nothing.
   * @throws DomainError CHECKPOINT_CLAIMED, CLAIM_NEEDS_ONE, and what `judgeHandling` refuses with
   */
  claim(claimant: Claimant, id: string): Promise<Sight> {
    return this.handle(claimant, id, 'claimed', async (tx, sight) => {
      const { checkpoint, now } = sight;
      if (checkpoint.claimed_by === claimant.user_id) return { nothing: true };
      if (checkpoint.claimed_by !== null) return { refusal: claimedByAnother(checkpoint) };
      const refusal = (await this.judge(tx, sight, claimant, 'claim')) ?? needsMany(checkpoint);
      if (refusal) return { refusal };
      const { user_id, name } = claimant;
      return { data: {}, act: { set: { claimed_by: user_id, claimed_by_name: name, claimed_at: now } } };
    });
  }

  /** Gives it back. An admin may do so for others. */
  release(claimant: Claimant, id: string, manages: boolean): Promise<Sight> {
    return this.handle(claimant, id, 'released', (_, { checkpoint }) => {
      const { claimed_by, claimed_by_name } = checkpoint;
      if (claimed_by === null) return { nothing: true };
      if (claimed_by !== claimant.user_id && !manages) return { refusal: claimedByAnother(checkpoint) };
      return { data: { claimed_by, claimed_by_name }, act: { set: UNCLAIMED } };
    });
  }

  /** Hands it to others, and only to them; whoever could decide it may, and an admin. A claim ends. */
  reassign(claimant: Claimant, id: string, to: Assignees, comment: string | null, manages: boolean): Promise<Sight> {
    return this.handle(claimant, id, 'reassigned', async (tx, sight) => {
      const refusal = manages ? endOf(sight.checkpoint) : await this.judge(tx, sight, claimant, 'reassign');
      if (refusal) return { refusal };
      const { organization_id, assigned_to: from } = sight.checkpoint;
      const candidates = candidateKeys(organization_id, to);
      return { data: { from, to, comment }, act: { set: { assigned_to: to, candidates, ...UNCLAIMED } } };
    });
  }

  /** Says something about it, open or closed. */
  comment(claimant: Claimant, id: string, text: string): Promise<Sight> {
    return this.handle(claimant, id, 'commented', () => ({ data: { text }, act: {} }));
  }

  /**
   * Takes back one's own vote as long as the quorum is not reached. What an edit changed stays changed.
   * @throws DomainError NO_VOTE, CHECKPOINT_CLOSED; API_KEY_MAY_NOT_DECIDE, PERMISSION_MISSING for a key that could not have decided
   */
  withdrawVote(claimant: Claimant, id: string): Promise<Sight> {
    return this.handle(claimant, id, 'decision_withdrawn', (_, { checkpoint, votes }) => {
      const refusal = endOf(checkpoint) ?? judgeKey(checkpoint, claimant);
      const mine = votes.find((vote) => vote.void_reason === null && vote.decided_by === claimant.user_id);
      if (refusal) return { refusal };
      if (!mine) return { refusal: noVote() };
      const voided = [{ id: mine.id, void_reason: 'withdrawn' as const }];
      return { data: { decision_id: mine.id }, act: { voided } };
    });
  }

  /** Any act of a person under the execution's lock: judged, written, on record. What `judge` writes is part of it. */
  async handle(
    claimant: Claimant,
    id: string,
    type: CheckpointEventType,
    judge: (tx: Transaction, sight: Sight) => Handled | Promise<Handled>,
  ): Promise<Sight> {
    const outcome = await this.transactions.run(async (tx) => {
      await this.executions.lock(tx, await this.repository.getExecutionId(tx, claimant.organization_id, id));
      const sight = await this.repository.get(tx, claimant.organization_id, id);
      const handled = await judge(tx, sight);
      if ('nothing' in handled) return { sight };
      if ('refusal' in handled) {
        const data = { action: type, code: handled.refusal.code };
        await this.note(tx, sight, claimant, 'refused', data, {});
        return { refusal: handled.refusal };
      }
      await this.note(tx, sight, claimant, type, handled.data, handled.act);
      return { sight: await this.repository.get(tx, claimant.organization_id, id) };
    });
    if (outcome.refusal) throw outcome.refusal;
    return outcome.sight;
  }

  private async note(
    tx: Transaction,
    { checkpoint, now }: Sight,
    claimant: Claimant,
    type: CheckpointEventType,
    data: Record<string, unknown>,
    act: Omit<Act, 'events'>,
  ): Promise<void> {
    const events = [{ type, actor: eventActorOf(claimant), data }];
    const after = await this.writer.write(tx, checkpoint, now, { ...act, events });
    if (type === 'reassigned' && after.assigned_to) await this.notices.reassigned(tx, after, after.assigned_to);
    await this.decisions.record(tx, claimant, after, `checkpoint.${type}`, data);
  }

  private async judge(tx: Transaction, sight: Sight, claimant: Claimant, wants: 'claim' | 'reassign') {
    const given = await this.decisions.caseOf(tx, sight);
    return judgeHandling(given, await this.deciders.find(tx, claimant), wants);
  }
}

export const UNCLAIMED = { claimed_by: null, claimed_by_name: null, claimed_at: null };

/** Where several people have to decide, one alone cannot have it to themselves. */
function needsMany({ policy }: Checkpoint): DomainError | null {
  if (policy.actions.every(({ quorum }) => quorum === 1)) return null;
  const message = 'This takes decisions of several people, so nobody can have it alone. Decide without claiming it.';
  return new DomainError('conflict', 'CLAIM_NEEDS_ONE', message);
}

export function endOf({ status }: Pick<Checkpoint, 'status'>): DomainError | null {
  if (status === 'open') return null;
  return new DomainError('conflict', 'CHECKPOINT_CLOSED', `It is ${status}; nothing waits for it any more.`);
}

function noVote(): DomainError {
  return new DomainError('conflict', 'NO_VOTE', 'There is no decision of yours here that counts. Read the checkpoint.');
}
