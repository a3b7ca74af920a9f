import { Injectable, type OnModuleInit } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { type ParkedStep, ParkedSteps, type ParkingDesk } from '../executions/parked-steps.js';
import type { Transaction } from '../platform/database/transactions.js';
import { hashJson } from '../platform/hashing/hash-json.js';
import type { Assignees } from '../workflows/engine/checkpoint-policy.js';
import { candidateKeys } from './candidate-keys.js';
import type { Checkpoint } from './checkpoint.entity.js';
import { CheckpointMetrics } from './checkpoint-metrics.js';
import { CheckpointNotices } from './checkpoint-notices.js';
import { CheckpointRepository } from './checkpoint.repository.js';
import { chain, CheckpointWriter, NOBODY } from './checkpoint-writer.js';
import { ClockService } from './clock.service.js';
import { FIRST_HASH } from './hash-event.js';
import { nextOf, scheduleCheckpoint } from './schedule-checkpoint.js';

/** Opens a checkpoint when a step parks, and withdraws it when the step ends otherwise; in the transaction that does so. */
@Injectable()
export class DeskService implements ParkingDesk, OnModuleInit {
  constructor(
    private readonly parkedSteps: ParkedSteps,
    private readonly repository: CheckpointRepository,
    private readonly writer: CheckpointWriter,
    private readonly clock: ClockService,
    private readonly notices: CheckpointNotices,
    private readonly metrics: CheckpointMetrics,
  ) {}

  onModuleInit(): void {
    this.parkedSteps.register(this);
  }

  async open(tx: Transaction, step: ParkedStep): Promise<void> {
    const now = await this.repository.readClock(tx);
    const { round, reviewers } = await this.reworkOf(tx, step);
    const { due_at, events: schedule } = scheduleCheckpoint(step.policy, now);
    const assigned_to = reviewers ?? step.policy.assignees;
    const fresh: Checkpoint = {
      ...UNTOUCHED,
      ...step,
      id: uuidv7(),
      status: 'open',
      round,
      assigned_to,
      candidates: candidateKeys(step.organization_id, assigned_to),
      due_at,
      schedule,
      next_at: nextOf(schedule),
      created_at: now,
    };
    const [opened] = chain(fresh, now, [{ type: 'opened', actor: NOBODY, data: openedWith(fresh) }]);
    if (!opened) throw new Error('a checkpoint opens with an event');
    const checkpoint = { ...fresh, history_length: opened.seq, history_hash: opened.hash };
    await this.repository.insert(tx, checkpoint, opened);
    if (round > 1 || step.iteration > 1) await this.voidOutdated(tx, checkpoint);
    await this.notices.opened(tx, checkpoint);
    this.metrics.opened(); // a little early: the commit may still fail
    this.clock.lookSoon(checkpoint);
  }

  async withdraw(
    tx: Transaction,
    executionIds: string[],
    steps?: Parameters<ParkingDesk['withdraw']>[2],
  ): Promise<void> {
    for (const { checkpoint, now } of await this.repository.listOpen(tx, executionIds, steps ?? null)) {
      await this.writer.write(tx, checkpoint, now, {
        events: [{ type: 'withdrawn', actor: NOBODY, data: {} }],
        set: { status: 'withdrawn', closed_at: now, next_at: null, schedule: [] },
      });
    }
  }

  /**
   * A round is a new one of the same node after changes were requested in it; who asked for them may get it back, unless that is
   * the requester, who may not approve it.
   */
  private async reworkOf(tx: Transaction, step: ParkedStep): Promise<{ round: number; reviewers: Assignees | null }> {
    const previous = step.iteration > 1 ? await this.repository.findPrevious(tx, step) : null;
    if (previous?.status !== 'changes_requested') return { round: 1, reviewers: null };
    const votes = step.policy.retain_reviewer ? await this.repository.listVotes(tx, previous.id) : [];
    const users = votes
      .filter(({ action, void_reason }) => action === 'request_changes' && void_reason === null)
      .flatMap(({ decided_by }) => decided_by ?? [])
      .filter((user) => !step.policy.not_requester || user !== step.requested_by);
    const reviewers = users.length > 0 ? { users, roles: [], groups: [] } : null;
    return { round: previous.round + 1, reviewers };
  }

  /** Approvals of earlier rounds of what is now something else. A loop without rework, over items say, leaves them be. */
  private async voidOutdated(tx: Transaction, checkpoint: Checkpoint): Promise<void> {
    const previous = await this.repository.findPrevious(tx, checkpoint);
    const since = previous?.closed_at;
    if (!since || !(await this.repository.isReworked(tx, checkpoint.execution_id, since))) return;
    const hash = hashJson(checkpoint.content ?? null);
    for (const id of await this.repository.listOutdated(tx, checkpoint, hash)) {
      const { checkpoint: earlier, votes, now } = await this.repository.get(tx, checkpoint.organization_id, id);
      const voided = votes
        .filter((vote) => vote.void_reason === null && vote.result_hash !== hash && approves(vote.action))
        .map((vote) => ({ id: vote.id, void_reason: 'content_changed' as const }));
      const data = { decision_ids: voided.map((vote) => vote.id), reason: 'content_changed', by: checkpoint.id };
      await this.writer.write(tx, earlier, now, {
        events: [{ type: 'decisions_voided', actor: NOBODY, data }],
        voided,
      });
    }
  }
}

const approves = (action: string) => action !== 'reject' && action !== 'request_changes';

const UNTOUCHED = {
  action: null,
  original_content: null,
  claimed_by: null,
  claimed_by_name: null,
  claimed_at: null,
  expired_at: null,
  revision: 1,
  history_length: 0,
  history_hash: FIRST_HASH,
  closed_at: null,
};

function openedWith(checkpoint: Checkpoint): Record<string, unknown> {
  const { execution_id, workflow_id, version, node_id, iteration, round, title, policy } = checkpoint;
  const { assigned_to, requested_by, due_at, instructions, content, schema } = checkpoint;
  return {
    execution_id,
    workflow_id,
    version,
    node_id,
    iteration,
    round,
    title,
    instructions_hash: hashJson(instructions),
    content_hash: hashJson(content ?? null),
    schema_hash: hashJson(schema ?? null),
    policy,
    assigned_to,
    requested_by,
    due_at,
  };
}
