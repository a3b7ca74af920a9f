import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import type { ExecutionStatus } from '../workflows/engine/execution-status.js';
import { ExecutionEvent } from './execution-event.entity.js';
import type { NewEvent } from './execution-events.js';
import { Execution } from './execution.entity.js';
import { Step } from './step.entity.js';

export interface ExecutionFilter {
  organization_id: string;
  workflow_id?: string | undefined;
  status?: ExecutionStatus | undefined;
  before?: string | undefined;
  limit: number;
}

const SUMMARY = [
  'id',
  'workflow_id',
  'version',
  'status',
  'error',
  'started_by',
  'created_at',
  'started_at',
  'ended_at',
] as const satisfies (keyof Execution)[];

/** What people and the API do with executions. What workers do with them is in `turn.repository.ts`. */
@Injectable()
export class ExecutionRepository {
  /** Queues it: due from now on. Its first event is number 1. */
  async insert(tx: Transaction, execution: Partial<Execution>, event: NewEvent): Promise<void> {
    await tx.insert(Execution, {
      ...execution,
      status: 'queued',
      wake_at: () => 'now()',
      last_event: 1,
    } as never);
    await tx.insert(ExecutionEvent, { ...event, execution_id: execution.id, seq: 1 } as never);
  }

  /** @throws not found, also for an execution of another organization. */
  async get(tx: Transaction, organizationId: string, id: string): Promise<Execution> {
    const execution = await tx.findOneBy(Execution, { id, organization_id: organizationId });
    if (!execution) throw notFound('execution', id);
    return execution;
  }

  /** Newest first, without inputs and outputs, which may be large. */
  list(tx: Transaction, filter: ExecutionFilter): Promise<Execution[]> {
    const query = tx
      .createQueryBuilder(Execution, 'execution')
      .select(SUMMARY.map((column) => `execution.${column}`))
      .where('execution.organization_id = :organization', { organization: filter.organization_id })
      .orderBy('execution.id', 'DESC')
      .limit(filter.limit);
    if (filter.workflow_id) query.andWhere('execution.workflow_id = :workflow', { workflow: filter.workflow_id });
    if (filter.status) query.andWhere('execution.status = :status', { status: filter.status });
    if (filter.before) query.andWhere('execution.id < :before', { before: filter.before });
    return query.getMany();
  }

  /** In the order in which they started. */
  listSteps(tx: Transaction, executionId: string): Promise<Step[]> {
    return tx.find(Step, {
      where: { execution_id: executionId },
      order: { started_at: 'ASC', node_id: 'ASC', iteration: 'ASC' },
    });
  }

  listEvents(tx: Transaction, executionId: string, after: number, limit: number): Promise<ExecutionEvent[]> {
    return tx
      .createQueryBuilder(ExecutionEvent, 'event')
      .where('event.execution_id = :executionId AND event.seq > :after', { executionId, after })
      .orderBy('event.seq', 'ASC')
      .limit(limit)
      .getMany();
  }

  /** Keeps holder and people apart until the transaction ends; taken before any other row of the execution. */
  async lock(tx: Transaction, id: string): Promise<Execution> {
    const execution = await tx.findOne(Execution, { where: { id }, lock: { mode: 'pessimistic_write' } });
    if (!execution) throw notFound('execution', id);
    return execution;
  }

  /** A waiting step ends by something from outside. False when it no longer waits. */
  async finishWaitingStep(tx: Transaction, step: FinishedStep): Promise<boolean> {
    const [, count]: [unknown, number] = await tx.query(
      `update steps set status = $4, output = $5, fired = $6, error = $7, ended_at = clock_timestamp()
       where execution_id = $1 and node_id = $2 and iteration = $3 and status = 'waiting'`,
      [
        step.execution_id,
        step.node_id,
        step.iteration,
        step.status,
        JSON.stringify(step.output),
        JSON.stringify(step.fired),
        step.error ? JSON.stringify(step.error) : null,
      ],
    );
    return count === 1;
  }

  /** Tells whoever holds the execution that something changed; without a holder it becomes due. Adds an event. */
  async nudge(tx: Transaction, id: string, event: NewEvent): Promise<void> {
    const rows: [{ last_event: number }[], number] = await tx.query(
      `update executions
       set nudges = nudges + 1, last_event = last_event + 1, wake_at = case when worker is null then now() else wake_at end
       where id = $1 and ended_at is null returning last_event`,
      [id],
    );
    await this.insertEvent(tx, id, rows[0][0]?.last_event, event);
  }

  /** Ends it from outside, whoever holds it: the holder's epoch is over. False when it had ended already. */
  async cancel(tx: Transaction, id: string, event: NewEvent): Promise<boolean> {
    const rows: [{ last_event: number }[], number] = await tx.query(
      `update executions
       set status = 'cancelled', epoch = epoch + 1, wake_at = null, worker = null, ended_at = now(),
           last_event = last_event + 1
       where id = $1 and ended_at is null returning last_event`,
      [id],
    );
    const seq = rows[0][0]?.last_event;
    if (seq === undefined) return false;
    await this.insertEvent(tx, id, seq, event);
    return true;
  }

  /** What was still open when the execution ended will not end by itself. */
  async cancelOpenSteps(tx: Transaction, executionId: string): Promise<void> {
    await tx.query(
      `update steps set status = 'cancelled', ended_at = clock_timestamp()
       where execution_id = $1 and status in ('running', 'waiting', 'backing_off')`,
      [executionId],
    );
  }

  private async insertEvent(tx: Transaction, id: string, seq: number | undefined, event: NewEvent): Promise<void> {
    if (seq !== undefined) await tx.insert(ExecutionEvent, { ...event, execution_id: id, seq } as never);
  }
}

export type FinishedStep = Pick<Step, 'execution_id' | 'node_id' | 'iteration' | 'output' | 'fired' | 'error'> & {
  status: 'completed' | 'failed';
};
