import { Injectable } from '@nestjs/common';
import type { PreparedRecord } from '../audit/audit.service.js';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import type { ExecutionStatus } from '../workflows/engine/execution-status.js';
import type { NewEvent } from './execution-events.js';
import type { Execution, Failure } from './execution.entity.js';
import type { StepKey } from './settled.js';
import type { Snapshot } from './snapshot.js';
import type { StepAttempt } from './step-attempt.entity.js';
import type { Step } from './step.entity.js';

/** An execution as its holder gets it. */
export type Claim = Pick<
  Execution,
  | 'id'
  | 'organization_id'
  | 'workflow_id'
  | 'version'
  | 'input'
  | 'error'
  | 'epoch'
  | 'nudges'
  | 'changes'
  | 'ending'
  | 'compensable'
  | 'snapshot'
  | 'priority'
  | 'concurrency_key'
  | 'parent_id'
  | 'parent_node'
  | 'parent_iteration'
  | 'item_index'
  | 'scope'
  | 'depth'
  | 'paused_at'
  | 'started_by'
> & {
  started_at: Date;
  /** Milliseconds by which the database's clock is ahead of the holder's; undefined for one who holds nothing. */
  clock_ahead?: number;
};

/** A step as the engine and the runner need it. */
export type StepRow = Pick<
  Step,
  | 'node_id'
  | 'iteration'
  | 'status'
  | 'attempt'
  | 'consumed'
  | 'fired'
  | 'input'
  | 'output'
  | 'error'
  | 'signal'
  | 'correlation_key'
> & {
  /** Seconds until it is due by the database's clock; null when nothing is. */
  due_in: number | null;
  /** It was done by the execution that this one repeats. */
  kept: boolean;
};

export type StepWrite = Pick<
  Step,
  'node_id' | 'iteration' | 'node_type' | 'status' | 'attempt' | 'consumed' | 'fired'
> &
  Partial<Pick<Step, 'input' | 'output' | 'error' | 'logs'>> & {
    signal?: string | null | undefined;
    correlation_key?: string | null | undefined;
    due_at?: string | undefined;
    due_in?: number | undefined;
    /** By the database's clock, in seconds since 1970; the present if left out. */
    began?: number | undefined;
    ended?: number | undefined;
  };

export type AttemptWrite = Pick<StepAttempt, 'node_id' | 'iteration' | 'attempt' | 'error' | 'logs'> & { took: number };

export interface TurnCommit {
  execution_id: string;
  epoch: number;
  /** The nudges and changes that the writer knows of. */
  nudges: number;
  changes: number;
  /** By somebody who does not hold the execution but has locked its row; the status is left as it is. */
  outside: boolean;
  status: ExecutionStatus;
  /** How the execution will have ended when it is undone. */
  ending?: 'failed' | 'cancelled' | undefined;
  /** The holder lets go with this commit. */
  released: boolean;
  ended: boolean;
  compensable: boolean;
  /** Only with the commit that lets go. */
  snapshot?: Snapshot | null;
  /** When the execution is due again after letting go: seconds from now, or a moment; the earlier one counts. */
  wake_in?: number | undefined;
  wake_at?: string | undefined;
  output?: unknown;
  error?: Failure | null;
  steps: StepWrite[];
  events: NewEvent[];
  attempts?: AttemptWrite[] | undefined;
}

export interface Receipt {
  execution_id: string;
  epoch: number;
  nudges: number;
}

const CLAIMED = `e.id, e.organization_id, e.workflow_id, e.version, e.input, e.error, e.epoch, e.nudges, e.changes, e.ending,
  e.compensable, e.snapshot, e.priority, e.concurrency_key, e.parent_id, e.parent_node, e.parent_iteration, e.item_index, e.paused_at, e.scope, e.depth, e.started_by,
  e.started_at, (extract(epoch from clock_timestamp()) * 1000)::float8 as database_now`;

/** The key space of the workers' session locks: `pg_advisory_lock(WORKER_LOCKS, <worker number>)`. */
export const WORKER_LOCKS = 7_201_121;

/** What workers do: claim, load, commit, renew, recover. Each is one statement conditioned on what it expects. */
@Injectable()
export class TurnRepository {
  /**
   * Takes up to `limit` due executions. SKIP LOCKED lets any number of workers claim at once without waiting for each
   * other or getting the same row; MATERIALIZED keeps the planner from running the subquery, and so its LIMIT, twice.
   */
  async claimDue(tx: Transaction, worker: number, limit: number, leaseSeconds: number): Promise<FreshClaim[]> {
    const { rows } = await runPrepared<FreshClaim>(
      tx,
      'claim_due',
      `with due as materialized (
         select due.id from (values (1), (0), (-1)) as p(priority) cross join lateral (
           select id from executions e where e.priority = p.priority and wake_at <= now()
           order by wake_at limit $2 for update skip locked
         ) due limit $2
       )
       update executions e
       set status = case when e.ending is null then 'running' else 'compensating' end, worker = $1,
           epoch = e.epoch + 1, wake_at = now() + make_interval(secs => $3), started_at = coalesce(e.started_at, now())
       from due where e.id = due.id
       returning ${CLAIMED}`,
      [worker, limit, leaseSeconds],
    );
    return rows;
  }

