import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { dataSourceOptions } from '../src/data-source.js';
import { migrate } from '../src/platform/database/migrate.js';

export interface TestDatabase {
  url: string;
  /** Runs a query outside of the product. */
  query<T extends object>(sql: string, values?: unknown[]): Promise<T[]>;
  drop(): Promise<void>;
}

const MIGRATIONS = new URL('../migrations/', import.meta.url);

/** A database of its own for one test file, copied from a migrated one (30 ms instead of a second). */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = process.env.TEST_SERVER_URL;
  if (!server) throw new Error('TEST_SERVER_URL is not set: run the tests with npm test');
  const template = await templateDatabase(server);
  const name = `holdpoint_test_${randomBytes(6).toString('hex')}`;
  await onServer(server, (client) => client.query(`create database ${name} template ${template}`));
  const url = withDatabase(server, name);
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => undefined);
  return {
    url,
    query: async <T extends object>(sql: string, values?: unknown[]) => (await pool.query<T>(sql, values)).rows,
    drop: async () => {
      await pool.end();
      await onServer(server, (client) => client.query(`drop database if exists ${name} with (force)`));
    },
  };
}

/** Made once for each set of migrations, whichever test file comes first. */
async function templateDatabase(server: string): Promise<string> {
  const name = `holdpoint_template_${migrationsHash()}`;
  await onServer(server, async (client) => {
    await client.query('select pg_advisory_lock(7201199)');
    const { rowCount } = await client.query(`select 1 from pg_database where datname = $1 and datistemplate`, [name]);
    if (rowCount) return;
    await client.query(`drop database if exists ${name}`);
    await client.query(`create database ${name}`);
    const url = withDatabase(server, name);
    await migrate(url, dataSourceOptions(url));
    await client.query(`alter database ${name} is_template true`);
  });
  return name;
}

function migrationsHash(): string {
  const hash = createHash('sha256');
  for (const file of readdirSync(MIGRATIONS).toSorted()) hash.update(readFileSync(new URL(file, MIGRATIONS)));
  return hash.digest('hex').slice(0, 12);
}

async function onServer(server: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function withDatabase(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}
