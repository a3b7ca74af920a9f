import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The compiled product as a process of its own, with no rate limit that a benchmark could reach. */
export async function startProduct(databaseUrl, settings) {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-bench-'));
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    DATA_DIR: folder,
    NODE_ENV: 'development',
    PORT: '0',
    LOG_LEVEL: 'warn',
    RATE_LIMIT_PER_MINUTE: '1000000',
    RATE_LIMIT_PER_HOUR: '10000000',
    CODE_RATE_LIMIT_PER_MINUTE: '1000000',
    CODE_RATE_LIMIT_PER_HOUR: '10000000',
    ...settings,
  };
  const child = spawn(process.execPath, ['dist/src/main.js'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const url = await new Promise((resolve, reject) => {
    void ended.then(() => reject(new Error('the product ended before it was ready')));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const ready = /ready at (http\S+)/.exec(line)?.[1];
      if (ready) resolve(ready);
    });
  });
  const close = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, close };
}
