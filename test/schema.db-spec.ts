import { DataSource } from 'typeorm';
import { CHECKPOINT_STATUSES } from '../src/checkpoints/checkpoint-status.js';
import { dataSourceOptions } from '../src/data-source.js';
import { migrate } from '../src/platform/database/migrate.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

describe('the schema', () => {
  let database: TestDatabase;
  let source: DataSource;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(dataSourceOptions(database.url)).initialize();
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  it('is after all migrations exactly what the entities say', async () => {
    const drift = await source.driver.createSchemaBuilder().log();
    expect(drift.upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('admits the statuses of a checkpoint that the code knows and no others', async () => {
    const checks = await database.query<{ definition: string }>(
      `select pg_get_constraintdef(oid) as definition from pg_constraint where conrelid = 'checkpoints'::regclass and contype = 'c'`,
    );
    const admitted = [...(checks[0]?.definition ?? '').matchAll(/'(\w+)'::text/g)].map((match) => String(match[1]));
    expect(admitted.toSorted()).toEqual([...CHECKPOINT_STATUSES].toSorted());
  });

  it('goes down and up again, and ten instances may bring it up at once', async () => {
    for (const _ of source.migrations) await source.undoLastMigration();
    const tables = await database.query(
      `select 1 from pg_tables where schemaname = 'public' and tablename <> 'schema_migrations'`,
    );
    expect(tables).toEqual([]);
    const runs = await Promise.all(
      Array.from({ length: 10 }, () => migrate(database.url, dataSourceOptions(database.url))),
    );
    expect(runs.filter((names) => names.length > 0)).toHaveLength(1);
  });
});
