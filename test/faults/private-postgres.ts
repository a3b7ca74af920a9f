import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';

export interface PrivatePostgres {
  url: string;
  /** Breaks all connections at once, without a checkpoint; the new server recovers from its log. */
  restart(): Promise<void>;
  remove(): Promise<void>;
}

/** A PostgreSQL that no other test uses, so that it may be torn down. */
export async function startPrivatePostgres(): Promise<PrivatePostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-faults-'));
  chmodSync(folder, 0o755); // the server's user has to reach its data
  const { url } = await startEmbeddedPostgres({ dir: join(folder, 'postgres'), database: 'holdpoint' });
  const data = await dataDirectory(url);
  return {
    url,
    restart: () => pgCtl(data, 'restart'),
    remove: async () => {
      await pgCtl(data, 'stop');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function dataDirectory(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<{ data_directory: string }>('show data_directory')).rows[0]?.data_directory ?? '';
  } finally {
    await client.end();
  }
}

/** By the program that belongs to the server, as the user whose server it is, with the options it was started with. */
async function pgCtl(data: string, act: 'restart' | 'stop'): Promise<void> {
  const postgres = readFileSync(join(data, 'postmaster.opts'), 'utf8').split(' "')[0] ?? '';
  const { uid, gid } = statSync(data);
  const log = act === 'restart' ? [`--log=${join(dirname(data), 'server.log')}`] : [];
  const options = ['--silent', '--wait', '--mode=immediate', `--pgdata=${data}`, ...log];
  await promisify(execFile)(join(dirname(postgres), 'pg_ctl'), [act, ...options], { uid, gid, cwd: '/' });
}
