import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The schema of pg-boss, made by its own plan for the version that is installed, so that the product needs no right to
 * change schemas while it runs. When a newer pg-boss wants another one, `jobs.db-spec.ts` fails: add a migration with
 * `getMigrationPlans('pgboss', <the version before>)` that does nothing where the version is there already.
 */
export class Jobs1764000200000 implements MigrationInterface {
  name = 'Jobs1764000200000';

  async up(runner: QueryRunner): Promise<void> {
    const { getConstructionPlans } = await import('pg-boss'); // here, so that a start without migrations does not load it
    await runner.query(withoutTransaction(getConstructionPlans('pgboss')));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP SCHEMA pgboss CASCADE');
  }
}

/** A migration has a transaction already. */
function withoutTransaction(plan: string): string {
  const [, statements] = /^\s*BEGIN;(.*)COMMIT;\s*$/s.exec(plan) ?? [];
  if (statements === undefined) throw new Error('the plan of pg-boss is no single transaction');
  return statements;
}
