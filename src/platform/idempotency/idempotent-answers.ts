import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { type Transaction, Transactions } from '../database/transactions.js';
import { DomainError } from '../errors/domain-error.js';
import { hashJson } from '../hashing/hash-json.js';

/** A request that its sender may send again. */
export interface RepeatableRequest {
  organization_id: string;
  user_id: string;
  /** Method and path, ids included. */
  route: string;
  key: string;
  /** All that matters of it; the same key with another is refused. */
  body: unknown;
}

export interface StoredAnswer {
  status: number;
  body: unknown;
}

const KEPT = `interval '24 hours'`;
const CLEAN_EVERY_MS = 600_000;

/**
 * Answers of requests with an `Idempotency-Key`, kept 24 hours, in the transaction of what they did: the deed is done once, and
 * whoever asks again is told the same. A twin that comes meanwhile waits for the first.
 */
@Injectable()
export class IdempotentAnswers implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(IdempotentAnswers.name);
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly transactions: Transactions) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.clean(), CLEAN_EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /**
   * First in the transaction. Null: nobody was answered yet, go on, and `keep` or `drop` it in the end.
   * @throws DomainError IDEMPOTENCY_KEY_REUSED
   */
  async begin(tx: Transaction, request: RepeatableRequest): Promise<StoredAnswer | null> {
    const { organization_id, user_id, route, key } = request;
    const names = [organization_id, user_id, route, key];
    const request_hash = hashOf(request);
    const inserted: unknown[] = await tx.query(
      `insert into idempotent_answers as a (organization_id, user_id, route, key, request_hash)
       values ($1, $2, $3, $4, $5)
       on conflict (organization_id, user_id, route, key) do update
         set request_hash = excluded.request_hash, status = null, body = null, created_at = now()
         where a.created_at < now() - ${KEPT}
       returning 1`,
      [...names, request_hash],
    );
    if (inserted.length > 0) return null;
    const [row]: { request_hash: string; status: number; body: unknown }[] = await tx.query(
      `select request_hash, status, body from idempotent_answers
       where organization_id = $1 and user_id = $2 and route = $3 and key = $4`,
      names,
    );
    if (!row) return null; // dropped between the two: nobody was answered
    if (row.request_hash === request_hash) return { status: row.status, body: row.body };
    const message = 'This Idempotency-Key came before with another body. Send a new key, or the same body.';
    throw new DomainError('invalid', 'IDEMPOTENCY_KEY_REUSED', message);
  }

  async keep(tx: Transaction, request: RepeatableRequest, answer: StoredAnswer): Promise<void> {
    const { organization_id, user_id, route, key } = request;
    await tx.query(
      `update idempotent_answers set status = $5, body = $6
       where organization_id = $1 and user_id = $2 and route = $3 and key = $4`,
      [organization_id, user_id, route, key, answer.status, JSON.stringify(answer.body)],
    );
  }

  /** Nothing was done, so that the same request is to be judged anew. */
  async drop(tx: Transaction, { organization_id, user_id, route, key }: RepeatableRequest): Promise<void> {
    await tx.query(
      `delete from idempotent_answers where organization_id = $1 and user_id = $2 and route = $3 and key = $4`,
      [organization_id, user_id, route, key],
    );
  }

  private async clean(): Promise<void> {
    try {
      await this.transactions.read((tx) =>
        tx.query(`delete from idempotent_answers where created_at < now() - ${KEPT}`),
      );
    } catch (error) {
      this.logger.warn(`could not delete old answers; the next try is in ten minutes: ${String(error)}`);
    }
  }
}

function hashOf({ body }: RepeatableRequest): string {
  return hashJson(JSON.parse(JSON.stringify(body ?? null)));
}
