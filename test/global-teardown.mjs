import pg from 'pg';

/** Leaves no process and no database behind; the embedded server keeps its template for the next run. */
export default async function globalTeardown() {
  if (globalThis.holdpointTestServer) {
    await globalThis.holdpointTestServer.stop();
    return;
  }
  const client = new pg.Client({ connectionString: process.env.TEST_SERVER_URL });
  await client.connect();
  const { rows } = await client.query(`select datname from pg_database where datname like 'holdpoint\\_template\\_%'`);
  for (const { datname } of rows) {
    await client.query(`alter database ${datname} is_template false`);
    await client.query(`drop database ${datname}`);
  }
  await client.end();
}
