import { Injectable } from '@nestjs/common';
import { AuditService } from '../audit/audit.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { Cancellation } from './cancellation.js';
import { EndedExecutions } from './ended-executions.js';
import { ExecutionRepository } from './execution.repository.js';
import type { Execution } from './execution.entity.js';
import { OutsideChanges } from './outside-changes.js';
import type { StepKey } from './settled.js';
import { WakeUps } from './wake-ups.js';

interface Act {
  action: string;
  details?: Record<string, unknown>;
}

/**
 * What people do to executions that are under way or have failed. Each act locks the execution's row, changes it, and is
 * on record, in one transaction.
 */
@Injectable()
export class ExecutionControlService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ExecutionRepository,
    private readonly changes: OutsideChanges,
    private readonly cancellation: Cancellation,
    private readonly ended: EndedExecutions,
    private readonly audit: AuditService,
    private readonly wakeUps: WakeUps,
  ) {}

  /**
   * Ends it; what was done and can be undone is undone first.
   * @throws DomainError EXECUTION_ENDED, EXECUTION_COMPENSATING.
   */
  cancel(principal: Principal, actor: Actor, id: string): Promise<void> {
    return this.act(principal, actor, id, { action: 'execution.cancelled' }, async (tx, execution) => {
      mustBeOpen(execution);
      const woken = await this.cancellation.cancel(tx, [id], { cancelled_by: principal.user_id });
      if (woken.includes(id)) return woken;
      return [...woken, ...(await this.ended.followUp(tx, [{ ...execution, failed: true }]))];
    });
  }

  /** Lets running steps finish and starts nothing more, here and in the executions below. Pausing twice changes nothing. */
  pause(principal: Principal, actor: Actor, id: string): Promise<void> {
    return this.act(principal, actor, id, { action: 'execution.paused' }, async (tx, execution) => {
      mustBeOpen(execution);
      const event = { type: 'execution.paused' as const, data: { paused_by: principal.user_id } };
      return this.repository.pause(tx, id, event);
    });
  }

  /** @throws DomainError EXECUTION_NOT_PAUSED. */
  resume(principal: Principal, actor: Actor, id: string): Promise<void> {
    return this.act(principal, actor, id, { action: 'execution.resumed' }, async (tx, execution) => {
      mustBeOpen(execution);
      if (!execution.paused_at)
        throw conflict('EXECUTION_NOT_PAUSED', 'The execution is not paused; it goes on by itself.');
      const event = { type: 'execution.resumed' as const, data: { resumed_by: principal.user_id } };
      return this.repository.resume(tx, id, event);
    });
  }

  /**
   * Takes one step out: its branch ends there, the others go on.
   * @throws DomainError STEP_NOT_OPEN.
   */
  cancelStep(principal: Principal, actor: Actor, id: string, step: StepKey): Promise<void> {
    const { node_id, iteration } = step;
    const act = { action: 'execution.step_cancelled', details: { node_id, iteration } };
    return this.act(principal, actor, id, act, async (tx, execution) => {
      mustBeOpen(execution);
      if (await this.changes.cancelStep(tx, execution, step, { cancelled_by: principal.user_id })) return [id];
      throw conflict(
        'STEP_NOT_OPEN',
        `Iteration ${iteration} of node ${node_id} is not open, so it cannot be cancelled.`,
      );
    });
  }

  /**
   * Has a failed execution go on: the failed step is tried again, what ended with it begins anew.
   * @throws DomainError EXECUTION_NOT_FAILED, EXECUTION_COMPENSATED, RETRY_THE_PARENT, NOTHING_TO_RETRY.
   */
  retry(principal: Principal, actor: Actor, id: string): Promise<void> {
    return this.act(principal, actor, id, { action: 'execution.retried' }, async (tx, execution) => {
      mustBeRetryable(execution);
      const event = { type: 'execution.retried' as const, data: { retried_by: principal.user_id } };
      if (await this.repository.retry(tx, execution, event)) return [id];
      const message = 'The execution failed, but none of its steps did. Repeat it from a step (POST …/rerun).';
      throw conflict('NOTHING_TO_RETRY', message);
    });
  }

  private async act(
    principal: Principal,
    actor: Actor,
    id: string,
    { action, details }: Act,
    change: (tx: Transaction, execution: Execution) => Promise<string[]>,
  ): Promise<void> {
    const { organization_id } = principal;
    const woken = await this.transactions.run(async (tx) => {
      // Parent and lane before the row, as workers do: the end of a child changes its parent.
      await this.ended.lock(tx, [await this.repository.get(tx, organization_id, id)]);
      const ids = await change(tx, await this.repository.lock(tx, id));
      await this.audit.record(tx, actor, {
        organization_id,
        action,
        subject: { type: 'execution', id },
        ...(details ? { details } : {}),
      });
      return ids;
    });
    for (const one of [id, ...woken]) this.wakeUps.wake(one);
  }
}

/** @throws DomainError when nothing can be done to it any more. */
function mustBeOpen({ status, ended_at, ending }: Execution): void {
  if (ended_at) throw conflict('EXECUTION_ENDED', `The execution has ended already: it is ${status}.`);
  if (ending) {
    const message = 'What the execution did is being undone; then it ends. Wait for that.';
    throw conflict('EXECUTION_COMPENSATING', message);
  }
}

function mustBeRetryable({ status, ending, parent_node, parent_id }: Execution): void {
  if (status !== 'failed') {
    throw conflict('EXECUTION_NOT_FAILED', `Only a failed execution can be tried again; this one is ${status}.`);
  }
  if (ending) {
    const message = 'What the execution did has been undone, so it cannot go on. Repeat it from a step (POST …/rerun).';
    throw conflict('EXECUTION_COMPENSATED', message);
  }
  if (!parent_node) return;
  throw conflict('RETRY_THE_PARENT', `A step of execution ${parent_id} made this one; try that execution again.`);
}

function conflict(code: string, message: string): DomainError {
  return new DomainError('conflict', code, message);
}
