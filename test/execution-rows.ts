import { v7 as uuidv7 } from 'uuid';
import type { TestDatabase } from './test-database.js';

/** Rows that an execution needs, made by SQL: for tests of what workers do, without an API. */
export async function insertWorkflow(database: TestDatabase, definition: object) {
  const [organization, user, workflow] = [uuidv7(), uuidv7(), uuidv7()];
  await database.query(`insert into organizations (id, name) values ($1, 'Test')`, [organization]);
  await database.query(`insert into users (id, email, name, password_hash) values ($1, $2, 'Ann', '')`, [user, user]);
  await database.query(`insert into workflows (id, organization_id, name, created_by) values ($1, $2, 'Test', $3)`, [
    workflow,
    organization,
    user,
  ]);
  await database.query(
    `insert into workflow_versions (workflow_id, number, definition, created_by) values ($1, 1, $2, $3)`,
    [workflow, JSON.stringify(definition), user],
  );
  return { organization, user, workflow };
}

/** Due executions of that workflow. */
export async function insertExecutions(
  database: TestDatabase,
  of: { organization: string; workflow: string },
  count: number,
  input: unknown = null,
): Promise<string[]> {
  const ids = Array.from({ length: count }, () => uuidv7());
  await database.query(
    `insert into executions (id, organization_id, workflow_id, version, status, input, wake_at, last_event)
     select id, $2, $3, 1, 'queued', $4, now(), 1 from unnest($1::uuid[]) as id`,
    [ids, of.organization, of.workflow, JSON.stringify(input)],
  );
  await database.query(
    `insert into execution_events (execution_id, seq, type) select id, 1, 'execution.started' from unnest($1::uuid[]) as id`,
    [ids],
  );
  return ids;
}
