import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import type { CheckpointStatus } from './checkpoint-status.js';
import { Checkpoint } from './checkpoint.entity.js';
import { Decision } from './decision.entity.js';

export type CheckpointWithDecision = Checkpoint & { decision: Decision | null };

export interface CheckpointFilter {
  organization_id: string;
  status?: CheckpointStatus | undefined;
  execution_id?: string | undefined;
  /** Id of the last one of the page before. */
  after?: string | undefined;
  limit: number;
}

@Injectable()
export class CheckpointRepository {
  async insert(tx: Transaction, checkpoint: Partial<Checkpoint>): Promise<void> {
    await tx.insert(Checkpoint, checkpoint as never);
  }

  /** @throws not found, also for a checkpoint of another organization. */
  async get(tx: Transaction, organizationId: string, id: string): Promise<CheckpointWithDecision> {
    const checkpoint = await tx.findOneBy(Checkpoint, { id, organization_id: organizationId });
    if (!checkpoint) throw notFound('checkpoint', id);
    return { ...checkpoint, decision: await tx.findOneBy(Decision, { checkpoint_id: id }) };
  }

  /** What has waited longest comes first. */
  list(tx: Transaction, filter: CheckpointFilter): Promise<Checkpoint[]> {
    const query = tx
      .createQueryBuilder(Checkpoint, 'checkpoint')
      .where('checkpoint.organization_id = :organization', { organization: filter.organization_id })
      .orderBy('checkpoint.id', 'ASC')
      .limit(filter.limit);
    if (filter.status) query.andWhere('checkpoint.status = :status', { status: filter.status });
    if (filter.execution_id) query.andWhere('checkpoint.execution_id = :execution', { execution: filter.execution_id });
    if (filter.after) query.andWhere('checkpoint.id > :after', { after: filter.after });
    return query.getMany();
  }

  /** True for exactly one caller: who finds it open and at the revision they saw. */
  async close(tx: Transaction, id: string, revision: number, status: 'approved' | 'rejected'): Promise<boolean> {
    const [, count]: [unknown, number] = await tx.query(
      `update checkpoints set status = $3, revision = revision + 1, closed_at = clock_timestamp()
       where id = $1 and revision = $2 and status = 'open'`,
      [id, revision, status],
    );
    return count === 1;
  }

  /** All that are open in the executions, or only those of these steps. */
  async withdraw(
    tx: Transaction,
    executionIds: string[],
    steps: readonly { node_id: string; iteration: number }[] | null = null,
  ): Promise<void> {
    await tx.query(
      `update checkpoints set status = 'withdrawn', revision = revision + 1, closed_at = clock_timestamp()
       where execution_id = any($1) and status = 'open'
         and ($2::json is null or (node_id, iteration) in (
           select node_id, iteration from json_to_recordset($2::json) as s(node_id text, iteration int)))`,
      [executionIds, steps && JSON.stringify(steps)],
    );
  }

  async insertDecision(tx: Transaction, decision: Partial<Decision>): Promise<void> {
    await tx.insert(Decision, decision as never);
  }
}
