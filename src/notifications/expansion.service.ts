import { Injectable } from '@nestjs/common';
import { v5 as uuidv5 } from 'uuid';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { Jobs } from '../platform/jobs/jobs.js';
import type { Job, NewJob } from '../platform/jobs/queue.js';
import { MailService } from './mail.service.js';
import { type MailJob, MAILS, type NoticeJob, type WebhookJob, WEBHOOKS } from './notice-jobs.js';
import { WebhookEndpointRepository } from './webhook-endpoint.repository.js';

/** Makes of one notice a job for each mail and each webhook, so that one that cannot be delivered is tried again alone. */
@Injectable()
export class ExpansionService {
  constructor(
    private readonly transactions: Transactions,
    private readonly jobs: Jobs,
    private readonly organizations: OrganizationsService,
    private readonly mail: MailService,
    private readonly endpoints: WebhookEndpointRepository,
  ) {}

  /** The ids of the jobs follow from that of the notice, so doing it again makes none twice. */
  expand(job: Job<NoticeJob>): Promise<void> {
    return this.transactions.run(async (tx) => {
      await this.jobs.send(tx, MAILS, ...(await this.mails(tx, job)));
      await this.jobs.send(tx, WEBHOOKS, ...(await this.webhooks(tx, job)));
    });
  }

  private async mails(tx: Transaction, { id, data: { notice } }: Job<NoticeJob>): Promise<NewJob<MailJob>[]> {
    const { recipients, data: _, ...letter } = notice;
    if (recipients === null || this.mail.goesTo === null) return [];
    const members = await this.organizations.listMembersNamed(tx, letter.organization_id, recipients);
    return members.map((recipient) => ({ id: uuidv5(recipient.user_id, id), data: { letter, recipient } }));
  }

  private async webhooks(tx: Transaction, job: Job<NoticeJob>): Promise<NewJob<WebhookJob>[]> {
    const { organization_id, type } = job.data.notice;
    const ids = await this.endpoints.listTakers(tx, organization_id, type);
    const body = bodyOf(job);
    return ids.map((endpoint_id) => {
      const delivery_id = uuidv5(endpoint_id, job.id);
      return { id: delivery_id, data: { endpoint_id, delivery_id, attempt: 1, type, body } };
    });
  }
}

/** `type`, `timestamp` and `data` are those of Standard Webhooks 1.0. */
function bodyOf({ created_at, data: { notice } }: Job<NoticeJob>): string {
  const { type, organization_id, subject, data } = notice;
  const head = JSON.stringify({ type, timestamp: created_at.toISOString(), organization_id, subject });
  return `${head.slice(0, -1)},"data":${data}}`;
}
