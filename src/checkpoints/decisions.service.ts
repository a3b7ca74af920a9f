import { Injectable } from '@nestjs/common';
import { AuditService } from '../audit/audit.service.js';
import { ExecutionsService } from '../executions/executions.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError, type Problem } from '../platform/errors/domain-error.js';
import { IdempotentAnswers, type RepeatableRequest } from '../platform/idempotency/idempotent-answers.js';
import { compileJsonSchema } from '../platform/json-schema/compile-json-schema.js';
import type { Checkpoint } from './checkpoint.entity.js';
import { CheckpointMetrics } from './checkpoint-metrics.js';
import { CheckpointNotices } from './checkpoint-notices.js';
import { CheckpointRepository, type Sight } from './checkpoint.repository.js';
import { CheckpointWriter, type NewEvent } from './checkpoint-writer.js';
import { auditActorOf, type Claimant, DecidersService, eventActorOf, originOf } from './deciders.service.js';
import type { Decision } from './decision.entity.js';
import { type Attempt, type Case, judgeDecision, type Verdict } from './judge-decision.js';
import { auditOf, planDecision, stepOutcome } from './plan-decision.js';
import { QuickDecisions } from './quick-decisions.js';

export type { Sight } from './checkpoint.repository.js';

/** What came of an attempt. A refusal is a value until the commit: thrown inside, it would undo its own record. */
export type Outcome =
  { refusal: DomainError } | { refusal: null; sight: Sight; closed: boolean; vote: Decision | null };

type Execution = Awaited<ReturnType<ExecutionsService['lock']>>;

/** Something else that belongs to the same transaction: a link is used up, say. Called only when the decision stands. */
export type Along = (tx: Transaction) => Promise<void>;