  /**
   * Like `claimDue`, but no organization has more than `perOrganization` executions held (0: any number), and no workflow
   * more than its `max_running`. One claim at a time: each has to count what the others took.
   */
  async claimWithinLimits(
    tx: Transaction,
    worker: number,
    limit: number,
    leaseSeconds: number,
    perOrganization: number,
  ) {
    await tx.query('select pg_advisory_xact_lock($1)', [CLAIM_LOCK]);
    const values = [worker, limit, leaseSeconds, perOrganization];
    return (await runPrepared<FreshClaim>(tx, 'claim_within_limits', CLAIM_WITHIN_LIMITS, values)).rows;
  }

  /** Whether any workflow has a limit of its own. */
  async hasLimitedWorkflows(tx: Transaction): Promise<boolean> {
    const rows: unknown[] = await tx.query('select 1 from workflows where max_running is not null limit 1');
    return rows.length > 0;
  }

  /** By the function of the same name in the migrations, which has the rules. */
  async startExecutions(tx: Transaction, rows: NewExecutionRow[]): Promise<StartedExecution[]> {
    const text = `select *, (extract(epoch from clock_timestamp()) * 1000)::float8 as database_now
                  from start_executions($1::json)`;
    return (await runPrepared<StartedExecution>(tx, 'start_executions', text, [JSON.stringify(rows)])).rows;
  }

  /** Seconds until the next execution is due; null when none will be. By priority, as the index is. */
  async secondsToNextDue(tx: Transaction): Promise<number | null> {
    const { rows } = await runPrepared<{ seconds: number | null }>(
      tx,
      'seconds_to_next_due',
      `select extract(epoch from min(next.wake_at) - now())::float8 as seconds
       from (values (1), (0), (-1)) as p(priority) cross join lateral (
         select wake_at from executions e where e.priority = p.priority and wake_at is not null order by wake_at limit 1
       ) next`,
      [],
    );
    return rows[0]?.seconds ?? null;
  }

  /** @param outputsOf nodes of which the outputs of all iterations are wanted, not only of the last */
  async loadSteps(tx: Transaction, executionId: string, outputsOf: readonly string[] = []): Promise<StepRow[]> {
    return (await runPrepared<StepRow>(tx, 'load_steps', LOAD_STEPS, [executionId, outputsOf])).rows;
  }

  /** An execution that nobody holds, with its steps, as they are at one moment. */
  async readParked(tx: Transaction, id: string): Promise<Parked | null> {
    const text = `select to_json(e) as execution, (select coalesce(json_agg(s), '[]') from (${LOAD_STEPS}) s) as steps
                  from executions e where id = $1 and worker is null and ended_at is null and cardinality($2::text[]) = 0`;
    const { rows } = await runPrepared<Parked>(tx, 'read_parked', text, [id, []]);
    if (!rows[0]) return null;
    const { execution, steps } = rows[0];
    return { execution: { ...execution, ...datesOf(execution) }, steps };
  }

  /** The open steps and the named ones: what a snapshot leaves to be read. */
  async loadNamedSteps(tx: Transaction, executionId: string, kept: readonly StepKey[]): Promise<StepRow[]> {
    return (await runPrepared<StepRow>(tx, 'load_named_steps', LOAD_NAMED_STEPS, [executionId, JSON.stringify(kept)]))
      .rows;
  }

  /** What a holder has to know of its execution besides the steps; null when the claim is lost. */
  async look(tx: Transaction, { id, epoch }: Pick<Claim, 'id' | 'epoch'>): Promise<Sight | null> {
    const { rows } = await runPrepared<Sight>(
      tx,
      'look_at_execution',
      `select nudges, changes, compensable, paused_at is not null as paused,
              (extract(epoch from clock_timestamp()) * 1000)::float8 as database_now
       from executions where id = $1 and epoch = $2`,
      [id, epoch],
    );
    return rows[0] ?? null;
  }

