import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import { CheckpointEvent } from './checkpoint-event.entity.js';
import { Checkpoint } from './checkpoint.entity.js';
import { Decision } from './decision.entity.js';

/** Reads of the record of a checkpoint; it is written elsewhere. */
@Injectable()
export class EvidenceRepository {
  /** @throws not found, also for a checkpoint of another organization. */
  async getLength(tx: Transaction, organizationId: string, id: string): Promise<number> {
    const [row]: { history_length: number }[] = await tx.query(
      'select history_length from checkpoints where id = $1 and organization_id = $2',
      [id, organizationId],
    );
    if (!row) throw notFound('checkpoint', id);
    return row.history_length;
  }

  /** @throws not found, also for a checkpoint of another organization. */
  async get(tx: Transaction, organizationId: string, id: string): Promise<Checkpoint> {
    const checkpoint = await tx.findOneBy(Checkpoint, { id, organization_id: organizationId });
    if (!checkpoint) throw notFound('checkpoint', id);
    return checkpoint;
  }

  /** Oldest first, from just after `seq`: at most `limit`, and no more than fit into `bytes`, but always one. */
  listEvents(tx: Transaction, id: string, seq: number, limit: number, bytes: number): Promise<CheckpointEvent[]> {
    return tx.query(
      `select checkpoint_id, seq, type, occurred_at, actor, data, previous_hash, hash
       from (select e.*, row_number() over by_seq as place, sum(octet_length(data::text)) over by_seq as total
             from (select * from checkpoint_events where checkpoint_id = $1 and seq > $2 order by seq limit $3) e
             window by_seq as (order by seq)) e
       where place = 1 or total <= $4
       order by seq`,
      [id, seq, limit, bytes],
    );
  }

  listAllEvents(tx: Transaction, id: string): Promise<CheckpointEvent[]> {
    return tx.find(CheckpointEvent, { where: { checkpoint_id: id }, order: { seq: 'ASC' } });
  }

  listDecisions(tx: Transaction, id: string): Promise<Decision[]> {
    return tx.find(Decision, { where: { checkpoint_id: id }, order: { id: 'ASC' } });
  }

  /** Of the JSON of a checkpoint, its decisions and events, in bytes, about. */
  async sizeOf(tx: Transaction, id: string): Promise<number> {
    const [row]: { bytes: string }[] = await tx.query(SIZE, [id]);
    return Number(row?.bytes ?? 0);
  }
}

/** What a row has beside the values that may be large is less than 800 bytes. */
const SIZE = `
  select coalesce(sum(bytes), 0) as bytes from (
    select octet_length(concat(content, original_content, schema, policy, title, instructions)) + 800 as bytes
    from checkpoints where id = $1
    union all
    select octet_length(concat(edited_content, patch)) + 800 from decisions where checkpoint_id = $1
    union all
    select octet_length(concat(actor, data)) + 800 from checkpoint_events where checkpoint_id = $1
  ) as rows`;
