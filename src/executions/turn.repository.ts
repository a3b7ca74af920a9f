import { Injectable } from '@nestjs/common';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import type { ExecutionStatus } from '../workflows/engine/execution-status.js';
import { COMMIT_TURNS } from './commit-turns.sql.js';
import type { NewEvent } from './execution-events.js';
import type { Failure } from './execution.entity.js';
import type { Step } from './step.entity.js';

/** An execution as its holder gets it. */
export interface Claim {
  id: string;
  organization_id: string;
  workflow_id: string;
  version: number;
  input: unknown;
  epoch: number;
  nudges: number;
  started_by: string | null;
  started_at: Date;
}

/** A step as the engine and the runner need it. */
export type StepRow = Pick<
  Step,
  'node_id' | 'iteration' | 'status' | 'attempt' | 'consumed' | 'fired' | 'input' | 'output' | 'error'
> & {
  /** Seconds until it is due by the database's clock; null when nothing is. */
  due_in: number | null;
};

export type StepWrite = Pick<
  Step,
  'node_id' | 'iteration' | 'node_type' | 'status' | 'attempt' | 'consumed' | 'fired'
> &
  Partial<Pick<Step, 'input' | 'output' | 'error' | 'logs'>> & {
    due_at?: string | undefined;
    due_in?: number | undefined;
    /** Seconds since the step began. */
    took: number;
  };

export interface TurnCommit {
  execution_id: string;
  epoch: number;
  /** The nudges that the writer knows of. */
  nudges: number;
  status: ExecutionStatus;
  /** The holder lets go with this commit. */
  released: boolean;
  ended: boolean;
  /** When the execution is due again after letting go: seconds from now, or a moment; the earlier one counts. */
  wake_in?: number | undefined;
  wake_at?: string | undefined;
  output?: unknown;
  error?: Failure | null;
  steps: StepWrite[];
  events: NewEvent[];
}

export interface Receipt {
  execution_id: string;
  epoch: number;
  nudges: number;
}

/** The key space of the workers' session locks: `pg_advisory_lock(WORKER_LOCKS, <worker number>)`. */
export const WORKER_LOCKS = 7_201_121;

/** What workers do: claim, load, commit, renew, recover. Each is one statement conditioned on what it expects. */
@Injectable()
export class TurnRepository {
  /**
   * Takes up to `limit` due executions. SKIP LOCKED lets any number of workers claim at once without waiting for each
   * other or getting the same row; MATERIALIZED keeps the planner from running the subquery, and so its LIMIT, twice.
   */
  async claimDue(tx: Transaction, worker: number, limit: number, leaseSeconds: number): Promise<Claim[]> {
    const { rows } = await runPrepared<Claim>(
      tx,
      'claim_due',
      `with due as materialized (
         select id from executions where wake_at <= now() order by wake_at limit $2 for update skip locked
       )
       update executions e
       set status = 'running', worker = $1, epoch = e.epoch + 1, wake_at = now() + make_interval(secs => $3),
           started_at = coalesce(e.started_at, now())
       from due where e.id = due.id
       returning e.id, e.organization_id, e.workflow_id, e.version, e.input, e.epoch, e.nudges, e.started_by, e.started_at`,
      [worker, limit, leaseSeconds],
    );
    return rows;
  }

  /** Seconds until the next execution is due; null when none will be. */
  async secondsToNextDue(tx: Transaction): Promise<number | null> {
    const { rows } = await runPrepared<{ seconds: number | null }>(
      tx,
      'seconds_to_next_due',
      `select extract(epoch from wake_at - now())::float8 as seconds
       from executions where wake_at is not null order by wake_at limit 1`,
      [],
    );
    return rows[0]?.seconds ?? null;
  }

  async loadSteps(tx: Transaction, executionId: string): Promise<StepRow[]> {
    return (await runPrepared<StepRow>(tx, 'load_steps', LOAD_STEPS, [executionId])).rows;
  }

