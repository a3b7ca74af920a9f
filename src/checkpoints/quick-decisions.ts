import { Injectable } from '@nestjs/common';
import { AuditService } from '../audit/audit.service.js';
import { Settings } from '../config/settings.js';
import { ExecutionsService } from '../executions/executions.service.js';
import { isRepeatable, type Transaction, Transactions } from '../platform/database/transactions.js';
import type { Checkpoint } from './checkpoint.entity.js';
import { CheckpointNotices } from './checkpoint-notices.js';
import { CheckpointRepository, type Sight } from './checkpoint.repository.js';
import { changeBy } from './checkpoint-writer.js';
import { auditActorOf, type Claimant, originOf } from './deciders.service.js';
import type { Attempt, Verdict } from './judge-decision.js';
import { auditOf, type Plan, planDecision, stepOutcome } from './plan-decision.js';

type Parked = NonNullable<Awaited<ReturnType<ExecutionsService['readParked']>>>;

type Judge = (tx: Transaction, sight: Sight, claimant: Claimant, attempt: Attempt) => Promise<Verdict>;

/**
 * Decisions that end the step of an execution that nobody holds, which is almost all: read without a lock, judged by the same
 * gate, and written by one statement that first makes sure, under the lock, that all is as it was read (`decide_parked` in the
 * migrations). It saves half of the round trips, and a free worker of this process goes on at once. Whatever else there is to
 * do, or has changed meanwhile, is done under the lock from the beginning (`DecisionsService`).
 */
@Injectable()
export class QuickDecisions {
  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: CheckpointRepository,
    private readonly executions: ExecutionsService,
    private readonly audit: AuditService,
    private readonly notices: CheckpointNotices,
  ) {}

  /** Null, and nothing was written, where it takes the long way. */
  async decide(claimant: Claimant, id: string, attempt: Attempt, judge: Judge) {
    return this.transactions.read(async (tx) => {
      const known = this.repository.knownExecutionId(id);
      // Each has its own moment; the statement that writes finds out whether anything happened between the two.
      const [sight, early] = await Promise.all([
        this.repository.get(tx, claimant.organization_id, id),
        known === undefined ? null : this.executions.readParked(tx, known),
      ]);
      const { status, policy } = sight.checkpoint;
      if (status !== 'open' || this.notices.wantsClosed(sight.checkpoint)) return null;
      // A vote at one of those is no change of the execution, so only its lock keeps the two apart.
      if (policy.not_same_as.length > 0) return null;
      const verdict = await judge(tx, sight, claimant, attempt);
      if (!verdict.ok) return null;
      const plan = planDecision(sight, claimant, attempt, verdict);
      const parked = early ?? (await this.executions.readParked(tx, sight.checkpoint.execution_id));
      if (!parked || !plan.completes) return null;
      const changed = await this.write(tx, parked, sight, claimant, plan, verdict.offered.handle);
      return (
        changed && {
          refusal: null,
          sight: { ...sight, checkpoint: changed, votes: plan.votes },
          closed: true,
          vote: plan.vote,
        }
      );
    });
  }

  private async write(
    tx: Transaction,
    parked: Parked,
    { checkpoint, now }: Sight,
    claimant: Claimant,
    plan: Plan,
    handle: string,
  ) {
    const { node_id, iteration } = checkpoint;
    const change = changeBy(checkpoint, now, plan.act);
    const end = await this.executions.prepareEnd(tx, parked, { node_id, iteration }, (hasRoute) =>
      stepOutcome(change.checkpoint, plan.vote, handle, plan.vote.action !== 'reject' || hasRoute(handle)),
    );
    if (!end) return null;
    const audit = this.auditOf(claimant, change.checkpoint, plan);
    const worker = this.executions.reserveWorker();
    let execution = null;
    try {
      const lease = this.settings.WORKER_LEASE_SECONDS;
      execution = await this.repository.decideParked(tx, { ...end, change, audit, worker, lease });
    } catch (error) {
      if (!isRepeatable(error)) throw error;
    } finally {
      this.executions.goOn(worker, execution, end.steps);
    }
    return execution && change.checkpoint;
  }

  private auditOf(claimant: Claimant, after: Checkpoint, { vote }: Plan) {
    const { id, organization_id, history_length: history_seq, history_hash } = after;
    const { action, details } = auditOf(after, vote);
    const named = { ...details, ...originOf(claimant), history_seq, history_hash };
    const entry = { organization_id, action, subject: { type: 'checkpoint', id }, details: named };
    return this.audit.prepare(auditActorOf(claimant), entry, []);
  }
}
