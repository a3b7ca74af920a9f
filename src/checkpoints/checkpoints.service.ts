import { Injectable, type OnModuleInit } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { ExecutionsService } from '../executions/executions.service.js';
import { type ParkedStep, ParkedSteps, type ParkingDesk } from '../executions/parked-steps.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import { hashJson } from '../platform/hashing/hash-json.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { compileJsonSchema } from '../platform/json-schema/compile-json-schema.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import { type CheckpointFilter, CheckpointRepository, type CheckpointWithDecision } from './checkpoint.repository.js';
import type { DecisionAction } from './decision.entity.js';
import { diffContent } from './diff-content.js';
import { judgeDecision } from './judge-decision.js';

export interface GivenDecision {
  action: DecisionAction;
  /** The edited content; only with `edit`. */
  content?: unknown;
  reason?: string | undefined;
}

@Injectable()
export class CheckpointsService implements ParkingDesk, OnModuleInit {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: CheckpointRepository,
    private readonly executions: ExecutionsService,
    private readonly parkedSteps: ParkedSteps,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
  ) {}

  onModuleInit(): void {
    this.parkedSteps.register(this);
  }

  async open(tx: Transaction, step: ParkedStep): Promise<void> {
    await this.repository.insert(tx, { ...step, id: uuidv7(), status: 'open' });
  }

  async withdraw(
    tx: Transaction,
    executionIds: string[],
    steps?: Parameters<ParkingDesk['withdraw']>[2],
  ): Promise<void> {
    await this.repository.withdraw(tx, executionIds, steps);
  }

  get(organizationId: string, id: string): Promise<CheckpointWithDecision> {
    return this.transactions.read((tx) => this.repository.get(tx, organizationId, id));
  }

  async list(filter: Omit<CheckpointFilter, 'after'> & { cursor?: string | undefined }) {
    const { cursor, limit, ...wanted } = filter;
    const list = `checkpoints:${wanted.organization_id}:${wanted.status ?? ''}:${wanted.execution_id ?? ''}`;
    const after = this.cursors.decode(list, cursor);
    const rows = await this.transactions.read((tx) => this.repository.list(tx, { ...wanted, after, limit: limit + 1 }));
    return this.cursors.page(list, rows, limit, (checkpoint) => checkpoint.id);
  }

  /**
   * Decides a checkpoint: the policy's verdict, the compare-and-set, the decision, the end of the step, the wake-up and
   * the audit record are one transaction. A refusal changes nothing but is on record too.
   * @throws DomainError with the verdict of `judgeDecision`, or CONTENT_AGAINST_SCHEMA.
   */
  async decide(principal: Principal, actor: Actor, id: string, revision: number, given: GivenDecision) {
    const outcome = await this.transactions.run((tx) => this.decideIn(tx, principal, actor, id, revision, given));
    if (outcome.refusal) throw outcome.refusal;
    this.executions.wakeAfterCommit(outcome.execution_id);
    return this.get(principal.organization_id, id);
  }

  private async decideIn(
    tx: Transaction,
    principal: Principal,
    actor: Actor,
    id: string,
    revision: number,
    given: GivenDecision,
  ): Promise<{ refusal: DomainError | null; execution_id: string }> {
    const { organization_id, user_id } = principal;
    const { execution_id } = await this.repository.get(tx, organization_id, id);
    const execution = await this.executions.lock(tx, execution_id);
    const checkpoint = await this.repository.get(tx, organization_id, id);
    const verdict = judgeDecision(checkpoint, checkpoint.decision, { action: given.action, user_id, revision });
    const refusal = verdict ?? (given.action === 'edit' ? editProblems(checkpoint, given.content) : null);
    const subject = { type: 'checkpoint', id };
    if (refusal) {
      const details = { action: given.action, code: refusal.code };
      await this.audit.record(tx, actor, { organization_id, action: 'checkpoint.refused', subject, details });
      return { refusal, execution_id };
    }
    await this.carryOut(tx, principal, checkpoint, execution, given);
    const details = { action: given.action, execution_id, content_hash: hashJson(checkpoint.content) };
    const action = given.action === 'reject' ? 'checkpoint.rejected' : 'checkpoint.approved';
    await this.audit.record(tx, actor, { organization_id, action, subject, details });
    return { refusal: null, execution_id };
  }

  /** The execution's row is locked and the verdict was favourable: a failure from here on is a fault, and rolls back. */
  private async carryOut(
    tx: Transaction,
    { user_id, name }: Principal,
    checkpoint: CheckpointWithDecision,
    execution: Awaited<ReturnType<ExecutionsService['lock']>>,
    { action, content: edited, reason = '' }: GivenDecision,
  ): Promise<void> {
    const { id, revision, content: shown, node_id, iteration } = checkpoint;
    const closed = await this.repository.close(tx, id, revision, action === 'reject' ? 'rejected' : 'approved');
    if (!closed) throw new Error(`checkpoint ${id} changed while its execution was locked`);
    await this.repository.insertDecision(tx, {
      checkpoint_id: id,
      action,
      decided_by: user_id,
      decided_by_name: name,
      reason: reason || null,
      content_hash: hashJson(shown),
      ...(action === 'edit' ? { edited_content: edited, patch: diffContent(shown, edited) } : {}),
    });
    const content = (action === 'edit' ? edited : shown) as JsonValue;
    const handle = action === 'reject' ? 'rejected' : 'approved';
    const output = { action, content, reason: reason || null, decided_by: user_id };
    const isDeadEnd = action === 'reject' && !(await this.executions.hasRoute(tx, execution, node_id, handle));
    const outcome = isDeadEnd
      ? { kind: 'failed' as const, failure: rejectedWithoutRoute(name, reason), retryable: false }
      : { kind: 'completed' as const, output, handle };
    const ended = await this.executions.endWaitingStep(tx, execution, { node_id, iteration }, outcome);
    if (!ended) throw new Error(`the step of checkpoint ${id} does not wait any more`);
  }
}

function editProblems(checkpoint: CheckpointWithDecision, content: unknown): DomainError | null {
  if (checkpoint.schema === null) return null;
  const compiled = compileJsonSchema(checkpoint.schema);
  if (!compiled.ok) throw new Error(`the schema of checkpoint ${checkpoint.id} was not checked when it was saved`);
  const errors = compiled.validate(content).map((problem) => ({ ...problem, pointer: `/content${problem.pointer}` }));
  if (errors.length === 0) return null;
  const message = 'The edited content does not fit the schema of this checkpoint; each problem is in errors.';
  return new DomainError('invalid', 'CONTENT_AGAINST_SCHEMA', message, { errors });
}

function rejectedWithoutRoute(name: string, reason: string) {
  return { code: 'CHECKPOINT_REJECTED', message: `${name} rejected it: ${reason}` };
}
