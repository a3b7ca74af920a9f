import { spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { developmentSecrets } from './development-secrets.js';

const SOURCE = new URL('./development-secrets.ts', import.meta.url).href;

describe('the secrets of a development installation', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-secrets-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are readable by their owner alone', () => {
    developmentSecrets(folder);
    expect(statSync(join(folder, 'secrets.json')).mode & 0o777).toBe(0o600);
  });

  it('stay the same between starts, so that tokens do too', () => {
    expect(developmentSecrets(folder)).toEqual(developmentSecrets(folder));
  });

  it('differ between folders', () => {
    const other = developmentSecrets(join(folder, 'other'));
    expect(developmentSecrets(folder).SECRET_KEY).not.toBe(other.SECRET_KEY);
  });

  it('make a folder that is missing', () => {
    developmentSecrets(join(folder, 'deep', 'er'));
    expect(existsSync(join(folder, 'deep', 'er', 'secrets.json'))).toBe(true);
  });

  it('are long random bytes and a P-256 key', () => {
    const { SECRET_KEY, JWT_PRIVATE_KEY } = developmentSecrets(folder);
    expect(Buffer.from(SECRET_KEY, 'base64url')).toHaveLength(48);
    expect(createPrivateKey(JWT_PRIVATE_KEY).asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  });

  it('are one file for processes that start together, and no draft is left', async () => {
    const printed = await Promise.all(Array.from({ length: 4 }, () => secretsOfAnotherProcess(folder)));
    expect(new Set(printed)).toEqual(new Set([readFileSync(join(folder, 'secrets.json'), 'utf8')]));
    expect(readdirSync(folder)).toEqual(['secrets.json']);
  });
});

/** What a process of its own is given, in the form of the file. */
async function secretsOfAnotherProcess(folder: string): Promise<string> {
  const script = `
    const { developmentSecrets } = await import(${JSON.stringify(SOURCE)});
    process.stdout.write(JSON.stringify(developmentSecrets(${JSON.stringify(folder)}), null, 2) + '\\n');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script]);
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  if (exitCode !== 0) throw new Error(await text(child.stderr));
  return output;
}
