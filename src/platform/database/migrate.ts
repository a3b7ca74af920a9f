import pg from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';

/** Any constant: one migrator at a time per database. */
const LOCK = 7_201_120;

/** TypeORM takes no lock of its own: two instances that start together would both run a migration. */
export async function withMigrationLock<T>(url: string, work: () => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'holdpoint migrations',
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => undefined); // a lost connection shows in the next query
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    return await work();
  } finally {
    await client.end(); // releases the lock
  }
}

/** Runs what is pending, one transaction per migration; ten instances may call it at once. Returns the names run. */
export async function migrate(url: string, options: DataSourceOptions): Promise<string[]> {
  return withMigrationLock(url, async () => {
    const source = await new DataSource(options).initialize();
    try {
      return (await source.runMigrations({ transaction: 'each' })).map((migration) => migration.name);
    } finally {
      await source.destroy();
    }
  });
}

/** Names of the migrations that have not run yet. */
export async function pendingMigrations(options: DataSourceOptions): Promise<string[]> {
  const source = await new DataSource(options).initialize();
  try {
    return (await readMigrations(source)).pending;
  } finally {
    await source.destroy();
  }
}

/** What has run and what has not, from the table that TypeORM keeps. */
export async function readMigrations(source: DataSource): Promise<{ applied: string[]; pending: string[] }> {
  const [{ known } = { known: null }]: { known: string | null }[] = await source.query(
    `select to_regclass('schema_migrations') as known`,
  );
  const rows: { name: string }[] = known ? await source.query('select name from schema_migrations order by id') : [];
  const applied = rows.map((row) => row.name);
  const all = source.migrations.map((migration) => migration.name ?? migration.constructor.name);
  return { applied, pending: all.filter((name) => !applied.includes(name)) };
}
