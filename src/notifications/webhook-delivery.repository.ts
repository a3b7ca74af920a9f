import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Transaction } from '../platform/database/transactions.js';
import type { Verdict } from './judge-attempt.js';
import type { WebhookJob } from './notice-jobs.js';
import { WebhookDelivery } from './webhook-delivery.entity.js';

/** What an attempt has to know, as it is now. */
export interface AttemptSight {
  url: string;
  secret: string;
  /** Null when there is none, or its time is over. */
  previous_secret: string | null;
  /** Seconds since 1970, by the clock of the database. */
  timestamp: number;
}

export interface Attempt extends Verdict {
  job: WebhookJob;
  duration_ms: number;
}

@Injectable()
export class WebhookDeliveryRepository {
  /** Null when nothing is to be sent: the endpoint is off or gone, or this very attempt was made already. */
  async findSight(tx: Transaction, job: WebhookJob): Promise<AttemptSight | null> {
    const rows: AttemptSight[] = await tx.query(
      `select url, secret, case when previous_secret_until > clock_timestamp() then previous_secret end as previous_secret,
              extract(epoch from clock_timestamp())::int as timestamp
       from webhook_endpoints where id = $1 and active and not exists (
         select 1 from webhook_deliveries where delivery_id = $2 and attempt = $3)`,
      [job.endpoint_id, job.delivery_id, job.attempt],
    );
    return rows[0] ?? null;
  }

  /** True for exactly one caller for each attempt; false too when the endpoint has been deleted meanwhile. */
  async insert(tx: Transaction, { job, duration_ms, ...verdict }: Attempt): Promise<boolean> {
    const { endpoint_id, delivery_id, attempt, type } = job;
    const { status, http_status, error, retryInSeconds } = verdict;
    const rows: unknown[] = await tx.query(
      `insert into webhook_deliveries
         (id, endpoint_id, delivery_id, attempt, event_type, status, http_status, error, duration_ms, next_attempt_at)
       select $1::uuid, e.id, $3::uuid, $4::smallint, $5, $6, $7::smallint, $8, $9::int, clock_timestamp() + $10 * interval '1 s'
       from webhook_endpoints e where e.id = $2 for key share
       on conflict (delivery_id, attempt) do nothing returning id`,
      [uuidv7(), endpoint_id, delivery_id, attempt, type, status, http_status, error, duration_ms, retryInSeconds],
    );
    return rows.length === 1;
  }

  /** Newest first. */
  list(tx: Transaction, endpointId: string, before: string | undefined, limit: number): Promise<WebhookDelivery[]> {
    const query = tx
      .createQueryBuilder(WebhookDelivery, 'delivery')
      .where('delivery.endpoint_id = :endpointId', { endpointId })
      .orderBy('delivery.id', 'DESC')
      .limit(limit);
    if (before) query.andWhere('delivery.id < :before', { before });
    return query.getMany();
  }

  /** How many are gone; call it again while it is `most`. */
  async deleteOld(tx: Transaction, days: number, most: number): Promise<number> {
    const [, count]: [unknown, number] = await tx.query(
      `delete from webhook_deliveries where id = any(array(
         select id from webhook_deliveries where at < now() - $1 * interval '1 day' limit $2 for update skip locked))`,
      [days, most],
    );
    return count;
  }
}
