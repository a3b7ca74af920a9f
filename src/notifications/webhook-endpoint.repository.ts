import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import { WebhookEndpoint } from './webhook-endpoint.entity.js';

/** All an organization may have. */
export const MOST_ENDPOINTS = 20;

export type NewEndpoint = Pick<
  WebhookEndpoint,
  'id' | 'organization_id' | 'url' | 'description' | 'events' | 'secret' | 'created_by'
>;

export interface EndpointChange {
  url?: string | undefined;
  description?: string | undefined;
  events?: string[] | undefined;
  active?: boolean | undefined;
}

/** What an endpoint may have written to get events of this type: `a.b.c` is asked for by itself, `a.*`, `a.b.*` and `*`. */
export function matchingPatterns(type: string): string[] {
  const words = type.split('.');
  const groups = words.slice(1).map((_, index) => `${words.slice(0, index + 1).join('.')}.*`);
  return ['*', ...groups, type];
}

@Injectable()
export class WebhookEndpointRepository {
  /** False when the organization has as many as it may; two at the same time may make one more. */
  async insert(tx: Transaction, endpoint: NewEndpoint): Promise<boolean> {
    const { id, organization_id, url, description, events, secret, created_by } = endpoint;
    const rows: unknown[] = await tx.query(
      `insert into webhook_endpoints (id, organization_id, url, description, events, secret, created_by)
       select $1::uuid, $2::uuid, $3, $4, $5::text[], $6, $7::uuid
       where (select count(*) from webhook_endpoints where organization_id = $2) < $8
       returning id`,
      [id, organization_id, url, description, events, secret, created_by, MOST_ENDPOINTS],
    );
    return rows.length === 1;
  }

  /** @throws not found, also for an endpoint of another organization. */
  async get(tx: Transaction, organizationId: string, id: string): Promise<WebhookEndpoint> {
    const endpoint = await tx.findOneBy(WebhookEndpoint, { id, organization_id: organizationId });
    if (!endpoint) throw notFound('webhook endpoint', id);
    return endpoint;
  }

  /** In the order in which they were made. */
  list(tx: Transaction, organizationId: string, after: string | undefined, limit: number): Promise<WebhookEndpoint[]> {
    const query = tx
      .createQueryBuilder(WebhookEndpoint, 'endpoint')
      .where('endpoint.organization_id = :organizationId', { organizationId })
      .orderBy('endpoint.id', 'ASC')
      .limit(limit);
    if (after) query.andWhere('endpoint.id > :after', { after });
    return query.getMany();
  }

  /** Switching it on forgets why it was off. @throws not found */
  async change(tx: Transaction, organizationId: string, id: string, change: EndpointChange): Promise<void> {
    const [, count]: [unknown, number] = await tx.query(
      `update webhook_endpoints
       set url = coalesce($3, url), description = coalesce($4, description), events = coalesce($5::text[], events),
           active = coalesce($6, active), disabled_reason = case when $6 then null else disabled_reason end, updated_at = now()
       where id = $1 and organization_id = $2`,
      [id, organizationId, change.url, change.description, change.events, change.active],
    );
    if (count === 0) throw notFound('webhook endpoint', id);
  }

  /** The present secret becomes the previous one, which holds for a day more. @throws not found */
  async rotateSecret(tx: Transaction, organizationId: string, id: string, sealed: string): Promise<void> {
    const [, count]: [unknown, number] = await tx.query(
      `update webhook_endpoints
       set previous_secret = secret, previous_secret_until = now() + interval '24 hours', secret = $3, updated_at = now()
       where id = $1 and organization_id = $2`,
      [id, organizationId, sealed],
    );
    if (count === 0) throw notFound('webhook endpoint', id);
  }

  /** With its deliveries. @throws not found */
  async delete(tx: Transaction, organizationId: string, id: string): Promise<void> {
    const { affected } = await tx.delete(WebhookEndpoint, { id, organization_id: organizationId });
    if (affected !== 1) throw notFound('webhook endpoint', id);
  }

  /** Of active endpoints, by their ids. */
  async listTakers(tx: Transaction, organizationId: string, type: string): Promise<string[]> {
    const rows: { id: string }[] = await tx.query(
      `select id from webhook_endpoints where organization_id = $1 and active and events && $2::text[] order by id`,
      [organizationId, matchingPatterns(type)],
    );
    return rows.map(({ id }) => id);
  }

  /** All that active endpoints have written, patterns too. */
  async listWantedEvents(tx: Transaction, organizationId: string): Promise<string[]> {
    const rows: { event: string }[] = await tx.query(
      `select distinct unnest(events) as event from webhook_endpoints where organization_id = $1 and active`,
      [organizationId],
    );
    return rows.map(({ event }) => event);
  }

  /**
   * Whose it is, for exactly one caller; null when it is off already. With `silentSince`, the id of a delivery, only when
   * the endpoint took nothing since that was tried first.
   */
  async disable(tx: Transaction, id: string, reason: string, silentSince: string | null): Promise<string | null> {
    const [rows]: [{ organization_id: string }[], number] = await tx.query(
      `update webhook_endpoints e set active = false, disabled_reason = $2, updated_at = now()
       where id = $1 and active and ($3::uuid is null or not exists (
         select 1 from webhook_deliveries taken where taken.endpoint_id = e.id and taken.status = 'succeeded'
           and taken.at > (select min(at) from webhook_deliveries tried where tried.delivery_id = $3)))
       returning organization_id`,
      [id, reason, silentSince],
    );
    return rows[0]?.organization_id ?? null;
  }
}
