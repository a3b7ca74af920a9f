import { Injectable } from '@nestjs/common';
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
    await tx.query('insert into audit_heads (organization_id, seq, hash) values ($1, 0, $2) on conflict do nothing', [
      organizationId,
      GENESIS_HASH,
    ]);
    const rows: ChainEnd[] = await tx.query(
      `select seq, hash, date_trunc('milliseconds', clock_timestamp()) as now
       from audit_heads where organization_id = $1 for update`,
      [organizationId],
    );
    const [end] = rows;
    if (!end) throw new Error(`the audit chain of organization ${organizationId} has no end`);
    return end;
  }

  async append(tx: Transaction, record: AuditRecord): Promise<void> {
    await tx.insert(AuditRecord, record as never);
    await tx.query('update audit_heads set seq = $2, hash = $3 where organization_id = $1', [
      record.organization_id,
      record.seq,
      record.hash,
    ]);
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
