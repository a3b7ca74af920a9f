import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { canonicalJson } from '../platform/hashing/canonical-json.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import type { Actor } from '../platform/http/principal.js';
import type { AuditRecord } from './audit-record.entity.js';
import { AuditRepository, type ListFilter } from './audit.repository.js';
import { GENESIS_HASH, hashRecord } from './hash-record.js';

export interface Entry {
  organization_id: string;
  /** `subject.verb` in the past tense: `workflow.created`. */
  action: string;
  subject: { type: string; id: string };
  details?: Record<string, unknown>;
}

export type PreparedRecord = Omit<AuditRecord, 'seq' | 'occurred_at' | 'previous_hash' | 'hash'> & {
  canonical: string;
  token: string;
};

export interface Verification {
  intact: boolean;
  /** How many records were read. */
  records: number;
  /** Hash of the last record; keep it elsewhere to prove later that nothing was cut off. */
  head_hash: string;
  /** The first record that does not fit, and why. */
  broken_at: { seq: string; reason: string } | null;
}

const BATCH = 1_000;

@Injectable()
export class AuditService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: AuditRepository,
    private readonly cursors: SignedCursor,
  ) {}

  /**
   * Adds to the organization's chain, in the caller's transaction: the act and its record are there together or not at
   * all. Call it last: the end of the chain stays locked until the commit.
   */
  async record(tx: Transaction, actor: Actor, entry: Entry): Promise<void> {
    await this.repository.append(tx, this.prepare(actor, entry, []));
  }

  /**
   * A record for a statement that adds it by `append_audit_record` (see the migrations). Members of `details` named in
   * `unknown` are given by that statement; they are whole numbers or texts.
   */
  prepare(actor: Actor, entry: Entry, unknown: readonly string[]): PreparedRecord {
    const token = randomUUID(); // nobody who has a word in the record can guess it
    const placeholders = Object.fromEntries(unknown.map((key) => [key, token + key]));
    const { organization_id, action, subject, details = {} } = entry;
    const record = {
      organization_id,
      action,
      actor_type: actor.type,
      actor_id: actor.id,
      subject_type: subject.type,
      subject_id: subject.id,
      request_id: actor.request_id,
      address: actor.address,
      user_agent: actor.user_agent,
    };
    const toCome = { seq: `${token}seq`, occurred_at: `${token}occurred_at`, previous_hash: `${token}previous_hash` };
    const canonical = canonicalJson({ ...record, ...toCome, details: { ...details, ...placeholders } });
    return { ...record, details, canonical, token };
  }

  async list(filter: Omit<ListFilter, 'before'> & { cursor?: string | undefined }) {
    const list = `audit:${filter.organization_id}`;
    const before = this.cursors.decode(list, filter.cursor);
    const rows = await this.transactions.read((tx) =>
      this.repository.list(tx, { ...filter, before, limit: filter.limit + 1 }),
    );
    return this.cursors.page(list, rows, filter.limit, (record) => record.seq);
  }

  /** Recomputes the whole chain from its rows and compares it with the stored hashes and the stored end. */
  async verify(organizationId: string): Promise<Verification> {
    return this.transactions.run(async (tx) => {
      await tx.query('set transaction isolation level repeatable read, read only');
      const end = await this.repository.findEnd(tx, organizationId);
      let at = { seq: '0', hash: GENESIS_HASH };
      for (;;) {
        const records = await this.repository.listAfter(tx, organizationId, at.seq, BATCH);
        for (const record of records) {
          const reason = misfit(at, record);
          if (reason) return report(at, { seq: record.seq, reason });
          at = { seq: record.seq, hash: record.hash };
        }
        if (records.length < BATCH) break;
      }
      const cutOff =
        end.seq === at.seq && end.hash === at.hash ? null : { seq: end.seq, reason: 'records are missing at the end' };
      return report(at, cutOff);
    });
  }
}

function misfit(before: { seq: string; hash: string }, record: AuditRecord): string | undefined {
  if (BigInt(record.seq) !== BigInt(before.seq) + 1n) return 'a record before it is missing';
  if (record.previous_hash !== before.hash) return 'it does not name the record before it';
  if (hashRecord(record) !== record.hash) return 'its content does not match its hash';
  return undefined;
}

function report(at: { seq: string; hash: string }, broken: Verification['broken_at']): Verification {
  return { intact: broken === null, records: Number(at.seq), head_hash: at.hash, broken_at: broken };
}
