import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import type { Job } from '../platform/jobs/queue.js';
import { composeMail } from './mail/compose-mail.js';
import { FileMailer } from './mail/file-mailer.js';
import type { Mailer } from './mail/mailer.js';
import { SmtpMailer } from './mail/smtp-mailer.js';
import type { MailJob } from './notice-jobs.js';
import type { LinkProvider } from './notices.events.js';

@Injectable()
export class MailService {
  private readonly mailer: Mailer | null;
  private provider: LinkProvider | undefined;

  constructor(private readonly settings: Settings) {
    this.mailer = mailerFor(settings);
  }

  get goesTo(): 'smtp' | 'files' | null {
    return this.mailer?.goesTo ?? null;
  }

  registerLinks(provider: LinkProvider): void {
    if (this.provider) throw new Error('the personal links of mail have a provider already');
    this.provider = provider;
  }

  /** At least once; the Message-ID is that of the job, so a mail program shows a second one as the same. */
  async deliver({ id, data: { letter, recipient }, created_at }: Job<MailJob>): Promise<void> {
    const personal = (await this.provider?.(letter, recipient)) ?? null;
    const { path, label } = letter.link ?? { path: null, label: 'Open' };
    const target = personal ?? path;
    const link = target === null ? null : { url: this.addressOf(target), label };
    await this.mailer?.send(composeMail({ id, letter, recipient, link, created_at }));
  }

  /** Of a path of ours; whatever has an address keeps it. */
  private addressOf(target: string): string {
    const { PUBLIC_URL: url = `http://localhost:${this.settings.PORT}` } = this.settings;
    return target.startsWith('/') ? url.replace(/\/$/, '') + target : target;
  }
}

function mailerFor({ SMTP_URL, MAIL_FROM, DATA_DIR, NODE_ENV }: Settings): Mailer | null {
  if (SMTP_URL !== undefined) return new SmtpMailer(SMTP_URL, MAIL_FROM);
  return NODE_ENV === 'production' ? null : new FileMailer(DATA_DIR, MAIL_FROM);
}
