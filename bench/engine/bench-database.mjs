import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { loadSettings } from '../../dist/src/config/load-settings.js';
import { dataSourceOptions } from '../../dist/src/data-source.js';
import { migrate } from '../../dist/src/platform/database/migrate.js';
import { openDatabase } from '../../dist/src/platform/database/open-database.js';

/**
 * The server of DATABASE_URL, or the embedded one, on which each part gets databases of its own. `count` scales how often
 * something is done, and answers at least `least`.
 */
export async function openBench({ rounds, scale }) {
  const settings = loadSettings({ ...process.env, NODE_ENV: 'test', LOG_LEVEL: 'error', DATA_DIR: '.holdpoint' });
  const server = await openDatabase(settings, () => undefined);
  const open = new Set();
  return {
    settings,
    rounds: Math.ceil(rounds),
    scale,
    embedded: server.embedded,
    count: (full, least = 2) => Math.max(least, Math.round(full * scale)),
    query: (sql) => withClient(server.url, (client) => client.query(sql)),
    withDatabase: (work) => withDatabase(server.url, open, work),
    close: async () => {
      for (const name of open) await dropDatabase(server.url, name);
      await server.close();
    },
  };
}

/** Calls `work` with the URL of a new database that has the product's schema, and drops it afterwards. */
async function withDatabase(server, open, work) {
  const name = `holdpoint_bench_${randomBytes(4).toString('hex')}`;
  const url = Object.assign(new URL(server), { pathname: `/${name}` }).href;
  open.add(name);
  try {
    await withClient(server, (client) => client.query(`create database ${name}`));
    await migrate(url, dataSourceOptions(url));
    return await work(url);
  } finally {
    await dropDatabase(server, name);
    open.delete(name);
  }
}

/** A connection without the product's time limits. */
export async function connect(url) {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // its next query says so; a database that is dropped ends idle connections too
  await client.connect();
  return client;
}

export async function withClient(url, work) {
  const client = await connect(url);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function dropDatabase(server, name) {
  return withClient(server, (client) => client.query(`drop database if exists ${name} with (force)`));
}
