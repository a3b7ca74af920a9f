// npm run db -- up | down | status | check
import { DataSource } from 'typeorm';
import { loadSettings } from './config/load-settings.js';
import { readEnvironment } from './config/read-environment.js';
import { dataSourceOptions } from './data-source.js';
import { migrate, withMigrationLock } from './platform/database/migrate.js';
import { openDatabase } from './platform/database/open-database.js';

const COMMANDS: Readonly<Record<string, (url: string) => Promise<number>>> = {
  async up(url) {
    const done = await migrate(url, dataSourceOptions(url));
    console.log(done.length ? `ran ${done.join(', ')}` : 'nothing to run');
    return 0;
  },
  async down(url) {
    await withMigrationLock(url, () => connected(url, (source) => source.undoLastMigration()));
    return 0;
  },
  async status(url) {
    const pending = await connected(url, (source) => source.showMigrations());
    console.log(pending ? 'migrations are pending: npm run db -- up' : 'up to date');
    return pending ? 1 : 0;
  },
  /** Fails when the entities and the migrated schema differ. */
  async check(url) {
    await migrate(url, dataSourceOptions(url));
    const drift = await connected(url, (source) => source.driver.createSchemaBuilder().log());
    for (const { query } of drift.upQueries) console.log(query);
    return drift.upQueries.length > 0 ? 1 : 0;
  },
};

const command = COMMANDS[process.argv[2] ?? ''];
if (command) {
  const database = await openDatabase(loadSettings(readEnvironment()), (message) => console.error(message));
  try {
    process.exitCode = await command(database.url);
  } finally {
    await database.close();
  }
} else {
  console.error(`usage: npm run db -- ${Object.keys(COMMANDS).join(' | ')}`);
  process.exitCode = 2;
}

async function connected<T>(url: string, work: (source: DataSource) => Promise<T>): Promise<T> {
  const source = await new DataSource(dataSourceOptions(url)).initialize();
  try {
    return await work(source);
  } finally {
    await source.destroy();
  }
}
