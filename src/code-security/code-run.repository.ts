import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import { CodeRun } from './code-run.entity.js';
import { CODE_OUTCOMES, type CodeResult, type Language } from './sandbox/sandbox-driver.js';

/** `running` has no outcome yet, `lost` never will: its process was killed. */
export const CODE_RUN_STATUSES = ['running', 'lost', ...CODE_OUTCOMES] as const;
export type CodeRunStatus = (typeof CODE_RUN_STATUSES)[number];

export type CodeRunWithStatus = CodeRun & { status: CodeRunStatus };

/** Whose runs: nobody sees those of others. */
export interface CodeRunOwner {
  organization_id: string;
  user_id: string;
}

export interface CodeRunFilter extends CodeRunOwner {
  limit: number;
  before?: string | undefined;
  status?: CodeRunStatus | undefined;
  language?: Language | undefined;
  code_sha256?: string | undefined;
  created_after?: string | undefined;
  created_before?: string | undefined;
}

/** Whoever still runs it would have ended it by then: the time it may take, and a minute for start and end. */
const STATUS = `coalesce(run.outcome, case
  when run.started_at + make_interval(secs => run.timeout_seconds + 60) < clock_timestamp() then 'lost' else 'running' end)`;

@Injectable()
export class CodeRunRepository {
  /** Once, however often it is tried. */
  async insert(tx: Transaction, run: Partial<CodeRun>): Promise<void> {
    await tx.createQueryBuilder().insert().into(CodeRun).values(run).orIgnore().execute();
  }

  async end(tx: Transaction, id: string, result: CodeResult): Promise<void> {
    const { outcome, error_type, error_line, execution_time, memory_used_mb } = result;
    const [, count]: [unknown, number] = await tx.query(
      `update code_runs set outcome = $2, error_type = $3, error_line = $4, execution_time = $5, memory_used_mb = $6,
         ended_at = clock_timestamp()
       where id = $1 and outcome is null`,
      [id, outcome, error_type, error_line, execution_time, memory_used_mb],
    );
    if (count !== 1) throw new Error(`run ${id} has ended already, or never began`);
  }

  /** For one that got a place but no sandbox. */
  async remove(tx: Transaction, id: string): Promise<void> {
    await tx.delete(CodeRun, { id });
  }

  /** @throws not found, also for somebody else's. */
  async get(tx: Transaction, { organization_id, user_id }: CodeRunOwner, id: string): Promise<CodeRunWithStatus> {
    const [run]: CodeRunWithStatus[] = await tx.query(
      `select run.*, ${STATUS} as status from code_runs run where id = $1 and organization_id = $2 and user_id = $3`,
      [id, organization_id, user_id],
    );
    if (!run) throw notFound('run of code', id);
    return run;
  }

  /** Newest first. */
  list(tx: Transaction, filter: CodeRunFilter): Promise<CodeRunWithStatus[]> {
    const { organization_id, user_id, before, status, language, code_sha256, limit } = filter;
    // As moments: PostgreSQL reads neither the year 0 nor every offset and fraction that RFC 3339 allows.
    const [after, until] = [filter.created_after, filter.created_before].map((text) => text && new Date(text));
    return tx.query(
      `select run.*, ${STATUS} as status from code_runs run
       where organization_id = $1 and user_id = $2
         and ($3::uuid is null or id < $3) and ($4::text is null or ${STATUS} = $4)
         and ($5::text is null or language = $5) and ($6::text is null or code_sha256 = $6)
         and ($7::timestamptz is null or started_at >= $7) and ($8::timestamptz is null or started_at < $8)
       order by id desc limit $9`,
      [organization_id, user_id, before, status, language, code_sha256, after, until, limit],
    );
  }

  /** Those that began so many days ago, oldest first; answers how many are gone. */
  async deleteOld(tx: Transaction, days: number, limit: number): Promise<number> {
    const [, count]: [unknown, number] = await tx.query(
      `delete from code_runs where id in (
         select id from code_runs where started_at < now() - make_interval(days => $1)
         order by started_at limit $2 for update skip locked)`,
      [days, limit],
    );
    return count;
  }
}
