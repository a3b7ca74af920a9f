import type { MigrationInterface, QueryRunner } from 'typeorm';

const BEFORE = 'logs = excluded.logs,';
const AFTER = `logs = CASE WHEN excluded.status = 'cancelled' THEN coalesce(excluded.logs, steps.logs) ELSE excluded.logs END,`;

/** A step that is cancelled keeps what it had printed: one line of `commit_turns`, the rest of which stays as it is. */
export class LogsOfCancelledSteps1764100200000 implements MigrationInterface {
  name = 'LogsOfCancelledSteps1764100200000';

  async up(runner: QueryRunner): Promise<void> {
    await replaceInCommitTurns(runner, BEFORE, AFTER);
  }

  async down(runner: QueryRunner): Promise<void> {
    await replaceInCommitTurns(runner, AFTER, BEFORE);
  }
}

async function replaceInCommitTurns(runner: QueryRunner, before: string, after: string): Promise<void> {
  const [row] = (await runner.query(`SELECT pg_get_functiondef('commit_turns(json)'::regprocedure) AS text`)) as {
    text: string;
  }[];
  const parts = row?.text.split(before) ?? [];
  if (parts.length !== 2) throw new Error(`commit_turns was expected to have ${JSON.stringify(before)} exactly once.`);
  await runner.query(parts.join(after));
}
