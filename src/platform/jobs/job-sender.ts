import pg from 'pg';
import type { Db, PgBoss } from 'pg-boss';
import { runPrepared } from '../database/run-prepared.js';
import { storable } from '../database/storable.js';
import type { Transaction } from '../database/transactions.js';
import type { NewJob, QueueOptions } from './queue.js';

/** Missed for so long, a job belongs to nobody and is tried again. The least that pg-boss admits. */
const HEARTBEAT_SECONDS = 10;

/** A job that nobody took in this time is deleted: what it would tell is of no use any more. */
const WAITING_SECONDS = 90 * 86_400;

const CONNECTION = { application_name: 'holdpoint jobs', connectionTimeoutMillis: 10_000, query_timeout: 30_000 };

/** Puts jobs into the queue in transactions of ours. It has no connection of its own. */
export class JobSender {
  private constructor(private readonly boss: PgBoss) {}

  /** Makes the queues what their options say. On a connection of its own: those of the pool may all be waiting for this. */
  static async open(url: string, queues: ReadonlyMap<string, QueueOptions>, retentionDays: number): Promise<JobSender> {
    const { PgBoss } = await import('pg-boss');
    const client = new pg.Client({ ...CONNECTION, connectionString: url });
    client.on('error', () => undefined); // a lost connection shows in the next query
    const boss = new PgBoss({ db: onClient(client), schema: 'pgboss', migrate: false });
    try {
      await client.connect();
      for (const [name, options] of queues) await makeQueue(boss, name, options, retentionDays);
    } finally {
      await client.end();
    }
    return new JobSender(boss);
  }

  /** One statement. Jobs whose ids are there already are left out. */
  async send(tx: Transaction, queue: string, jobs: readonly NewJob[]): Promise<void> {
    const rows = jobs.map(({ id, data, delaySeconds }) => ({ id, data, startAfter: delaySeconds }));
    await this.boss.insert(queue, storable(rows), { db: inTransaction(tx, queue) });
  }
}

/** Asks for nothing afterwards: that fills the boss's memory of the queue, so that sending needs no other connection. */
async function makeQueue(boss: PgBoss, name: string, options: QueueOptions, retentionDays: number): Promise<void> {
  const { retries, retryDelaySeconds, retryDelayMaxSeconds, timeoutSeconds, notify } = options;
  const settings = {
    retryLimit: retries,
    retryDelay: retryDelaySeconds,
    retryBackoff: true,
    retryDelayMax: retryDelayMaxSeconds,
    expireInSeconds: timeoutSeconds,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    retentionSeconds: WAITING_SECONDS,
    deleteAfterSeconds: retentionDays * 86_400,
    notify,
  };
  await boss.createQueue(name, settings);
  await boss.updateQueue(name, settings); // creating leaves one that is there as it is
  await boss.insert(name, []);
}

function onClient(client: pg.Client): Db {
  return { executeSql: (text, values) => client.query(text, values) };
}

/** The text for a queue is always the same one. */
function inTransaction(tx: Transaction, queue: string): Db {
  return { executeSql: (text, values = []) => runPrepared(tx, `send to ${queue}`, text, values) };
}
