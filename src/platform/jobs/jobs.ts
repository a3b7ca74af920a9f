import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import type { Transaction } from '../database/transactions.js';
import { JobSender } from './job-sender.js';
import { JobTaker, type Work } from './job-taker.js';
import type { JobHandler, NewJob, QueueOptions } from './queue.js';

/** Between two attempts to begin taking jobs. */
const RETRY_MS = 1_000;

/**
 * Background work that is not an execution. What is sent is there with the transaction that sends it, or not at all, and
 * is done at least once: handlers bear being run again with the same job.
 */
@Injectable()
export class Jobs implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(Jobs.name);
  private readonly works = new Map<string, Work>();
  private sender: Promise<JobSender> | undefined;
  private begun: Promise<JobTaker | undefined> = Promise.resolve(undefined);
  private readonly stopping = new AbortController();

  constructor(private readonly settings: Settings) {}

  /** What to do with the jobs of a queue, in processes with the role worker. Call it in `onModuleInit`. */
  work<Data extends object>(queue: string, handler: JobHandler<Data>, options: QueueOptions): void {
    this.works.set(queue, { options, handler: handler as unknown as JobHandler });
  }

  /** One statement in the caller's transaction, for any number of jobs; none for none. */
  async send(tx: Transaction, queue: string, ...jobs: NewJob[]): Promise<void> {
    if (jobs.length === 0) return;
    const sender = await this.ready();
    await sender.send(tx, queue, jobs);
  }

  /** Not waited for: nobody who starts the product should wait for its mail. */
  onApplicationBootstrap(): void {
    this.begun = this.begin();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    const taker = await this.begun;
    await taker?.close().catch((error: unknown) => this.logger.warn(`could not stop taking jobs: ${String(error)}`));
  }

  private async begin(): Promise<JobTaker | undefined> {
    while (this.works.size > 0 && !this.stopping.signal.aborted) {
      try {
        await this.ready();
        if (!this.settings.HOLDPOINT_ROLES.includes('worker')) return undefined;
        return await JobTaker.open(this.settings.DATABASE_URL, this.works, this.logger);
      } catch (error) {
        this.logger.warn(`cannot take jobs yet and tries again: ${String(error)}`);
        await sleep(RETRY_MS, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  /** Opened once; after a failure the next call tries again. */
  private ready(): Promise<JobSender> {
    this.sender ??= this.open().catch((error: unknown) => {
      this.sender = undefined;
      throw error;
    });
    return this.sender;
  }

  private open(): Promise<JobSender> {
    const queues = new Map([...this.works].map(([name, { options }]) => [name, options]));
    return JobSender.open(this.settings.DATABASE_URL, queues, this.settings.JOB_RETENTION_DAYS);
  }
}
