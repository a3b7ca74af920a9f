import type { Letter, Recipient, Recipients } from './notices.events.js';

/** The queues, one for each kind of work, so that a server that is slow holds up nobody else. */
export const NOTICES = 'notices';
export const MAILS = 'mails';
export const WEBHOOKS = 'webhooks';

/** `data` is kept as text: the queue would change the order of its keys. */
export interface NoticeJob {
  notice: Letter & { recipients: Recipients | null; data: string };
}

export interface MailJob {
  letter: Letter;
  recipient: Recipient;
}

export interface WebhookJob {
  endpoint_id: string;
  /** One event for one endpoint; the same for every attempt. */
  delivery_id: string;
  attempt: number;
  type: string;
  /** Exactly what is sent and signed. */
  body: string;
}

/** What is sent to try an endpoint. */
export const TEST_EVENT = 'webhook.test';

/** The header `webhook-id`. */
export function webhookId(deliveryId: string): string {
  return `msg_${deliveryId}`;
}
