import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import type { CheckpointStatus } from './checkpoint-status.js';
import { EarlyDecision } from './early-decision.entity.js';

/** With who gave it. */
export interface WaitingDecision extends EarlyDecision {
  name: string;
  email: string;
  /** It came by an API key that was revoked or ran out since. */
  key_is_gone: boolean;
}

@Injectable()
export class EarlyDecisionsRepository {
  /** Instead of an earlier one of the same person for the same. */
  async replace(tx: Transaction, early: Partial<EarlyDecision>, givenBy: string | null): Promise<void> {
    await tx.query(
      `update early_decisions set status = 'cancelled'
       where execution_id = $1 and node_id = $2 and iteration is not distinct from $3 and given_by = $4 and status = 'kept'`,
      [early.execution_id, early.node_id, early.iteration ?? null, givenBy],
    );
    await tx.insert(EarlyDecision, early as never);
  }

  /** @throws not found, also for one of another organization. */
  async get(tx: Transaction, organizationId: string, id: string): Promise<EarlyDecision> {
    const early = await tx.findOneBy(EarlyDecision, { id, organization_id: organizationId });
    if (!early) throw notFound('early decision', id);
    return early;
  }

  list(tx: Transaction, organizationId: string, executionId: string): Promise<EarlyDecision[]> {
    const where = { organization_id: organizationId, execution_id: executionId };
    return tx.find(EarlyDecision, { where, order: { id: 'ASC' } });
  }

  async countKept(tx: Transaction, executionId: string): Promise<number> {
    return tx.countBy(EarlyDecision, { execution_id: executionId, status: 'kept' });
  }

  /** Those that wait for the checkpoint, with who gave them; they stay locked. */
  async listFor(tx: Transaction, checkpointId: string): Promise<WaitingDecision[]> {
    return tx.query(
      `select e.*, u.name, u.email, e.origin->>'api_key_id' is not null and not exists (
         select 1 from api_keys k where k.id = (e.origin->>'api_key_id')::uuid and k.organization_id = e.organization_id
           and k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp())) as key_is_gone
       from early_decisions e
       join checkpoints c on c.execution_id = e.execution_id and c.node_id = e.node_id
         and (e.iteration is null or e.iteration = c.iteration)
       join users u on u.id = e.given_by
       where c.id = $1 and c.status = 'open' and e.status = 'kept'
       order by e.id for update of e`,
      [checkpointId],
    );
  }

  async finish(tx: Transaction, id: string, checkpointId: string, refusal: string | null): Promise<void> {
    await tx.query(
      `update early_decisions set status = case when $3::text is null then 'applied' else 'refused' end,
         checkpoint_id = $2, refusal = $3
       where id = $1 and status = 'kept'`,
      [id, checkpointId, refusal],
    );
  }

  /** False when it is not theirs, or does not wait any more. */
  async cancel(tx: Transaction, organizationId: string, id: string, givenBy: string | null): Promise<boolean> {
    const [, count]: [unknown, number] = await tx.query(
      `update early_decisions set status = 'cancelled'
       where id = $1 and organization_id = $2 and given_by = $3 and status = 'kept'`,
      [id, organizationId, givenBy],
    );
    return count === 1;
  }

  /** The checkpoint of the iteration; without one, the last that is there. */
  async findThere(
    tx: Transaction,
    executionId: string,
    nodeId: string,
    iteration: number | null,
  ): Promise<{ id: string; status: CheckpointStatus } | null> {
    const rows: { id: string; status: CheckpointStatus }[] = await tx.query(
      `select id, status from checkpoints
       where execution_id = $1 and node_id = $2 and ($3::int is null or iteration = $3)
       order by status = 'open' desc, iteration desc limit 1`,
      [executionId, nodeId, iteration],
    );
    return rows[0] ?? null;
  }
}
