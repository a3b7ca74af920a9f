import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { Jobs } from '../platform/jobs/jobs.js';
import type { QueueOptions } from '../platform/jobs/queue.js';
import { ExpansionService } from './expansion.service.js';
import { MailService } from './mail.service.js';
import { type MailJob, MAILS, type NoticeJob, NOTICES, type WebhookJob, WEBHOOKS } from './notice-jobs.js';
import type { LinkProvider, Notice } from './notices.events.js';
import { WebhookSendingService } from './webhook-sending.service.js';
import { WebhookTakers } from './webhook-takers.js';

/** Sent by what has to be quick, so without a call. */
const NOTICE_QUEUE: QueueOptions = {
  retries: 20,
  retryDelaySeconds: 5,
  retryDelayMaxSeconds: 3_600,
  timeoutSeconds: 60,
  batch: 10,
  takers: 1,
  notify: false,
};

/** A mail server that is away for a day loses nothing. */
const MAIL_QUEUE: QueueOptions = {
  retries: 12,
  retryDelaySeconds: 30,
  retryDelayMaxSeconds: 14_400,
  timeoutSeconds: 120,
  batch: 5,
  takers: 2,
  notify: true,
};

/** These retries are for faults of ours; those for the far side are in `judge-attempt.ts`. */
const WEBHOOK_QUEUE: QueueOptions = { ...NOTICE_QUEUE, batch: 4, takers: 4, notify: true };

/** Tells people by mail and systems by webhook what happened. */
@Injectable()
export class NotificationsService implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs,
    private readonly expansion: ExpansionService,
    private readonly mail: MailService,
    private readonly takers: WebhookTakers,
    private readonly sending: WebhookSendingService,
  ) {}

  onModuleInit(): void {
    this.jobs.work<NoticeJob>(NOTICES, (job) => this.expansion.expand(job), NOTICE_QUEUE);
    this.jobs.work<MailJob>(MAILS, (job) => this.mail.deliver(job), MAIL_QUEUE);
    this.jobs.work<WebhookJob>(WEBHOOKS, (job) => this.sending.attempt(job), WEBHOOK_QUEUE);
  }

  /**
   * Part of the caller's transaction: told when that commits, and never when it does not. One statement, or none where
   * neither mail nor a webhook could take it.
   */
  async notify(tx: Transaction, notice: Notice): Promise<void> {
    if (!this.mayReachSomebody(notice)) return;
    const data: NoticeJob = { notice: { ...notice, data: JSON.stringify(notice.data ?? null) } };
    await this.jobs.send(tx, NOTICES, { data });
  }

  /** Whether a webhook may want such notices; true where that is not known yet. */
  mayTake(organizationId: string, type: string): boolean {
    return this.takers.mayTake(organizationId, type);
  }

  /** @throws when there is a provider already: two would make links for the same mail. */
  registerLinks(provider: LinkProvider): void {
    this.mail.registerLinks(provider);
  }

  /** Where mail goes to; null: nowhere. */
  get mailGoesTo(): 'smtp' | 'files' | null {
    return this.mail.goesTo;
  }

  private mayReachSomebody({ organization_id, type, recipients }: Notice): boolean {
    const { users = [], roles = [], groups = [] } = recipients ?? {};
    const isAddressed = users.length + roles.length + groups.length > 0;
    return (isAddressed && this.mail.goesTo !== null) || this.takers.mayTake(organization_id, type);
  }
}
