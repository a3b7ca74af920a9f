/** A mail that is ready to go. */
export interface Mail {
  /** The same whenever it is sent again. */
  id: string;
  to: { name: string; address: string };
  subject: string;
  text: string;
  html: string;
  date: Date;
}

/** Takes mail: a server, or where there is none a folder. */
export interface Mailer {
  goesTo: 'smtp' | 'files';
  /** @throws when it was not taken; HopelessJob when it never will be. */
  send(mail: Mail): Promise<void>;
}

/** What nodemailer is told of a mail. It reads no files and asks no servers, whatever the mail holds. */
export function messageOf({ id, to, subject, text, html, date }: Mail, from: string) {
  const domain = /@([^\s>]+)>?$/.exec(from)?.[1] ?? 'localhost';
  return {
    from,
    to: { name: singleLine(to.name), address: singleLine(to.address) },
    subject: singleLine(subject),
    text,
    html,
    date,
    messageId: `<${id}@${domain}>`,
    headers: { 'Auto-Submitted': 'auto-generated' }, // no answers by programs (RFC 3834)
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** A line break would begin another header. */
function singleLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}
