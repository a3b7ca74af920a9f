import { Injectable } from '@nestjs/common';
import { AuditExportService, type ExportedRecord } from '../audit/audit-export.service.js';
import { AuditService } from '../audit/audit.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import type { CheckpointEvent, EventActor } from './checkpoint-event.entity.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { Decision } from './decision.entity.js';
import { EvidenceRepository } from './evidence.repository.js';

/** Everything that the record has of one checkpoint; `scripts/verify-audit.mjs` knows format and version. */
export interface Evidence {
  format: 'holdpoint-evidence';
  version: 1;
  exported_at: Date;
  organization_id: string;
  checkpoint: Pick<Checkpoint, (typeof CHECKPOINT_FIELDS)[number]>;
  decisions: Pick<Decision, (typeof DECISION_FIELDS)[number]>[];
  events: CheckpointEvent[];
  audit_records: ExportedRecord[];
  /** The end of the organization's chain at the time. */
  audit_head: { seq: string; hash: string };
}

/** Only what hashes vouch for, so that nothing in the file has to be believed. */
export const CHECKPOINT_FIELDS = [
  'id',
  'execution_id',
  'workflow_id',
  'version',
  'node_id',
  'iteration',
  'round',
  'status',
  'action',
  'title',
  'instructions',
  'schema',
  'policy',
  'original_content',
  'content',
  'history_length',
  'history_hash',
] as const satisfies readonly (keyof Checkpoint)[];

/** Who decided, when, how and with which comment is in the event that names the decision. */
export const DECISION_FIELDS = [
  'id',
  'action',
  'content_hash',
  'result_hash',
  'patch',
  'edited_content',
  'void_reason',
] as const satisfies readonly (keyof Decision)[];

/** Of stored JSON: a file is made, and can be verified, as a whole in memory. */
export const MAX_EVIDENCE_BYTES = 32 * 1024 * 1024;

/** Of the data of events, in one page of the history. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

@Injectable()
export class EvidenceService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: EvidenceRepository,
    private readonly audit: AuditService,
    private readonly auditExport: AuditExportService,
  ) {}

  /** Events oldest first. A page may be shorter than `limit`; `next_after` is null when it has the newest. */
  history(principal: Principal, id: string, { after, limit }: { after: number; limit: number }) {
    return this.transactions.read(async (tx) => {
      const length = await this.repository.getLength(tx, principal.organization_id, id);
      const events = await this.repository.listEvents(tx, id, after, limit, MAX_PAGE_BYTES);
      const last = events.at(-1);
      const data = principal.permissions.has('audit:read') ? events : events.map(withoutOrigin);
      return { data, next_after: last && last.seq < length ? last.seq : null };
    });
  }

  /**
   * Reads the whole record of a checkpoint in one snapshot, and puts that on record before it is given out.
   * @throws DomainError EVIDENCE_TOO_LARGE above 32 MiB of stored JSON.
   */
  async export(actor: Actor, organizationId: string, id: string): Promise<Evidence> {
    const evidence = await this.transactions.run(async (tx) => {
      await tx.query('set transaction isolation level repeatable read, read only');
      return this.collect(tx, organizationId, id);
    });
    const { history_length, history_hash } = evidence.checkpoint;
    await this.transactions.run((tx) =>
      this.audit.record(tx, actor, {
        organization_id: organizationId,
        action: 'checkpoint.evidence_exported',
        subject: { type: 'checkpoint', id },
        details: { history_seq: history_length, history_hash },
      }),
    );
    return evidence;
  }

  private async collect(tx: Transaction, organizationId: string, id: string): Promise<Evidence> {
    const subject = { type: 'checkpoint', id };
    await this.repository.getLength(tx, organizationId, id);
    const records = await this.auditExport.sizeOf(tx, organizationId, subject);
    if (records + (await this.repository.sizeOf(tx, id)) > MAX_EVIDENCE_BYTES) throw tooLarge();
    const checkpoint = await this.repository.get(tx, organizationId, id);
    const decisions = await this.repository.listDecisions(tx, id);
    const events = await this.repository.listAllEvents(tx, id);
    const audit = await this.auditExport.ofSubject(tx, organizationId, subject);
    return {
      format: 'holdpoint-evidence',
      version: 1,
      exported_at: audit.now,
      organization_id: organizationId,
      checkpoint: pick(checkpoint, CHECKPOINT_FIELDS),
      decisions: decisions.map((decision) => pick(decision, DECISION_FIELDS)),
      events,
      audit_records: audit.records,
      audit_head: audit.head,
    };
  }
}

/** From where people work is for those who read the audit record. */
function withoutOrigin(event: CheckpointEvent): object {
  const { user_id, name, via, request_id }: EventActor = event.actor;
  return { ...event, actor: { user_id, name, via, request_id } };
}

function pick<T, K extends keyof T>(value: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, value[key]])) as Pick<T, K>;
}

function tooLarge(): DomainError {
  const message =
    'The record of this checkpoint is larger than one file of evidence may be. Read its events from history, page by page, and its audit records from /api/audit/export.';
  return new DomainError('too_large', 'EVIDENCE_TOO_LARGE', message);
}
