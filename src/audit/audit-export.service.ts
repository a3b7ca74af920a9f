import { Injectable } from '@nestjs/common';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { Actor } from '../platform/http/principal.js';
import type { AuditRecord } from './audit-record.entity.js';
import { AuditRepository } from './audit.repository.js';
import { AuditService } from './audit.service.js';
import { GENESIS_HASH } from './hash-record.js';

/** The first line of an export. `scripts/verify-audit.mjs` knows format and version. */
export interface ExportHeader {
  format: 'holdpoint-audit';
  version: 1;
  organization_id: string;
  exported_at: string;
  from_seq: string;
  to_seq: string;
  /** Hash of the record before the first; 64 zeros where there is none. */
  previous_hash: string;
  /** The end of the chain when the export began. */
  head: { seq: string; hash: string };
}

/** A record as it is hashed, and its hash: the moment as text. */
export type ExportedRecord = Omit<AuditRecord, 'occurred_at'> & { occurred_at: string };

export interface ExportRange {
  from_seq?: string | undefined;
  to_seq?: string | undefined;
}

/** How many records are read at once. */
const BATCH = 500;

@Injectable()
export class AuditExportService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: AuditRepository,
    private readonly audit: AuditService,
  ) {}

  /**
   * Puts the export on record and says what it will hold: the records of the range that are there now.
   * @throws DomainError AUDIT_RANGE_EMPTY when there are none.
   */
  begin(actor: Actor, organizationId: string, { from_seq = '1', to_seq }: ExportRange): Promise<ExportHeader> {
    return this.transactions.run(async (tx) => {
      const { now, ...head } = await this.repository.findEnd(tx, organizationId);
      const last = to_seq !== undefined && BigInt(to_seq) < BigInt(head.seq) ? to_seq : head.seq;
      if (BigInt(from_seq) > BigInt(last)) throw rangeEmpty(head.seq);
      await this.audit.record(tx, actor, {
        organization_id: organizationId,
        action: 'audit.exported',
        subject: { type: 'organization', id: organizationId },
        details: { from_seq, to_seq: last, head_seq: head.seq, head_hash: head.hash },
      });
      const previous_hash = await this.repository.findHash(tx, organizationId, String(BigInt(from_seq) - 1n));
      const range = { from_seq, to_seq: last, previous_hash: previous_hash ?? GENESIS_HASH, head };
      return {
        format: 'holdpoint-audit',
        version: 1,
        organization_id: organizationId,
        exported_at: now.toISOString(),
        ...range,
      };
    });
  }

  /**
   * The header and each record as a line of JSON, some hundred lines at a time, read when they are asked for. No
   * transaction is held meanwhile, and it is one snapshot all the same: records never change, and none is added at or
   * before the head.
   */
  async *lines(header: ExportHeader): AsyncGenerator<string> {
    yield `${JSON.stringify(header)}\n`;
    let at = String(BigInt(header.from_seq) - 1n);
    while (BigInt(at) < BigInt(header.to_seq)) {
      const left = Number(BigInt(header.to_seq) - BigInt(at));
      const { organization_id } = header;
      const records = await this.transactions.read((tx) =>
        this.repository.listAfter(tx, organization_id, at, Math.min(BATCH, left)),
      );
      if (records.length === 0) return; // there is a gap; whoever verifies the export sees it
      at = records.at(-1)?.seq ?? header.to_seq;
      yield records.map((record) => `${JSON.stringify(exported(record))}\n`).join('');
    }
  }

  /** All records of one subject, oldest first, and the end of the chain. Ask `sizeOf` before. */
  async ofSubject(tx: Transaction, organizationId: string, subject: { type: string; id: string }) {
    const records = await this.repository.listOfSubject(tx, organizationId, subject);
    const { now, ...head } = await this.repository.findEnd(tx, organizationId);
    return { records: records.map(exported), head, now };
  }

  /** About how many bytes of JSON the records of one subject are. */
  sizeOf(tx: Transaction, organizationId: string, subject: { type: string; id: string }): Promise<number> {
    return this.repository.sizeOfSubject(tx, organizationId, subject);
  }
}

function exported({ occurred_at, ...record }: AuditRecord): ExportedRecord {
  return { ...record, occurred_at: occurred_at.toISOString() };
}

function rangeEmpty(end: string): DomainError {
  const message = `There is no record in this range: they are numbered from 1 to ${end} now. Ask for some of these.`;
  return new DomainError('invalid', 'AUDIT_RANGE_EMPTY', message);
}