  /** The named steps as they are now, and the execution's epoch and nudges; null when the claim is lost. */
  async reload(tx: Transaction, claim: Claim, open: { node_id: string; iteration: number }[]) {
    const held: { nudges: number }[] = await tx.query('select nudges from executions where id = $1 and epoch = $2', [
      claim.id,
      claim.epoch,
    ]);
    const nudges = held[0]?.nudges;
    if (nudges === undefined) return null;
    const steps: StepRow[] = await tx.query(
      `${SELECT_STEPS} join json_to_recordset($2::json) as o(node_id text, iteration int) using (node_id, iteration)
       where execution_id = $1`,
      [claim.id, JSON.stringify(open)],
    );
    return { nudges, steps };
  }

  /** Writes what the turns have to say. A turn without a receipt has lost its claim and has changed nothing. */
  async commitTurns(tx: Transaction, commits: TurnCommit[]): Promise<Receipt[]> {
    return (await runPrepared<Receipt>(tx, 'commit_turns', COMMIT_TURNS, [JSON.stringify(commits)])).rows;
  }

  /**
   * One statement for all turns of a worker. A row that is locked is being changed at this moment and is left for the
   * next round, well within its lease: waiting for it could end in a deadlock with a commit of several turns.
   */
  async renewLeases(tx: Transaction, worker: number, ids: string[], leaseSeconds: number): Promise<void> {
    await tx.query(
      `with held as materialized (
         select id from executions where id = any($2::uuid[]) and worker = $1 and ended_at is null
         for update skip locked
       )
       update executions e set wake_at = now() + make_interval(secs => $3) from held where e.id = held.id`,
      [worker, ids, leaseSeconds],
    );
  }

  /** Which of these a person has changed, or another worker has taken, since the holder last looked. */
  async findChanged(tx: Transaction, held: Pick<Claim, 'id' | 'epoch' | 'nudges'>[]): Promise<string[]> {
    const { rows } = await runPrepared<{ id: string }>(
      tx,
      'find_changed',
      `select h.id from json_to_recordset($1::json) as h(id uuid, epoch int, nudges int)
       left join executions e on e.id = h.id and e.epoch = h.epoch
       where e.id is null or e.nudges <> h.nudges`,
      [JSON.stringify(held)],
    );
    return rows.map((row) => row.id);
  }

  /** Lets go of executions without a result; they are due again after `delaySeconds`. */
  async handBack(
    tx: Transaction,
    worker: number,
    held: Pick<Claim, 'id' | 'epoch'>[],
    delaySeconds: number,
  ): Promise<void> {
    await tx.query(
      `update executions e set wake_at = now() + make_interval(secs => $3), worker = null
       from json_to_recordset($2::json) as h(id uuid, epoch int)
       where e.id = h.id and e.epoch = h.epoch and e.worker = $1 and e.ended_at is null`,
      [worker, JSON.stringify(held), delaySeconds],
    );
  }

  /** Makes due what workers held whose session has ended, and says how many executions that were. */
  async releaseDeadWorkers(tx: Transaction): Promise<number> {
    const [, count]: [unknown, number] = await tx.query(
      `update executions set wake_at = now(), worker = null
       where worker is not null and worker not in (
         select objid::bigint::int from pg_locks
         where locktype = 'advisory' and classid = $1::bigint::oid and objsubid = 2 and granted
           and database = (select oid from pg_database where datname = current_database()))`,
      [WORKER_LOCKS],
    );
    return count;
  }
}

const SELECT_STEPS = `
  select node_id, iteration, status, attempt, consumed, fired, input, output, error,
         case when due_at is not null then greatest(extract(epoch from due_at - now()), 0)::float8 end as due_in
  from steps`;

/**
 * In the order in which they ended. Inputs only of what may run again, outputs only of the iteration of a node that ended
 * last: nothing reads the others, and a loop of a thousand rounds with a megabyte each must not come into memory.
 */
const LOAD_STEPS = `
  select node_id, iteration, status, attempt, consumed, fired, error,
         case when status in ('running', 'waiting', 'backing_off') then input end as input,
         case when row_number() over (partition by node_id, status order by ended_at desc, iteration desc) = 1 then output end as output,
         case when due_at is not null then greatest(extract(epoch from due_at - now()), 0)::float8 end as due_in
  from steps where execution_id = $1
  order by ended_at nulls last, iteration`;