  /**
   * Writes what the turns have to say, by the function of the same name in the migrations, which has the rules. A turn
   * without a receipt has changed nothing: its claim is lost, or somebody else has changed the execution.
   */
  async commitTurns(tx: Transaction, commits: TurnCommit[]): Promise<Receipt[]> {
    const text = 'select * from commit_turns($1::json)';
    return (await runPrepared<Receipt>(tx, 'commit_turns', text, [JSON.stringify(commits)])).rows;
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
  async findChanged(tx: Transaction, held: Pick<Claim, 'id' | 'epoch' | 'nudges' | 'changes'>[]): Promise<string[]> {
    const { rows } = await runPrepared<{ id: string }>(
      tx,
      'find_changed',
      `select h.id from json_to_recordset($1::json) as h(id uuid, epoch int, nudges int, changes int)
       left join executions e on e.id = h.id and e.epoch = h.epoch
       where e.id is null or e.nudges <> h.nudges or e.changes <> h.changes`,
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

/** Claims within limits are made one after the other. */
const CLAIM_LOCK = 7_201_124;

/** A lease that has run out holds nothing: its execution is among those that are due. */
const CLAIM_WITHIN_LIMITS = `
  with held as materialized (
    select organization_id, workflow_id, count(*)::int as count from executions
    where worker is not null and wake_at > now() group by organization_id, workflow_id
  ), busy as materialized (
    select organization_id, sum(count)::int as count from held group by organization_id
  ), candidates as materialized (
    select due.* from (values (1), (0), (-1)) as p(priority) cross join lateral (
      select e.id, e.organization_id, e.workflow_id, e.priority, e.wake_at from executions e
      where e.priority = p.priority and e.wake_at <= now()
        and not exists (select 1 from busy b where b.organization_id = e.organization_id and $4 > 0 and b.count >= $4)
        and not exists (select 1 from held h join workflows w on w.id = h.workflow_id
                        where h.workflow_id = e.workflow_id and h.count >= w.max_running)
      order by e.wake_at limit $2 for update of e skip locked
    ) due limit $2
  ), placed as (
    select c.id, w.max_running,
      coalesce(b.count, 0) + row_number() over (partition by c.organization_id order by c.priority desc, c.wake_at) as place,
      coalesce(h.count, 0) + row_number() over (partition by c.workflow_id order by c.priority desc, c.wake_at) as workflow_place
    from candidates c join workflows w on w.id = c.workflow_id
    left join busy b on b.organization_id = c.organization_id
    left join held h on h.workflow_id = c.workflow_id
  )
  update executions e
  set status = case when e.ending is null then 'running' else 'compensating' end, worker = $1, epoch = e.epoch + 1,
      wake_at = now() + make_interval(secs => $3), started_at = coalesce(e.started_at, now())
  from placed
  where e.id = placed.id and ($4 = 0 or placed.place <= $4)
    and (placed.max_running is null or placed.workflow_place <= placed.max_running)
  returning ${CLAIMED}`;

export type NewExecutionRow = Pick<
  Execution,
  'id' | 'organization_id' | 'workflow_id' | 'input' | 'started_by' | 'priority' | 'idempotency_key' | 'request_hash'
> & {
  /** The current one if null. */
  version: number | null;
  /** The worker that takes it at once, and for how many seconds. */
  worker: number | null;
  lease: number;
  audit: PreparedRecord;
};

export type StartedExecution = Execution & FreshClaim;

export interface Parked {
  execution: Execution;
  steps: StepRow[];
}

/** JSON has no dates. */
function datesOf({ created_at, started_at }: Execution): Pick<Execution, 'created_at' | 'started_at'> {
  return { created_at: new Date(created_at), started_at: started_at && new Date(started_at) };
}

/** A claim at the moment it is made, in milliseconds since 1970. */
export type FreshClaim = Claim & { database_now: number };

/** What the holder of a claim sees when it looks again. */
export interface Sight {
  nudges: number;
  changes: number;
  compensable: boolean;
  /** People want it to stand still. */
  paused: boolean;
  /** Milliseconds since 1970. */
  database_now: number;
}

const NAMED_STEP = `s.node_id, s.iteration, s.status, s.attempt, s.consumed, s.fired, s.error, s.signal, s.correlation_key,
  s.input, s.output, s.ended_at,
  case when s.due_at is not null then greatest(extract(epoch from s.due_at - now()), 0)::float8 end as due_in,
  false as kept`;

/** Both halves find their rows by an index, however many steps there are. */
const LOAD_NAMED_STEPS = `
  select * from (
    select ${NAMED_STEP} from steps s
    where s.execution_id = $1 and s.status in ('running', 'waiting', 'backing_off')
    union all
    select ${NAMED_STEP} from json_to_recordset($2::json) as k(node_id text, iteration int)
    join steps s on s.execution_id = $1 and s.node_id = k.node_id and s.iteration = k.iteration
  ) as named order by ended_at nulls last, iteration`;

/**
 * In the order in which they ended. Inputs only of what may run again, outputs only of the iteration of a node that ended
 * last: nothing reads the others, and a loop of a thousand rounds with a megabyte each must not come into memory.
 */
const LOAD_STEPS = `
  select node_id, iteration, status, attempt, consumed, fired, error, signal, correlation_key,
         case when status in ('running', 'waiting', 'backing_off') then input end as input,
         case when row_number() over (partition by node_id, status order by ended_at desc, iteration desc) = 1
                or node_id = any($2) then output end as output,
         case when due_at is not null then greatest(extract(epoch from due_at - now()), 0)::float8 end as due_in,
         coalesce(ended_at < (select created_at from executions where id = $1), false) as kept
  from steps where execution_id = $1
  order by ended_at nulls last, iteration`;
