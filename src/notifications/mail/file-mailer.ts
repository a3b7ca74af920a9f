import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Mail, type Mailer, messageOf } from './mailer.js';

const MOST_FILES = 1_000;

/** Writes mail into DATA_DIR/mail, for trying out: names begin with the moment, so the last one is the newest. */
export class FileMailer implements Mailer {
  readonly goesTo = 'files';
  private readonly folder: string;

  constructor(
    dataDir: string,
    private readonly from: string,
  ) {
    this.folder = join(dataDir, 'mail');
  }

  async send(mail: Mail): Promise<void> {
    const { createTransport } = await import('nodemailer');
    const transport = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
    const { message } = await transport.sendMail(messageOf(mail, this.from));
    const moment = mail.date.toISOString().replaceAll(/[-:]/g, '').replace('.', '');
    const path = join(this.folder, `${moment}-${mail.id}.eml`);
    await mkdir(this.folder, { recursive: true });
    await writeFile(`${path}.part`, message, { mode: 0o600 }); // it may hold links by which somebody decides
    await rename(`${path}.part`, path);
    await this.removeOldest();
  }

  private async removeOldest(): Promise<void> {
    const files = (await readdir(this.folder)).filter((name) => name.endsWith('.eml')).toSorted();
    for (const name of files.slice(0, -MOST_FILES)) await rm(join(this.folder, name), { force: true });
  }
}
