import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface DevelopmentSecrets {
  SECRET_KEY: string;
  JWT_PRIVATE_KEY: string;
}

/**
 * The secrets of a development installation: made once, kept in `<folder>/secrets.json` with mode 0600, so that
 * tokens stay valid between starts. Two processes that start together end up with the same file.
 */
export function developmentSecrets(folder: string): DevelopmentSecrets {
  const file = join(folder, 'secrets.json');
  mkdirSync(folder, { recursive: true });
  if (!existsSync(file)) publish(file, `${JSON.stringify(newSecrets(), null, 2)}\n`);
  return JSON.parse(readFileSync(file, 'utf8')) as DevelopmentSecrets;
}

/** Linking a finished file into place is atomic: a crash leaves the whole file or none, and the first writer wins. */
function publish(file: string, text: string): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, text, { mode: 0o600 });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
}

function newSecrets(): DevelopmentSecrets {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    SECRET_KEY: randomBytes(48).toString('base64url'),
    JWT_PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
