import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import pg from 'pg';
import { WORKER_LOCKS } from './turn.repository.js';
import { WAKE_CHANNEL } from './wake-ups.js';

interface Listener {
  /** The session has ended: others may take over what this worker holds, at any moment. */
  lost(): void;
  regained(): void;
  heard(payload: string): void;
}

/** A session that does not answer for so long is taken for lost. */
const ANSWER_MS = 5_000;

/** Between two attempts to connect. */
const RETRY_MS = 500;

/**
 * A database session of its own for as long as the worker lives: it holds the lock that says so, under a number never
 * used before, and listens for wake-ups. It must not go through a transaction-mode pooler, which shares sessions.
 */
export class WorkerSession {
  private readonly logger = new Logger(WorkerSession.name);
  private client: pg.Client | undefined;
  private closed = false;
  private number: number | undefined;
  private checking = false;

  constructor(
    private readonly url: string,
    private readonly listener: Listener,
  ) {}

  /** Undefined while there is no session; nothing may be claimed then. */
  get worker(): number | undefined {
    return this.number;
  }

  /** @throws when the database cannot be reached now; later losses are repaired in the background. */
  async open(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'holdpoint worker',
      connectionTimeoutMillis: 10_000,
      query_timeout: ANSWER_MS,
      keepAlive: true,
    });
    client.on('error', (error) => this.lose(client, error));
    client.on('end', () => this.lose(client, new Error('the connection ended')));
    client.on('notification', ({ payload }) => this.listener.heard(payload ?? ''));
    this.client = client;
    try {
      await this.settle(client);
    } catch (error) {
      this.client = undefined;
      await client.end().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Asks the server whether the session is still there: a cut network says nothing by itself, while the server may have
   * given the lock away long since.
   */
  async check(): Promise<void> {
    const { client } = this;
    if (!client || this.number === undefined || this.checking) return;
    this.checking = true;
    try {
      await client.query('select 1');
    } catch (error) {
      this.lose(client, error as Error);
    } finally {
      this.checking = false;
    }
  }

  private async settle(client: pg.Client): Promise<void> {
    await client.connect();
    const { rows } = await client.query<{ number: string }>(`select nextval('worker_numbers') as number`);
    const number = Number(rows[0]?.number);
    await client.query('select pg_advisory_lock($1, $2)', [WORKER_LOCKS, number]);
    await client.query(`listen ${WAKE_CHANNEL}`);
    this.number = number;
    this.logger.log(`this process is worker number ${number} of its database`);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.number = undefined;
    await this.client?.end().catch(() => undefined);
  }

  private lose(client: pg.Client, error: Error): void {
    if (client !== this.client || this.closed) return;
    const held = this.number !== undefined;
    this.client = this.number = undefined;
    client.end().catch(() => undefined);
    if (!held) return; // the attempt to open says so itself
    this.logger.warn(`the worker's database session ended: ${error.message}`);
    this.listener.lost();
    void this.reopen();
  }

  private async reopen(): Promise<void> {
    while (!this.closed) {
      try {
        await this.open();
        this.listener.regained();
        return;
      } catch {
        await sleep(RETRY_MS);
      }
    }
  }
}
