import type { Logger } from '@nestjs/common';
import type { JobResult, JobWithMetadata, PgBoss } from 'pg-boss';
import { HopelessJob, type JobHandler, type QueueOptions } from './queue.js';

/** How often each taker looks where nobody calls; the least that pg-boss admits. */
const LOOK_SECONDS = 0.5;

/** Where commits call: for jobs that become due later, and calls that got lost. */
const LOOK_BESIDE_CALLS_SECONDS = 2;

/** How often jobs of processes that are gone are looked for. With the heartbeat, they go on within about 15 s. */
const SUPERVISE_SECONDS = 5;

/** How often finished jobs are deleted. */
const DELETE_SECONDS = 3_600;

/** How long jobs under way may take when the process stops; then others try them again. */
const DRAIN_MS = 4_000;

/** And the connections after that, when the database does not answer. */
const CLOSE_MS = 2_000;

/** While the database is away every taker says so twice a second. */
const SAY_AGAIN_MS = 10_000;

/** Two connections at most: one for statements, one that listens. They must not go through a transaction-mode pooler. */
const CONNECTIONS = { max: 1, query_timeout: 30_000, keepAlive: true, options: '-c statement_timeout=30000' };

export interface Work {
  options: QueueOptions;
  handler: JobHandler;
}

/** Takes jobs and runs their handlers. It looks after itself: what goes wrong is in the log, and it goes on. */
export class JobTaker {
  private closing = false;

  private constructor(
    private readonly boss: PgBoss,
    private readonly queues: readonly string[],
  ) {}

  /** @throws when the database cannot be reached or has another schema than pg-boss wants. */
  static async open(url: string, work: ReadonlyMap<string, Work>, logger: Logger): Promise<JobTaker> {
    const { PgBoss: Boss } = await import('pg-boss');
    const boss = new Boss({
      ...CONNECTIONS,
      connectionString: url,
      application_name: 'holdpoint jobs',
      schema: 'pgboss',
      // None of these would work without the right to change the schema.
      migrate: false,
      createSchema: false,
      reindex: false,
      schedule: false,
      monitorVacuum: false,
      useListenNotify: true,
      superviseIntervalSeconds: SUPERVISE_SECONDS,
      monitorIntervalSeconds: SUPERVISE_SECONDS,
      maintenanceIntervalSeconds: DELETE_SECONDS,
    });
    const say = sparingly((message) => logger.warn(message));
    const taker = new JobTaker(boss, [...work.keys()]);
    boss.on('error', ({ message }) => taker.closing || say(`the queue of jobs has a problem and goes on: ${message}`));
    boss.on('warning', ({ message }) => say(`the queue of jobs warns: ${message}`));
    try {
      await boss.start();
      for (const [name, what] of work) await taker.take(name, what, logger);
    } catch (error) {
      await boss.stop({ graceful: false });
      throw error;
    }
    return taker;
  }

  /** Takes nothing more, and gives back what is not done in time. */
  async close(): Promise<void> {
    this.closing = true;
    const done = Promise.all(this.queues.map((queue) => this.boss.offWork(queue)));
    await Promise.race([done, after(DRAIN_MS)]);
    await Promise.race([this.boss.stop({ graceful: false }), after(CLOSE_MS)]);
  }

  private async take(queue: string, { options, handler }: Work, logger: Logger): Promise<void> {
    const look = options.notify ? LOOK_BESIDE_CALLS_SECONDS : LOOK_SECONDS;
    const how = {
      batchSize: options.batch,
      localConcurrency: options.takers,
      pollingIntervalSeconds: look,
      notifyPollingIntervalSeconds: look,
      burstWhenBatchFull: true,
      includeMetadata: true,
      perJobResults: true,
    } as const;
    await this.boss.work(queue, how, (jobs: JobWithMetadata[]) =>
      Promise.all(jobs.map((job) => run(queue, handler, job, logger))),
    );
  }
}

/** A job ends by itself: others of its batch are none of its business. */
async function run(queue: string, handler: JobHandler, job: JobWithMetadata, logger: Logger): Promise<JobResult> {
  const { id, data, createdOn, signal, retryCount, retryLimit } = job;
  try {
    await handler({ id, data, created_at: createdOn, signal });
    return { id, status: 'completed' };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const hopeless = error instanceof HopelessJob || retryCount >= retryLimit;
    const outlook = hopeless ? 'it is not tried again' : 'it is tried again later';
    logger.warn(`job ${id} of ${queue} failed, ${outlook}: ${message}`);
    return { id, status: error instanceof HopelessJob ? 'deadletter' : 'failed', output: { message } };
  }
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}

function sparingly(say: (message: string) => void): (message: string) => void {
  let last = -Infinity;
  return (message) => {
    if (performance.now() - last < SAY_AGAIN_MS) return;
    last = performance.now();
    say(message);
  };
}
