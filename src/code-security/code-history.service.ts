import { Injectable } from '@nestjs/common';
import { AuditService } from '../audit/audit.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import {
  type CodeRunFilter,
  type CodeRunOwner,
  CodeRunRepository,
  type CodeRunWithStatus,
} from './code-run.repository.js';
import type { CodeJob, CodeResult } from './sandbox/sandbox-driver.js';

/** A run that somebody asks for. */
export interface AskedRun {
  id: string;
  principal: Principal;
  actor: Actor;
  job: CodeJob;
  /** The hash, not the code: it proves what ran without keeping what may be secret. */
  code_sha256: string;
}

/** Of old runs in one transaction. */
const BATCH = 1_000;

/** What people ran through the API. Each has a row from the moment it has a place, and a record at its end. */
@Injectable()
export class CodeHistoryService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: CodeRunRepository,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
  ) {}

  begin({ id, principal, job, code_sha256 }: AskedRun, queued_seconds: number, driver: string): Promise<void> {
    const { organization_id, user_id, api_key_id } = principal;
    const { language, timeoutSeconds: timeout_seconds, maxMemoryMb: max_memory_mb } = job;
    const asked = { language, code_sha256, timeout_seconds, max_memory_mb };
    const row = { id, organization_id, user_id, api_key_id, ...asked, queued_seconds, driver };
    return this.transactions.run((tx) => this.repository.insert(tx, row));
  }

  end(run: AskedRun, queued_seconds: number, result: CodeResult): Promise<void> {
    const { outcome, error_type, execution_time, memory_used_mb, isolation } = result;
    const details = { outcome, error_type, queued_seconds, execution_time, memory_used_mb, driver: isolation.driver };
    return this.transactions.run(async (tx) => {
      await this.repository.end(tx, run.id, result);
      await this.record(tx, 'code.executed', run, details);
    });
  }

  /** Of one that did not run, whatever the reason; it has no place in the history, also if it had got one already. */
  refuse(run: AskedRun, reason: string): Promise<void> {
    return this.transactions.run(async (tx) => {
      await this.repository.remove(tx, run.id);
      await this.record(tx, 'code.refused', run, { reason });
    });
  }

  /** @throws not found, also for somebody else's. */
  get(owner: CodeRunOwner, id: string): Promise<CodeRunWithStatus> {
    return this.transactions.read((tx) => this.repository.get(tx, owner, id));
  }

  /** Newest first. */
  async list({ cursor, ...wanted }: Omit<CodeRunFilter, 'before'> & { cursor?: string | undefined }) {
    const list = `code_runs:${wanted.organization_id}:${wanted.user_id}:${wanted.status ?? ''}`;
    const before = this.cursors.decode(list, cursor);
    const filter = { ...wanted, before, limit: wanted.limit + 1 };
    const rows = await this.transactions.read((tx) => this.repository.list(tx, filter));
    return this.cursors.page(list, rows, wanted.limit, ({ id }) => id);
  }

  /** Deletes runs that began so many days ago. Several processes may do this at once. Answers how many are gone. */
  async deleteOld(days: number): Promise<number> {
    let deleted = 0;
    for (;;) {
      const count = await this.transactions.run((tx) => this.repository.deleteOld(tx, days, BATCH));
      deleted += count;
      if (count < BATCH) return deleted;
    }
  }

  private record(tx: Transaction, action: string, run: AskedRun, more: Record<string, unknown>): Promise<void> {
    const { id, principal, actor, job, code_sha256 } = run;
    const { language, timeoutSeconds: timeout, maxMemoryMb: max_memory_mb } = job;
    return this.audit.record(tx, actor, {
      organization_id: principal.organization_id,
      action,
      subject: { type: 'code_run', id },
      details: { language, code_sha256, timeout, max_memory_mb, ...more },
    });
  }
}
