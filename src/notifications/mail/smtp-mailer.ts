import type { Transporter } from 'nodemailer';
import { HopelessJob } from '../../platform/jobs/queue.js';
import { type Mail, type Mailer, messageOf } from './mailer.js';

const TIMEOUTS = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 30_000 };

/** Hands mail to the server that SMTP_URL names, and to no other; a connection for each. */
export class SmtpMailer implements Mailer {
  readonly goesTo = 'smtp';
  private transport: Promise<Transporter> | undefined;

  constructor(
    private readonly url: string,
    private readonly from: string,
  ) {}

  async send(mail: Mail): Promise<void> {
    this.transport ??= openTransport(this.url);
    const transport = await this.transport;
    try {
      await transport.sendMail(messageOf(mail, this.from));
    } catch (error) {
      if (isRefused(error)) throw new HopelessJob('the mail server refuses the address for good', { cause: error });
      throw error;
    }
  }
}

/** The library is loaded with the first mail. */
async function openTransport(url: string): Promise<Transporter> {
  const { createTransport } = await import('nodemailer');
  return createTransport({ url, ...TIMEOUTS });
}

/** A 5yz reply about the recipient (RFC 5321 §4.2.1). About sign-in or sender, the operator can mend it. */
function isRefused(error: unknown): boolean {
  const { command, responseCode = 0 } = error as { command?: string; responseCode?: number };
  return command === 'RCPT TO' && responseCode >= 500;
}
