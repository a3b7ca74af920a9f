import { Injectable } from '@nestjs/common';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import { AuditRecord } from './audit-record.entity.js';
import { GENESIS_HASH } from './hash-record.js';

export interface ChainEnd {
  seq: string;
  hash: string;
  /** Database time, cut to milliseconds: what is hashed must survive the way through a `Date`. */
  now: Date;
}

@Injectable()
export class AuditRepository {
  /** Locks the end of the chain until the transaction ends, so that records are numbered in commit order. */
  async lockEnd(tx: Transaction, organizationId: string): Promise<ChainEnd> {
    const end = (await this.findAndLockEnd(tx, organizationId)) ?? (await this.beginChain(tx, organizationId));
    if (!end) throw new Error(`the audit chain of organization ${organizationId} has no end`);
    return end;
  }

  /** The record and the new end of the chain in one statement: the end is locked, and others wait for it. */
  async append(tx: Transaction, record: AuditRecord): Promise<void> {
    await runPrepared(tx, 'append_audit_record', APPEND, [JSON.stringify(record)]);
  }

  private async beginChain(tx: Transaction, organizationId: string): Promise<ChainEnd | undefined> {
    await tx.query('insert into audit_heads (organization_id, seq, hash) values ($1, 0, $2) on conflict do nothing', [
      organizationId,
      GENESIS_HASH,
    ]);
    return this.findAndLockEnd(tx, organizationId);
  }

  private async findAndLockEnd(tx: Transaction, organizationId: string): Promise<ChainEnd | undefined> {
    const text = `select seq, hash, date_trunc('milliseconds', clock_timestamp()) as now
                  from audit_heads where organization_id = $1 for update`;
    return (await runPrepared<ChainEnd>(tx, 'lock_audit_end', text, [organizationId])).rows[0];
  }

  async findEnd(tx: Transaction, organizationId: string): Promise<{ seq: string; hash: string }> {
    const rows: { seq: string; hash: string }[] = await tx.query(
      'select seq, hash from audit_heads where organization_id = $1',
      [organizationId],
    );
    return rows[0] ?? { seq: '0', hash: GENESIS_HASH };
  }

  /** Newest first. */
  list(tx: Transaction, filter: ListFilter): Promise<AuditRecord[]> {
    const query = tx
      .createQueryBuilder(AuditRecord, 'record')
      .where('record.organization_id = :organization', { organization: filter.organization_id })
      .orderBy('record.seq', 'DESC')
      .limit(filter.limit);
    if (filter.before !== undefined) query.andWhere('record.seq < :before', { before: filter.before });
    if (filter.subject_type) query.andWhere('record.subject_type = :type', { type: filter.subject_type });
    if (filter.subject_id) query.andWhere('record.subject_id = :id', { id: filter.subject_id });
    return query.getMany();
  }

  /** Oldest first, from just after `seq`. */
  listAfter(tx: Transaction, organizationId: string, seq: string, limit: number): Promise<AuditRecord[]> {
    return tx
      .createQueryBuilder(AuditRecord, 'record')
      .where('record.organization_id = :organizationId AND record.seq > :seq', { organizationId, seq })
      .orderBy('record.seq', 'ASC')
      .limit(limit)
      .getMany();
  }
}

export interface ListFilter {
  organization_id: string;
  limit: number;
  before?: string | undefined;
  subject_type?: string | undefined;
  subject_id?: string | undefined;
}

const APPEND = `
  with record as (
    insert into audit_records
    select * from json_populate_record(null::audit_records, $1::json)
    returning organization_id, seq, hash
  )
  update audit_heads h set seq = record.seq, hash = record.hash
  from record where h.organization_id = record.organization_id`;
