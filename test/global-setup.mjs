import { startEmbeddedPostgres } from '../src/platform/database/embedded-postgres.ts';

/** Gives every test file one server to make its own databases on: that of DATABASE_URL, or the embedded one. */
export default async function globalSetup() {
  if (process.env.DATABASE_URL) {
    process.env.TEST_SERVER_URL = process.env.DATABASE_URL;
    return;
  }
  const server = await startEmbeddedPostgres({ dir: '.holdpoint/test-postgres', database: 'postgres' });
  process.env.TEST_SERVER_URL = server.url;
  globalThis.holdpointTestServer = server;
}
