import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import request from 'supertest';

export interface ServerProcess {
  url: string;
  pid: number;
  /** Everything it printed so far. */
  output(): string;
  /** Ends it by this signal and waits until it is gone; answers its exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Folder and secrets that several processes of one installation share. */
export function makeInstallation(databaseUrl: string) {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-installation-'));
  const settings = {
    DATABASE_URL: databaseUrl,
    DATA_DIR: folder,
    NODE_ENV: 'test',
    PORT: '0',
    LOG_LEVEL: 'info',
    RATE_LIMIT_PER_MINUTE: '1000000',
  };
  return {
    start: (more: Record<string, string> = {}) => spawnServer({ ...settings, ...more }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Somebody new with an organization of their own; answers what their requests carry. */
export async function registerAt(url: string): Promise<{ Authorization: string }> {
  const person = {
    email: `ann-${randomBytes(4).toString('hex')}@test.example`,
    password: randomBytes(12).toString('base64url'),
    name: 'Ann',
  };
  const { body } = await request(url).post('/api/auth/register').send(person).expect(201);
  return { Authorization: `Bearer ${body.access_token}` };
}

/** The compiled product as a process of its own, as `npm start` runs it. */
export async function spawnServer(settings: Record<string, string>, cwd = process.cwd()): Promise<ServerProcess> {
  const main = join(process.cwd(), 'dist/src/main.js');
  const child = spawn(process.execPath, [main], {
    cwd,
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const url = await readyUrl(
    child,
    (line) => (printed += `${line}\n`),
    () => printed,
  );
  return {
    url,
    pid: child.pid ?? 0,
    output: () => printed,
    end: async (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}

function readyUrl(child: ChildProcess, keep: (line: string) => void, printed: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${printed()}`)));
    if (!child.stdout) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      keep(line);
      const url = /ready at (http\S+)/.exec(line)?.[1];
      if (url) resolve(url);
    });
  });
}
