import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { Settings } from '../config/settings.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { Jobs } from '../platform/jobs/jobs.js';
import { TEST_EVENT, webhookId, type WebhookJob, WEBHOOKS } from './notice-jobs.js';
import { WebhookDeliveryRepository } from './webhook-delivery.repository.js';
import type { WebhookEndpoint } from './webhook-endpoint.entity.js';
import { type EndpointChange, MOST_ENDPOINTS, WebhookEndpointRepository } from './webhook-endpoint.repository.js';
import { newWebhookSecret, sealSecret } from './webhook-secret.js';
import { WebhookTakers } from './webhook-takers.js';

interface Page {
  cursor?: string | undefined;
  limit: number;
}

interface GivenEndpoint {
  url: string;
  description: string;
  events: string[];
}

/** What organizations say about where they want to be told. */
@Injectable()
export class WebhookEndpointsService {
  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: WebhookEndpointRepository,
    private readonly deliveries: WebhookDeliveryRepository,
    private readonly jobs: Jobs,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
    private readonly takers: WebhookTakers,
  ) {}

  /** The only time but for rotation that anybody sees the secret. */
  create(principal: Principal, actor: Actor, given: GivenEndpoint): Promise<WebhookEndpoint> {
    const { organization_id, user_id: created_by } = principal;
    const id = uuidv7();
    const secret = newWebhookSecret();
    const sealed = sealSecret(this.settings.SECRET_KEY, id, secret);
    return this.change(organization_id, id, actor, 'created', detailsOf(given), async (tx) => {
      const made = await this.repository.insert(tx, { ...given, id, organization_id, created_by, secret: sealed });
      if (!made) throw tooMany();
      return { ...(await this.repository.get(tx, organization_id, id)), secret };
    });
  }

  /** @throws not found */
  get(organizationId: string, id: string): Promise<WebhookEndpoint> {
    return this.transactions.read((tx) => this.repository.get(tx, organizationId, id));
  }

  async list(organizationId: string, page: Page) {
    const list = `webhook-endpoints:${organizationId}`;
    const after = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read((tx) => this.repository.list(tx, organizationId, after, page.limit + 1));
    return this.cursors.page(list, rows, page.limit, ({ id }) => id);
  }

  /** @throws not found */
  update({ organization_id }: Principal, actor: Actor, id: string, change: EndpointChange): Promise<WebhookEndpoint> {
    return this.change(organization_id, id, actor, 'updated', detailsOf(change), async (tx) => {
      await this.repository.change(tx, organization_id, id, change);
      return this.repository.get(tx, organization_id, id);
    });
  }

  /** @throws not found */
  async delete({ organization_id }: Principal, actor: Actor, id: string): Promise<void> {
    await this.change(organization_id, id, actor, 'deleted', {}, (tx) =>
      this.repository.delete(tx, organization_id, id),
    );
  }

  /** Until the old secret ends, a day later, all is signed with both. @throws not found */
  rotateSecret({ organization_id }: Principal, actor: Actor, id: string): Promise<WebhookEndpoint> {
    const secret = newWebhookSecret();
    return this.change(organization_id, id, actor, 'secret_rotated', {}, async (tx) => {
      await this.repository.rotateSecret(tx, organization_id, id, sealSecret(this.settings.SECRET_KEY, id, secret));
      return { ...(await this.repository.get(tx, organization_id, id)), secret };
    });
  }

  /** Sends an event to this endpoint only. @throws not found, WEBHOOK_ENDPOINT_INACTIVE */
  test({ organization_id }: Principal, actor: Actor, id: string): Promise<{ webhook_id: string }> {
    return this.change(organization_id, id, actor, 'tested', {}, async (tx) => {
      const endpoint = await this.repository.get(tx, organization_id, id);
      if (!endpoint.active) throw inactive();
      const data = testJob(endpoint);
      await this.jobs.send(tx, WEBHOOKS, { id: data.delivery_id, data });
      return { webhook_id: webhookId(data.delivery_id) };
    });
  }

  /** Each attempt, the newest first. @throws not found */
  async listDeliveries(organizationId: string, id: string, page: Page) {
    const list = `webhook-deliveries:${id}`;
    const before = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read(async (tx) => {
      await this.repository.get(tx, organizationId, id);
      return this.deliveries.list(tx, id, before, page.limit + 1);
    });
    const { data, next_cursor } = this.cursors.page(list, rows, page.limit, (row) => row.id);
    return { data: data.map((row) => ({ ...row, webhook_id: webhookId(row.delivery_id) })), next_cursor };
  }

  /** The act and its record, in one transaction. */
  private async change<T>(
    organization_id: string,
    id: string,
    actor: Actor,
    act: string,
    details: Record<string, unknown>,
    work: (tx: Transaction) => Promise<T>,
  ): Promise<T> {
    const entry = {
      organization_id,
      action: `webhook_endpoint.${act}`,
      subject: { type: 'webhook_endpoint', id },
      details,
    };
    const result = await this.transactions.run(async (tx) => {
      const done = await work(tx);
      await this.audit.record(tx, actor, entry);
      return done;
    });
    this.takers.forget(organization_id);
    return result;
  }
}

/** Of the URL only the origin: path and query may hold a secret of the other side. */
function detailsOf({ url, ...change }: EndpointChange): Record<string, unknown> {
  const said = Object.entries(change).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(said), ...(url === undefined ? {} : { origin: new URL(url).origin }) };
}

function testJob({ id: endpoint_id, organization_id }: WebhookEndpoint): WebhookJob {
  const subject = { type: 'webhook_endpoint', id: endpoint_id };
  const event = { type: TEST_EVENT, timestamp: new Date().toISOString(), organization_id, subject, data: {} };
  return { endpoint_id, delivery_id: uuidv7(), attempt: 1, type: TEST_EVENT, body: JSON.stringify(event) };
}

function tooMany(): DomainError {
  const message = `The organization has ${MOST_ENDPOINTS} webhook endpoints, which is all it may have. Delete one first.`;
  return new DomainError('conflict', 'TOO_MANY_WEBHOOK_ENDPOINTS', message);
}

function inactive(): DomainError {
  const message = 'The endpoint is switched off, so nothing is sent to it. Set active to true first.';
  return new DomainError('conflict', 'WEBHOOK_ENDPOINT_INACTIVE', message);
}