/** The one gate: every decision on a checkpoint passes here, whatever the way. */
@Injectable()
export class DecisionsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: CheckpointRepository,
    private readonly writer: CheckpointWriter,
    private readonly deciders: DecidersService,
    private readonly executions: ExecutionsService,
    private readonly audit: AuditService,
    private readonly answers: IdempotentAnswers,
    private readonly notices: CheckpointNotices,
    private readonly quick: QuickDecisions,
    private readonly metrics: CheckpointMetrics,
  ) {}

  /**
   * Decides a checkpoint: the verdict, the vote, what it changes, the end of the step, the wake-up and the audit record are one
   * transaction. A refusal changes nothing but is on record too.
   * @param repeatable where it has an Idempotency-Key; `toBody` makes what is answered, then and later
   * @throws DomainError with the verdict of `judgeDecision`.
   */
  async decide(
    claimant: Claimant,
    id: string,
    attempt: Attempt,
    options: { repeatable?: RepeatableRequest | undefined; toBody?: (sight: Sight) => unknown; along?: Along } = {},
  ): Promise<{ replayed: unknown } | { sight: Sight }> {
    const { repeatable, toBody = () => null, along } = options;
    const quick = repeatable || along ? null : await this.quick.decide(claimant, id, attempt, this.judge.bind(this));
    if (quick) {
      this.count(quick);
      await new Promise(setImmediate); // what goes on goes first; the answer is some work
      return quick;
    }
    const done = await this.transactions.run(async (tx) => {
      const before = repeatable && (await this.answers.begin(tx, repeatable));
      if (before) return { replayed: before.body };
      const outcome = await this.decideIn(tx, claimant, id, attempt, along);
      if (repeatable && outcome.refusal) await this.answers.drop(tx, repeatable);
      else if (repeatable && !outcome.refusal)
        await this.answers.keep(tx, repeatable, { status: 200, body: toBody(outcome.sight) });
      return outcome;
    });
    if ('replayed' in done) return done;
    if (done.refusal) throw done.refusal;
    this.tell(done);
    return done;
  }

  /** After the commit of `decideIn`. */
  tell(outcome: Outcome): void {
    if (outcome.refusal || !outcome.closed) return;
    this.executions.wakeAfterCommit(outcome.sight.checkpoint.execution_id);
    this.count(outcome);
  }

  private count({ sight, vote }: Outcome & { refusal: null }): void {
    const { created_at, closed_at } = sight.checkpoint;
    if (!vote || !closed_at || vote.via === 'timer') return;
    this.metrics.decided(vote.action, (closed_at.getTime() - created_at.getTime()) / 1_000);
  }

  /** As part of a larger transaction; call `tell` after its commit. */
  async decideIn(tx: Transaction, claimant: Claimant, id: string, attempt: Attempt, along?: Along): Promise<Outcome> {
    const executionId = await this.repository.getExecutionId(tx, claimant.organization_id, id);
    const execution = await this.executions.lock(tx, executionId);
    const sight = await this.repository.get(tx, claimant.organization_id, id);
    const verdict = await this.judge(tx, sight, claimant, attempt);
    if (!verdict.ok) return this.refuse(tx, sight, claimant, attempt, verdict.refusal);
    const carried = await this.carryOut(tx, execution, sight, claimant, attempt, verdict);
    await along?.(tx);
    return carried;
  }

  /** What would be said to each action that is offered. For showing; deciding judges again. */
  async preview(
    tx: Transaction,
    sight: Sight,
    claimant: Claimant,
  ): Promise<{ action: string; refusal: DomainError | null }[]> {
    const { policy, revision, status } = sight.checkpoint;
    if (status !== 'open') return [];
    const actions = policy.actions.map(({ action }) => action);
    if (policy.editable && actions.includes('approve')) actions.splice(1, 0, 'edit');
    const decider = await this.deciders.find(tx, claimant);
    const given = { ...(await this.caseOf(tx, sight)), problemsOf: () => [] };
    return actions.map((action) => {
      const verdict = judgeDecision(given, decider, { action, comment: 'some', revision });
      return { action, refusal: verdict.ok ? null : verdict.refusal };
    });
  }

  async caseOf(tx: Transaction, sight: Sight): Promise<Case> {
    const { execution_id, policy, schema } = sight.checkpoint;
    const { not_requester, not_same_as } = policy;
    const requesters = not_requester ? await this.repository.listRequesters(tx, execution_id) : [];
    const persons = not_same_as.length > 0 ? await this.repository.listPersons(tx, execution_id, not_same_as) : [];
    const people = { requesters: new Set(requesters), excluded: new Set(persons) };
    return { ...sight, ...people, problemsOf: (content) => problemsOf(schema, content) };
  }

  /** First with what the request itself says of the person, and only where that refuses with all that there is to know. */
  private async judge(tx: Transaction, sight: Sight, claimant: Claimant, attempt: Attempt): Promise<Verdict> {
    const given = await this.caseOf(tx, sight);
    const glance = attempt.on_behalf_of === undefined ? this.deciders.glance(claimant) : null;
    const verdict = glance && judgeDecision(given, glance, attempt);
    return verdict?.ok ? verdict : judgeDecision(given, await this.deciders.find(tx, claimant), attempt);
  }

  private async refuse(
    tx: Transaction,
    { checkpoint, now }: Sight,
    claimant: Claimant,
    { action }: Attempt,
    refusal: DomainError,
  ): Promise<Outcome> {
    const data = { action, code: refusal.code };
    const event: NewEvent = { type: 'refused', actor: eventActorOf(claimant), data };
    const after = await this.writer.write(tx, checkpoint, now, { events: [event] });
    await this.record(tx, claimant, after, 'checkpoint.refused', data);
    return { refusal };
  }

  /** The execution's row is locked and the verdict was favourable: a failure from here on is a fault, and rolls back. */
  private async carryOut(
    tx: Transaction,
    execution: Execution,
    sight: Sight,
    claimant: Claimant,
    attempt: Attempt,
    verdict: Verdict & { ok: true },
  ): Promise<Outcome> {
    const plan = planDecision(sight, claimant, attempt, verdict);
    const changed = await this.writer.write(tx, sight.checkpoint, sight.now, plan.act);
    if (plan.completes) {
      await this.endStep(tx, execution, changed, plan.vote, verdict.offered.handle);
      await this.notices.closed(tx, changed, plan.vote);
    }
    const { action, details } = auditOf(changed, plan.vote);
    await this.record(tx, claimant, changed, action, details);
    const { completes: closed, vote, votes } = plan;
    return { refusal: null, sight: { checkpoint: changed, votes, now: sight.now }, closed, vote };
  }

  private async endStep(tx: Transaction, execution: Execution, checkpoint: Checkpoint, vote: Decision, handle: string) {
    const { node_id, iteration } = checkpoint;
    const hasRoute = vote.action !== 'reject' || (await this.executions.hasRoute(tx, execution, node_id, handle));
    const outcome = stepOutcome(checkpoint, vote, handle, hasRoute);
    const ended = await this.executions.endWaitingStep(tx, execution, { node_id, iteration }, outcome);
    if (!ended) throw new Error(`the step of checkpoint ${checkpoint.id} does not wait any more`);
  }

  /** Last in the transaction: it locks the end of the organization's chain. */
  async record(
    tx: Transaction,
    claimant: Claimant,
    { id, organization_id, history_length, history_hash }: Checkpoint,
    action: string,
    details: Record<string, unknown>,
  ): Promise<void> {
    const subject = { type: 'checkpoint', id };
    const named = { ...details, ...originOf(claimant), history_seq: history_length, history_hash };
    await this.audit.record(tx, auditActorOf(claimant), { organization_id, action, subject, details: named });
  }
}

function problemsOf(schema: unknown, content: unknown): readonly Problem[] {
  if (schema === null) return [];
  const compiled = compileJsonSchema(schema);
  if (!compiled.ok) throw new Error('the schema of a checkpoint was not checked when it was saved');
  return compiled.validate(content);
}
