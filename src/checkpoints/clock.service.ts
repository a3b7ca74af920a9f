import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import { CheckpointRepository } from './checkpoint.repository.js';
import type { Checkpoint } from './checkpoint.entity.js';
import { DueCheckpointsService } from './due-checkpoints.service.js';

const EVERY_MS = 1_000;

/** For the commit of what has just been opened with a decision that came early. */
const SOON_MS = 20;

const BATCH = 100;

/** Longer than a database restart takes, so that a checkpoint that cannot be served does not keep others waiting. */
const AFTER_FAILURE_SECONDS = 30;

/**
 * Looks every second, in each worker process, for open checkpoints that time does something to. What is due is read again under
 * the lock, so it does not matter how many look.
 */
@Injectable()
export class ClockService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(ClockService.name);
  private timer: NodeJS.Timeout | undefined;
  private soon: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private stopping = false;

  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: CheckpointRepository,
    private readonly due: DueCheckpointsService,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.settings.HOLDPOINT_ROLES.includes('worker')) return;
    this.timer = setInterval(() => void this.look(), EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearInterval(this.timer);
    clearTimeout(this.soon);
    this.timer = this.soon = undefined;
    await this.looking;
  }

  /** One that is being opened may have something due at once. */
  lookSoon({ next_at, created_at }: Pick<Checkpoint, 'next_at' | 'created_at'>): void {
    if (!this.timer || (next_at !== null && next_at > created_at)) return;
    this.soon ??= setTimeout(() => {
      this.soon = undefined;
      void this.look();
    }, SOON_MS);
  }

  /** Serves all that is due; one pass at a time. */
  look(): Promise<void> {
    this.looking ??= this.serveAll().finally(() => (this.looking = undefined));
    return this.looking;
  }

  private async serveAll(): Promise<void> {
    try {
      for (;;) {
        const timed = await this.transactions.read((tx) => this.repository.listTimed(tx, BATCH));
        for (const one of timed) {
          if (this.stopping) return; // the clock of any process serves the others
          await this.serve(one);
        }
        if (timed.length < BATCH) return;
      }
    } catch (error) {
      this.logger.warn(`could not look for checkpoints that are due; the next look is in a second: ${String(error)}`);
    }
  }

  private async serve({ id, organization_id }: { id: string; organization_id: string }): Promise<void> {
    try {
      await this.due.serve(organization_id, id);
    } catch (error) {
      this.logger.error(`checkpoint ${id} is due and could not be served; again in ${AFTER_FAILURE_SECONDS} s`, error);
      await this.transactions.read((tx) => this.repository.postpone(tx, id, AFTER_FAILURE_SECONDS));
    }
  }
}
