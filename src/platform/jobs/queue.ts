/** How the jobs of a queue are taken, and tried again when they fail. */
export interface QueueOptions {
  /** Tries after the first; then the job has failed and is kept for JOB_RETENTION_DAYS. */
  retries: number;
  /** Before the first retry; each wait is about twice the one before, up to `retryDelayMaxSeconds`. */
  retryDelaySeconds: number;
  retryDelayMaxSeconds: number;
  /** How long one try may take. */
  timeoutSeconds: number;
  /** How many are taken at once by one of the takers; the next are taken when the last of them is done. */
  batch: number;
  /** How many take batches beside each other, in each process. */
  takers: number;
  /**
   * Calls workers at the commit that sends a job. Such commits wait for each other, database-wide (NOTIFY), so leave it off
   * where jobs are sent by what has to be quick: they are found within half a second.
   */
  notify: boolean;
}

export interface NewJob<Data extends object = object> {
  /** With an id, a job that is there already is not sent again, whatever has become of it. */
  id?: string;
  data: Data;
  /** The soonest moment from now. */
  delaySeconds?: number;
}

export interface Job<Data extends object = object> {
  /** The same for every try. */
  id: string;
  data: Data;
  /** When it was sent, by the clock of the database. */
  created_at: Date;
  /** Aborted when the job is no longer this process's: it stops, or the time is over. */
  signal: AbortSignal;
}

export type JobHandler<Data extends object = object> = (job: Job<Data>) => Promise<void>;

/** Thrown by a handler: no other try will go better. */
export class HopelessJob extends Error {}
