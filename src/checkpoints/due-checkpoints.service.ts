import { Injectable } from '@nestjs/common';
import { ExecutionsService } from '../executions/executions.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import type { Assignees } from '../workflows/engine/checkpoint-policy.js';
import { candidateKeys } from './candidate-keys.js';
import type { Checkpoint } from './checkpoint.entity.js';
import { CheckpointMetrics } from './checkpoint-metrics.js';
import { CheckpointNotices } from './checkpoint-notices.js';
import { CheckpointRepository, type Sight } from './checkpoint.repository.js';
import { CheckpointWriter, NOBODY } from './checkpoint-writer.js';
import type { Claimant } from './deciders.service.js';
import { DecisionsService, type Outcome } from './decisions.service.js';
import { EarlyDecisionsService } from './early-decisions.service.js';
import { UNCLAIMED } from './handling.service.js';
import { nextOf, type ScheduledEvent } from './schedule-checkpoint.js';

type Execution = Awaited<ReturnType<ExecutionsService['lock']>>;

/** What time does to one checkpoint: decisions that came early, reminders, escalation, expiry. */
@Injectable()
export class DueCheckpointsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: CheckpointRepository,
    private readonly writer: CheckpointWriter,
    private readonly decisions: DecisionsService,
    private readonly early: EarlyDecisionsService,
    private readonly executions: ExecutionsService,
    private readonly notices: CheckpointNotices,
    private readonly metrics: CheckpointMetrics,
  ) {}

  /**
   * Does all that is due, in one transaction, in the order of the schedule; nothing when somebody was first. Decisions that came
   * before the checkpoint was open go before everything.
   */
  async serve(organizationId: string, id: string): Promise<void> {
    const { outcomes, expired } = await this.transactions.run(async (tx) => {
      const execution = await this.executions.lock(tx, await this.repository.getExecutionId(tx, organizationId, id));
      const done = await this.early.apply(tx, organizationId, id);
      let sight = await this.repository.get(tx, organizationId, id);
      const before = sight.checkpoint;
      for (const event of sight.checkpoint.schedule.filter(({ at }) => new Date(at) <= sight.now)) {
        if (sight.checkpoint.status !== 'open') break;
        done.push(...(await this.happen(tx, execution, sight, event)));
        sight = await this.repository.get(tx, organizationId, id);
      }
      if (sight.checkpoint.status === 'open') await this.repository.plan(tx, id, nextOf(sight.checkpoint.schedule));
      const { expired_at, policy } = sight.checkpoint;
      return { outcomes: done, expired: before.expired_at === null && expired_at !== null ? policy.on_expiry : null };
    });
    for (const outcome of outcomes) this.decisions.tell(outcome);
    if (expired) this.metrics.expired(expired);
  }

  private async happen(tx: Transaction, execution: Execution, sight: Sight, event: ScheduledEvent): Promise<Outcome[]> {
    const schedule = sight.checkpoint.schedule.filter((one) => !isSame(one, event));
    const set = { schedule, next_at: nextOf(schedule) };
    if (event.type === 'expiry') return this.expire(tx, execution, sight, set);
    if (event.type === 'escalation') await this.escalate(tx, sight, event.index, set);
    else await this.remind(tx, sight, event.index, set);
    return [];
  }

  private async remind(tx: Transaction, { checkpoint, now }: Sight, index: number, set: Partial<Checkpoint>) {
    const event = { type: 'reminded' as const, actor: NOBODY, data: { index } };
    const after = await this.writer.write(tx, checkpoint, now, { events: [event], set });
    await this.notices.reminded(tx, after);
  }

  /** Those of the rung may decide too; a claim that let it come to this ends. */
  private async escalate(tx: Transaction, { checkpoint, now }: Sight, index: number, set: Partial<Checkpoint>) {
    const rung = checkpoint.policy.escalation[index];
    if (!rung) throw new Error(`checkpoint ${checkpoint.id} has no rung ${index}`);
    const event = { type: 'escalated' as const, actor: NOBODY, data: { index, to: rung.to } };
    const wider = widened(checkpoint, [rung.to]);
    const after = await this.writer.write(tx, checkpoint, now, {
      events: [event],
      set: { ...set, ...wider, ...UNCLAIMED },
    });
    await this.notices.escalated(tx, after, rung.to);
    await this.decisions.record(tx, clockOf(checkpoint), after, 'checkpoint.escalated', { index, to: rung.to });
  }

  private async expire(
    tx: Transaction,
    execution: Execution,
    { checkpoint, now }: Sight,
    set: Partial<Checkpoint>,
  ): Promise<Outcome[]> {
    const { on_expiry, escalation } = checkpoint.policy;
    const data = { on_expiry, ...(on_expiry === 'approve' ? { approved_by_expiry: true } : {}) };
    const events = [{ type: 'expired' as const, actor: NOBODY, data }];
    const clock = clockOf(checkpoint);
    if (on_expiry === 'fail') return [await this.fail(tx, execution, { checkpoint, now, votes: [] })];
    const rungs = on_expiry === 'escalate' ? escalation.map(({ to }) => to) : [];
    const wider = rungs.length > 0 ? { ...widened(checkpoint, rungs), ...UNCLAIMED } : {};
    const after = await this.writer.write(tx, checkpoint, now, { events, set: { ...set, ...wider, expired_at: now } });
    await this.notices.expired(tx, after);
    for (const rung of rungs) await this.notices.escalated(tx, after, rung);
    await this.decisions.record(tx, clock, after, 'checkpoint.expired', data);
    if (on_expiry === 'escalate') return [];
    const comment = `It was due at ${checkpoint.due_at?.toISOString()}, and nobody had decided.`;
    const attempt = { action: on_expiry, comment, revision: null };
    const outcome = await this.decisions.decideIn(tx, clock, checkpoint.id, attempt);
    if (outcome.refusal) throw outcome.refusal;
    return [outcome];
  }

  private async fail(tx: Transaction, execution: Execution, { checkpoint, now }: Sight): Promise<Outcome> {
    const { id, node_id, iteration, title, due_at } = checkpoint;
    const after = await this.writer.write(tx, checkpoint, now, {
      events: [{ type: 'expired', actor: NOBODY, data: { on_expiry: 'fail' } }],
      set: { status: 'expired', closed_at: now, expired_at: now, next_at: null, schedule: [] },
    });
    const message = `Nobody decided ${JSON.stringify(title)} before it was due at ${due_at?.toISOString()}.`;
    const failure = { code: 'CHECKPOINT_EXPIRED', message };
    const outcome = { kind: 'failed' as const, failure, retryable: false };
    const ended = await this.executions.endWaitingStep(tx, execution, { node_id, iteration }, outcome);
    if (!ended) throw new Error(`the step of checkpoint ${id} does not wait any more`);
    await this.notices.expired(tx, after);
    await this.decisions.record(tx, clockOf(checkpoint), after, 'checkpoint.expired', { on_expiry: 'fail' });
    return { refusal: null, sight: { checkpoint: after, votes: [], now }, closed: true, vote: null };
  }
}

const isSame = (a: ScheduledEvent, b: ScheduledEvent) => a.type === b.type && a.index === b.index && a.at === b.at;

/** Everybody stays everybody. */
function widened({ organization_id, assigned_to }: Checkpoint, rungs: readonly Assignees[]): Partial<Checkpoint> {
  if (assigned_to === null) return {};
  const all = [assigned_to, ...rungs];
  const union = (of: (assignees: Assignees) => readonly string[]) => [...new Set(all.flatMap(of))];
  const wider = {
    users: union(({ users }) => users),
    roles: union(({ roles }) => roles),
    groups: union(({ groups }) => groups),
  };
  return { assigned_to: wider, candidates: candidateKeys(organization_id, wider) };
}

function clockOf({ organization_id }: Checkpoint): Claimant {
  return {
    organization_id,
    user_id: null,
    email: '',
    name: 'The clock',
    role: null,
    verified: true,
    via: 'timer',
    may_decide: null,
    origin: { address: null, user_agent: null, request_id: null },
  };
}
