import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { v5 as uuidv5 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { Settings } from '../config/settings.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { SYSTEM_ACTOR } from '../platform/http/principal.js';
import { Jobs } from '../platform/jobs/jobs.js';
import type { Job } from '../platform/jobs/queue.js';
import { httpFailure, type HttpOutcome } from '../platform/outbound/http-outcome.js';
import { HttpSender } from '../platform/outbound/http-sender.js';
import { judgeAttempt } from './judge-attempt.js';
import { webhookId, type WebhookJob, WEBHOOKS } from './notice-jobs.js';
import { type Attempt, type AttemptSight, WebhookDeliveryRepository } from './webhook-delivery.repository.js';
import { WebhookEndpointRepository } from './webhook-endpoint.repository.js';
import { openSecret, signWebhook } from './webhook-secret.js';
import { WebhookTakers } from './webhook-takers.js';

/** Standard Webhooks advises 15 to 30. */
const ANSWER_SECONDS = 15;

const CLEAN_EVERY_MS = 3_600_000;
const KEPT_DAYS = 30;
const CLEAN_BATCH = 1_000;

const REASONS = {
  gone: 'It answered 410 Gone.',
  if_silent: 'It took nothing for three days, in ten attempts to deliver one event.',
} as const;

/** Sends events to endpoints, one attempt for each job. */
@Injectable()
export class WebhookSendingService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(WebhookSendingService.name);
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly jobs: Jobs,
    private readonly sender: HttpSender,
    private readonly endpoints: WebhookEndpointRepository,
    private readonly deliveries: WebhookDeliveryRepository,
    private readonly audit: AuditService,
    private readonly takers: WebhookTakers,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.settings.HOLDPOINT_ROLES.includes('worker')) return;
    this.timer = setInterval(() => void this.clean(), CLEAN_EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** What was sent and not recorded, because the process died between the two, is sent again under the same id. */
  async attempt({ data: job, signal }: Job<WebhookJob>): Promise<void> {
    const sight = await this.transactions.read((tx) => this.deliveries.findSight(tx, job));
    if (!sight) return;
    const began = performance.now();
    const outcome = await this.send(job, sight, signal);
    if (signal.aborted || isCancelled(outcome)) throw new Error('stopped before it was answered');
    const duration_ms = Math.round(performance.now() - began);
    const attempt = { ...judgeAttempt(outcome, job), job, duration_ms };
    const owner = await this.transactions.run((tx) => this.record(tx, attempt));
    if (owner !== null) this.takers.forget(owner);
  }

  /** Answers how many attempts are gone. */
  async deleteOld(): Promise<number> {
    let deleted = 0;
    for (;;) {
      const count = await this.transactions.run((tx) => this.deliveries.deleteOld(tx, KEPT_DAYS, CLEAN_BATCH));
      deleted += count;
      if (count < CLEAN_BATCH) return deleted;
    }
  }

  private async send(job: WebhookJob, sight: AttemptSight, signal: AbortSignal): Promise<HttpOutcome> {
    const { endpoint_id, delivery_id, body } = job;
    const sealed = [sight.secret, sight.previous_secret].filter((secret) => secret !== null);
    const secrets = sealed.map((secret) => openSecret(this.settings.SECRET_KEY, endpoint_id, secret));
    const usable = secrets.filter((secret) => secret !== null);
    if (usable.length === 0) return unreadableSecret();
    const id = webhookId(delivery_id);
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(sight.timestamp),
      'webhook-signature': signWebhook(usable, { id, timestamp: sight.timestamp, body }),
    };
    return this.sender.send({ method: 'POST', url: sight.url, headers, body, timeoutSeconds: ANSWER_SECONDS, signal });
  }

  /** The attempt, the next one and what becomes of the endpoint, together. Answers whose endpoint was switched off. */
  private async record(tx: Transaction, attempt: Attempt): Promise<string | null> {
    const { job, retryInSeconds: delaySeconds, disable } = attempt;
    if (!(await this.deliveries.insert(tx, attempt))) return null;
    if (delaySeconds !== null) {
      const data = { ...job, attempt: job.attempt + 1 };
      await this.jobs.send(tx, WEBHOOKS, { id: uuidv5(String(data.attempt), job.delivery_id), data, delaySeconds });
    }
    if (disable === null) return null;
    const [id, reason] = [job.endpoint_id, REASONS[disable]];
    const silentSince = disable === 'if_silent' ? job.delivery_id : null;
    const organization_id = await this.endpoints.disable(tx, id, reason, silentSince);
    if (organization_id === null) return null;
    const subject = { type: 'webhook_endpoint', id };
    const entry = { organization_id, action: 'webhook_endpoint.disabled', subject, details: { reason } };
    await this.audit.record(tx, SYSTEM_ACTOR, entry);
    return organization_id;
  }

  private async clean(): Promise<void> {
    try {
      await this.deleteOld();
    } catch (error) {
      this.logger.warn(`could not delete old attempts of webhooks: ${String(error)}`);
    }
  }
}

/** The process ends: that says nothing about the other side. */
function isCancelled(outcome: HttpOutcome): boolean {
  return !outcome.ok && outcome.code === 'HTTP_CANCELLED';
}

/** Tried again like others: somebody may rotate the secret, or bring the old SECRET_KEY back. */
function unreadableSecret(): HttpOutcome {
  const message = 'Its secret was sealed under another SECRET_KEY. Rotate the secret of the endpoint.';
  return httpFailure('HTTP_CONNECTION_FAILED', message);
}
