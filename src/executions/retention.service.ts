import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CodeHistoryService } from '../code-security/code-history.service.js';
import { Settings } from '../config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import { ExecutionRepository } from './execution.repository.js';

const EVERY_MS = 60_000;

/** Of executions in one transaction, so that none holds locks for long. */
const BATCH = 100;

/**
 * Deletes what is only kept for some days: executions that ended, with all below and beside them, and the history of runs
 * of code. Audit records stay.
 */
@Injectable()
export class RetentionService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(RetentionService.name);
  private timer: NodeJS.Timeout | undefined;
  private running = false;

  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: ExecutionRepository,
    private readonly codeHistory: CodeHistoryService,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.settings.HOLDPOINT_ROLES.includes('worker')) return;
    this.timer = setInterval(() => void this.clean(), EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Several processes may do this at once; each takes other rows. Answers how many executions are gone. */
  async deleteOld(days: number): Promise<number> {
    let deleted = 0;
    for (;;) {
      const count = await this.transactions.run((tx) => this.repository.deleteEnded(tx, days, BATCH));
      deleted += count;
      if (count < BATCH) return deleted;
    }
  }

  private async clean(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      const { EXECUTION_RETENTION_DAYS: ofExecutions, CODE_RUN_RETENTION_DAYS: ofCodeRuns } = this.settings;
      if (ofExecutions > 0) await this.cleanExecutions(ofExecutions);
      if (ofCodeRuns > 0) await this.codeHistory.deleteOld(ofCodeRuns);
    } catch (error) {
      this.logger.warn(`could not delete what is old: ${String(error)}`);
    }
    this.running = false;
  }

  private async cleanExecutions(days: number): Promise<void> {
    const deleted = await this.deleteOld(days);
    await this.transactions.run((tx) => this.repository.deleteForgottenSignals(tx, days));
    if (deleted > 0) this.logger.log(`deleted ${deleted} executions that had ended long ago`);
  }
}
