import { Injectable } from '@nestjs/common';
import { AuditService, type PreparedRecord } from '../audit/audit.service.js';
import { Settings } from '../config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import type { Actor } from '../platform/http/principal.js';
import type { Execution } from './execution.entity.js';
import { LocalWorker } from './local-worker.js';
import { TurnRepository, type StartedExecution, type NewExecutionRow } from './turn.repository.js';
import { WakeUps } from './wake-ups.js';

interface Pending {
  row: Omit<NewExecutionRow, 'worker' | 'lease' | 'audit'>;
  actor: Actor;
  resolve: (execution: Execution | null) => void;
  reject: (error: unknown) => void;
}

const BATCH = 100;

/**
 * Starts of executions that need nothing but their rows, each with its audit record, in one round trip. Those that come
 * while one is under way share the next: the end of an organization's audit chain is locked by one at a time anyway. With a
 * free worker in this process they are stored as claimed by it, and begin as soon as they are stored.
 */
@Injectable()
export class QuickStarts {
  private pending: Pending[] = [];
  private underWay = false;

  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: TurnRepository,
    private readonly audit: AuditService,
    private readonly worker: LocalWorker,
    private readonly wakeUps: WakeUps,
  ) {}

  /** Null when the workflow cannot be started like this: it is not there, not active, or has no such version. */
  start(row: Pending['row'], actor: Actor): Promise<Execution | null> {
    return new Promise((resolve, reject) => {
      this.pending.push({ row, actor, resolve, reject });
      void this.flush();
    });
  }

  private async flush(): Promise<void> {
    if (this.underWay) return;
    this.underWay = true;
    // Everything that is started in this turn of the event loop goes together.
    await Promise.resolve();
    try {
      for (let batch = this.pending.splice(0, BATCH); batch.length > 0; batch = this.pending.splice(0, BATCH)) {
        await this.write(batch);
      }
    } finally {
      this.underWay = false;
    }
  }

  private async write(batch: Pending[]): Promise<void> {
    const lease = this.settings.WORKER_LEASE_SECONDS;
    const records = batch.map(({ row, actor }) => ({ ...row, lease, audit: this.recordOf(row, actor) }));
    const rows = records.map((record) => ({ ...record, worker: this.worker.reserve() ?? null }));
    let started = new Map<string, StartedExecution>();
    try {
      const made = await this.transactions.read((tx) => this.repository.startExecutions(tx, inLockOrder(rows)));
      started = new Map(made.map((execution) => [execution.id, execution]));
      for (const { row, resolve } of batch) resolve(started.get(row.id) ?? null);
    } catch (error) {
      // One that cannot be written must not take its neighbours with it.
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const one of batch) await this.write([one]);
    } finally {
      for (const { id, worker } of rows) this.goOn(worker, started.get(id));
    }
  }

  private goOn(worker: number | null, started: StartedExecution | undefined): void {
    if (worker !== null && started) this.worker.take(started, []);
    else if (worker !== null) this.worker.giveBack();
    else if (started) this.wakeUps.wake(started.id);
  }

  private recordOf({ id, organization_id, workflow_id }: Pending['row'], actor: Actor): PreparedRecord {
    const subject = { type: 'execution', id };
    const entry = { organization_id, action: 'execution.started', subject, details: { workflow_id } };
    return this.audit.prepare(actor, entry, ['version']);
  }
}

/** Two processes that start for the same organizations lock the ends of their chains in the same order. */
function inLockOrder(rows: readonly NewExecutionRow[]): NewExecutionRow[] {
  return rows.toSorted((a, b) => (a.organization_id < b.organization_id ? -1 : 1));
}
