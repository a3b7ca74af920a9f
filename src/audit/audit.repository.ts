import { Injectable } from '@nestjs/common';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import { AuditRecord } from './audit-record.entity.js';
import { GENESIS_HASH } from './hash-record.js';

export interface ChainEnd {
  seq: string;
  hash: string;
  /** The moment by the database, whole milliseconds. */
  now: Date;
}

@Injectable()
export class AuditRepository {
  /** The record and the new end of the chain, by the function of the migrations; the end stays locked until the commit. */
  async append(tx: Transaction, record: object): Promise<void> {
    const text = `select append_audit_record($1::json, '{}')`;
    await runPrepared(tx, 'append_audit_record', text, [JSON.stringify(record)]);
  }

  /** Without a lock; of an organization without records the end before the first. */
  async findEnd(tx: Transaction, organizationId: string): Promise<ChainEnd> {
    const rows: ChainEnd[] = await tx.query(
      `select coalesce(h.seq, 0) as seq, coalesce(h.hash, $2) as hash, date_trunc('milliseconds', clock_timestamp()) as now
       from (values (1)) as one left join audit_heads h on h.organization_id = $1`,
      [organizationId, GENESIS_HASH],
    );
    const [end] = rows;
    if (!end) throw new Error('a left join of one row gave none');
    return end;
  }

  async findHash(tx: Transaction, organizationId: string, seq: string): Promise<string | null> {
    const record = await tx.findOne(AuditRecord, {
      select: { organization_id: true, seq: true, hash: true },
      where: { organization_id: organizationId, seq },
    });
    return record?.hash ?? null;
  }

  /** Oldest first, all of them. */
  listOfSubject(tx: Transaction, organizationId: string, { type, id }: Subject): Promise<AuditRecord[]> {
    return tx.find(AuditRecord, {
      where: { organization_id: organizationId, subject_type: type, subject_id: id },
      order: { seq: 'ASC' },
    });
  }

  /** Of the JSON of these records, in bytes, about. */
  async sizeOfSubject(tx: Transaction, organizationId: string, { type, id }: Subject): Promise<number> {
    const [row]: { bytes: string }[] = await tx.query(
      `select coalesce(sum(octet_length(details::text) + 800), 0) as bytes from audit_records
       where organization_id = $1 and subject_type = $2 and subject_id = $3`,
      [organizationId, type, id],
    );
    return Number(row?.bytes ?? 0);
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

interface Subject {
  type: string;
  id: string;
}

export interface ListFilter {
  organization_id: string;
  limit: number;
  before?: string | undefined;
  subject_type?: string | undefined;
  subject_id?: string | undefined;
}
