import { Injectable } from '@nestjs/common';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import type { ExecutionStatus } from '../workflows/engine/execution-status.js';
import { ExecutionEvent } from './execution-event.entity.js';
import type { NewEvent } from './execution-events.js';
import { Execution } from './execution.entity.js';
import type { StepKey } from './settled.js';
import { StepAttempt } from './step-attempt.entity.js';
import { Step } from './step.entity.js';

type NewRow = Partial<Execution> & Pick<Execution, 'id' | 'organization_id'>;

export interface ExecutionFilter {
  organization_id: string;
  workflow_id?: string | undefined;
  status?: ExecutionStatus | undefined;
  /** Those that a step of this one made, or that repeat it. */
  parent_id?: string | undefined;
  forked_from?: string | undefined;
  created_after?: string | undefined;
  created_before?: string | undefined;
  /** A part of the text or the code of the error, in any case. */
  error?: string | undefined;
  before?: string | undefined;
  limit: number;
}

const SUMMARY = [
  'id',
  'workflow_id',
  'version',
  'status',
  'error',
  'priority',
  'concurrency_key',
  'paused_at',
  'parent_id',
  'parent_node',
  'parent_iteration',
  'item_index',
  'forked_from',
  'forked_node',
  'forked_iteration',
  'started_by',
  'created_at',
  'started_at',
  'ended_at',
] as const satisfies (keyof Execution)[];

/** What people and the API do with executions. What workers do with them is in `turn.repository.ts`. */
@Injectable()
export class ExecutionRepository {
  /** Queues it: due from now on, or when its lane is free. Its first event is number 1. */
  async insert(tx: Transaction, execution: NewRow, event: NewEvent): Promise<void> {
    const { organization_id: organization, concurrency_key: key } = execution;
    if (key) await this.lockLanes(tx, [{ organization, key }]);
    const goes = !key || (await this.isLaneFree(tx, { organization, key }));
    const due = goes ? { wake_at: () => 'now()' } : {};
    await tx.insert(Execution, { ...execution, ...due, status: 'queued', last_event: 1 } as never);
    await tx.insert(ExecutionEvent, { ...event, execution_id: execution.id, seq: 1 } as never);
  }

  /** What was started with an idempotency key. */
  findStarted(tx: Transaction, organization_id: string, started_by: string, idempotency_key: string) {
    return tx.findOneBy(Execution, { organization_id, started_by, idempotency_key });
  }

  /** Steps of one execution as those of another that repeats it. */
  async copySteps(tx: Transaction, from: string, to: string, steps: readonly StepKey[]): Promise<void> {
    await tx.query(
      `insert into steps (execution_id, node_id, iteration, node_type, status, attempt, consumed, fired, input, output, error,
                          logs, started_at, ended_at)
       select $2, node_id, iteration, node_type, status, attempt, consumed, fired, input, output, error, logs, started_at,
              ended_at
       from steps join json_to_recordset($3::json) as kept(node_id text, iteration int) using (node_id, iteration)
       where execution_id = $1`,
      [from, to, JSON.stringify(steps.map(({ node_id, iteration }) => ({ node_id, iteration })))],
    );
  }

  /** @throws not found, also for an execution of another organization. */
  async get(tx: Transaction, organizationId: string, id: string): Promise<Execution> {
    const execution = await tx.findOneBy(Execution, { id, organization_id: organizationId });
    if (!execution) throw notFound('execution', id);
    return execution;
  }

  /** Newest first, without inputs and outputs, which may be large. */
  list(tx: Transaction, filter: ExecutionFilter): Promise<Execution[]> {
    const query = tx
      .createQueryBuilder(Execution, 'execution')
      .select(SUMMARY.map((column) => `execution.${column}`))
      .where('execution.organization_id = :organization', { organization: filter.organization_id })
      .orderBy('execution.id', 'DESC')
      .limit(filter.limit);
    if (filter.workflow_id) query.andWhere('execution.workflow_id = :workflow', { workflow: filter.workflow_id });
    if (filter.status) query.andWhere('execution.status = :status', { status: filter.status });
    if (filter.parent_id) query.andWhere('execution.parent_id = :parent', { parent: filter.parent_id });
    if (filter.forked_from) query.andWhere('execution.forked_from = :origin', { origin: filter.forked_from });
    // As moments: PostgreSQL reads neither the year 0 nor every offset and fraction that RFC 3339 allows.
    const { created_after: after, created_before: until } = filter;
    if (after) query.andWhere('execution.created_at >= :after', { after: new Date(after) });
    if (until) query.andWhere('execution.created_at < :until', { until: new Date(until) });
    if (filter.error) {
      query.andWhere(`execution.status = 'failed'`).andWhere(ERROR_CONTAINS, { error: filter.error.toLowerCase() });
    }
    if (filter.before) query.andWhere('execution.id < :before', { before: filter.before });
    return query.getMany();
  }

  /**
   * In the order in which they started. Values only of the last thousand, and of these only the last that have so many
   * characters together: an answer has to fit into memory.
   */
  listSteps(tx: Transaction, executionId: string, maxLength: number): Promise<ListedStep[]> {
    return tx.query(LIST_STEPS, [executionId, maxLength]);
  }

  /** Without values. */
  listOutlines(tx: Transaction, executionId: string): Promise<StepOutline[]> {
    return tx.query(
      'select node_id, iteration, status, consumed, fired, error from steps where execution_id = $1 order by started_at',
      [executionId],
    );
  }

  /** Signals by key that nobody took in so many days. */
  async deleteForgottenSignals(tx: Transaction, days: number): Promise<void> {
    await tx.query(
      `delete from signals
       where taken_at is null and execution_id is null and received_at < now() - make_interval(days => $1)`,
      [days],
    );
  }

  findStep(tx: Transaction, execution_id: string, { node_id, iteration }: StepKey): Promise<Step | null> {
    return tx.findOneBy(Step, { execution_id, node_id, iteration });
  }

  listAttempts(tx: Transaction, execution_id: string, { node_id, iteration }: StepKey): Promise<StepAttempt[]> {
    return tx.find(StepAttempt, { where: { execution_id, node_id, iteration }, order: { attempt: 'ASC' } });
  }

  /** When the last try of a step began; null for a step that did its work in one go. */
  async findLastStart(tx: Transaction, execution_id: string, key: StepKey): Promise<Date | null> {
    const event = await tx.findOne(ExecutionEvent, {
      where: { execution_id, node_id: key.node_id, iteration: key.iteration, type: 'step.started' },
      order: { seq: 'DESC' },
    });
    return event?.occurred_at ?? null;
  }

  listEvents(tx: Transaction, executionId: string, after: number, limit: number): Promise<ExecutionEvent[]> {
    return tx
      .createQueryBuilder(ExecutionEvent, 'event')
      .where('event.execution_id = :executionId AND event.seq > :after', { executionId, after })
      .orderBy('event.seq', 'ASC')
      .limit(limit)
      .getMany();
  }

  /** Keeps holder and people apart until the transaction ends; taken before any other row of the execution. */
  async lock(tx: Transaction, id: string): Promise<Execution> {
    const text = 'select * from executions where id = $1 for update';
    const { rows } = await runPrepared<Execution>(tx, 'lock_execution', text, [id]);
    if (!rows[0]) throw notFound('execution', id);
    return rows[0];
  }

  /**
   * Tells whoever holds the execution that something changed; without a holder it becomes due, unless it is paused or
   * queues behind others, whose turn it must not take.
   */
  async nudge(tx: Transaction, id: string): Promise<void> {
    await tx.query(
      `update executions
       set nudges = nudges + 1,
           wake_at = case when worker is null and paused_at is null and (wake_at is not null or status <> 'queued')
             then now() else wake_at end
       where id = $1 and ended_at is null`,
      [id],
    );
  }

  /**
   * Ends them from outside, whoever holds them: the holder's epoch is over. Those with something to undo begin to, once.
   * Answers what has changed; who had ended, or was being undone already, is not among them.
   */
  async cancel(tx: Transaction, ids: readonly string[], data: unknown): Promise<Pick<Execution, 'id' | 'ending'>[]> {
    const rows: Pick<Execution, 'id' | 'ending'>[] = await tx.query(
      `with cancelled as (
         update executions
         set status = case when compensable then 'compensating' else 'cancelled' end,
             ending = case when compensable then 'cancelled' end,
             wake_at = case when compensable then now() end,
             ended_at = case when compensable then null else now() end,
             epoch = epoch + 1, worker = null, paused_at = null, last_event = last_event + 1
         where id = any($1) and ended_at is null and ending is null
         returning id, ending, status, last_event
       ), events as (
         insert into execution_events (execution_id, seq, type, data)
         select id, last_event, 'execution.' || status, $2::json from cancelled
       )
       select id, ending from cancelled`,
      [ids, JSON.stringify(data)],
    );
    return rows;
  }

  /** What was still open when the executions ended will not end by itself. Their errors say why they are cancelled. */
  async cancelOpenSteps(tx: Transaction, executionIds: readonly string[]): Promise<void> {
    await tx.query(
      `update steps set status = 'cancelled', ended_at = clock_timestamp(), error = $2
       where execution_id = any($1) and status in ('running', 'waiting', 'backing_off')`,
      [executionIds, JSON.stringify(ENDED_WITH_EXECUTION)],
    );
  }

  /**
   * This one and all below that have not ended; answers those who have to be told. Who queues behind others goes on
   * queueing, and stands still when its turn has come.
   */
  async pause(tx: Transaction, id: string, event: NewEvent): Promise<string[]> {
    const rows: { id: string }[] = await tx.query(
      `${FAMILY}, paused as (
         update executions e
         set paused_at = now(), nudges = nudges + 1, last_event = last_event + 1,
             status = case when worker is null and (wake_at is not null or status <> 'queued')
               then 'paused' else status end,
             wake_at = case when worker is null then null else wake_at end
         from family f where e.id = f.id and e.ended_at is null and e.ending is null and e.paused_at is null
         returning e.id, e.last_event
       ), events as (
         insert into execution_events (execution_id, seq, type, data) select id, last_event, $2, $3::json from paused
       )
       select id from paused`,
      [id, event.type, JSON.stringify(event.data)],
    );
    return rows.map((row) => row.id);
  }

  /** This one and all below that are paused. */
  async resume(tx: Transaction, id: string, event: NewEvent): Promise<string[]> {
    const rows: { id: string }[] = await tx.query(
      `${FAMILY}, resumed as (
         update executions e
         set paused_at = null, nudges = nudges + 1, last_event = last_event + 1,
             status = case when status = 'paused' then 'queued' else status end,
             wake_at = case when status = 'paused' then now() else wake_at end
         from family f where e.id = f.id and e.paused_at is not null
         returning e.id, e.last_event
       ), events as (
         insert into execution_events (execution_id, seq, type, data) select id, last_event, $2, $3::json from resumed
       )
       select id from resumed`,
      [id, event.type, JSON.stringify(event.data)],
    );
    return rows.map((row) => row.id);
  }

  /**
   * A failed execution is queued again. What ran when it failed runs again under the same iteration, so with the same
   * idempotency key; what waited starts anew, as the next iteration. False when no step failed.
   */
  async retry(tx: Transaction, { id, organization_id, concurrency_key }: Execution, event: NewEvent): Promise<boolean> {
    const failed: unknown[] = await tx.query(
      `select 1 from steps where execution_id = $1 and status = 'failed' and error->>'handled' is null limit 1`,
      [id],
    );
    if (failed.length === 0) return false;
    await tx.query(
      `insert into step_attempts (execution_id, node_id, iteration, attempt, error, logs, started_at, ended_at)
       select execution_id, node_id, iteration, attempt, error, logs,
              coalesce((select max(e.occurred_at) from execution_events e
                        where e.execution_id = s.execution_id and e.node_id = s.node_id and e.iteration = s.iteration
                          and e.type = 'step.started'), started_at), ended_at
       from steps s where execution_id = $1 and status = 'failed' and error->>'handled' is null
       on conflict do nothing`,
      [id],
    );
    await tx.query(REOPEN_STEPS, [id, ENDED_WITH_EXECUTION.code]);
    const free =
      !concurrency_key || (await this.isLaneFree(tx, { organization: organization_id, key: concurrency_key }));
    await tx.query(
      `update executions
       set status = 'queued', error = null, ended_at = null, wake_at = case when $2 then now() end
       where id = $1`,
      [id, free],
    );
    await this.addEvent(tx, id, event);
    return true;
  }

  /** Keeps apart, until the transaction ends, who starts and who ends executions with the same concurrency key. */
  async lockLanes(tx: Transaction, lanes: readonly Lane[]): Promise<void> {
    for (const { organization, key } of lanes) {
      await tx.query('select pg_advisory_xact_lock($1, hashtext($2))', [LANE_LOCKS, `${organization} ${key}`]);
    }
  }

  async isLaneFree(tx: Transaction, { organization, key }: Lane): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select 1 from executions where organization_id = $1 and concurrency_key = $2 and ended_at is null limit 1`,
      [organization, key],
    );
    return rows.length === 0;
  }

  /**
   * Answers the one that may go now, if any waits and none goes. Who goes need not be the first: one that is tried again
   * queues before it.
   */
  async startNextInLane(tx: Transaction, { organization, key }: Lane): Promise<string[]> {
    const rows: [{ id: string }[], number] = await tx.query(
      `with lane as (
         select id, status <> 'queued' or wake_at is not null as goes from executions
         where organization_id = $1 and concurrency_key = $2 and ended_at is null
       )
       update executions set wake_at = now()
       where id = (select id from lane where not exists (select 1 from lane where goes) order by id limit 1)
       returning id`,
      [organization, key],
    );
    return rows[0].map(({ id }) => id);
  }

  /** Up to `limit` that were started by themselves and ended so many days ago, and all below; answers how many in all. */
  async deleteEnded(tx: Transaction, days: number, limit: number): Promise<number> {
    const rows: { id: string }[] = await tx.query(
      `with recursive roots as materialized (
         select id from executions
         where ended_at < now() - make_interval(days => $1) and parent_node is null
           and not exists (select 1 from executions c where c.parent_id = executions.id and c.ended_at is null)
         order by ended_at limit $2 for update skip locked
       ), family as (
         select id from roots
         union all
         select e.id from executions e join family f on e.parent_id = f.id where e.parent_node is not null
       )
       select id from family`,
      [days, limit],
    );
    const ids = rows.map(({ id }) => id);
    for (const table of ['steps', 'step_attempts', 'execution_events']) {
      await tx.query(`delete from ${table} where execution_id = any($1)`, [ids]);
    }
    await tx.query('delete from signals where execution_id = any($1) or taken_by = any($1)', [ids]);
    await tx.query('delete from executions where id = any($1)', [ids]);
    return ids.length;
  }

  private async addEvent(tx: Transaction, id: string, event: NewEvent): Promise<void> {
    const rows: [{ last_event: number }[], number] = await tx.query(
      'update executions set last_event = last_event + 1 where id = $1 returning last_event',
      [id],
    );
    const [row] = rows[0];
    if (row) await tx.insert(ExecutionEvent, { ...event, execution_id: id, seq: row.last_event } as never);
  }
}

/** The execution `$1` and those below it that have not ended. */
const FAMILY = `
  with recursive family as (
    select id from executions where id = $1
    union all
    select e.id from executions e join family f on e.parent_id = f.id
    where e.parent_node is not null and e.ended_at is null
  )`;

const ERROR_CONTAINS = `position(:error in lower(concat(execution.error->>'code', ' ', execution.error->>'message'))) > 0`;

/** Of steps that were still open when their execution ended. */
const ENDED_WITH_EXECUTION = { code: 'EXECUTION_ENDED', message: 'The execution ended while the step was open.' };

/** Types whose steps do their work in one go, so that they can do it again. */
const WORK = `('code', 'http', 'transform', 'branch', 'end')`;

const REOPEN_STEPS = `
  update steps set
    status = case when node_type in ${WORK} then 'backing_off' else status end,
    attempt = case when node_type in ${WORK} and status = 'cancelled' then attempt - 1 else attempt end,
    due_at = case when node_type in ${WORK} then now() end,
    ended_at = case when node_type in ${WORK} then null else ended_at end,
    consumed = case when node_type in ${WORK} then consumed else '[]' end,
    error = case
      when status = 'cancelled' then null
      when node_type in ${WORK} then error
      else (error::jsonb || '{"handled": true}')::json end
  where execution_id = $1 and ((status = 'failed' and error->>'handled' is null)
    or (status = 'cancelled' and error->>'code' = $2))`;

export type ListedStep = Step & { values_left_out: boolean };

export type StepOutline = Pick<Step, 'node_id' | 'iteration' | 'status' | 'consumed' | 'fired' | 'error'>;

const LIST_STEPS = `
  with placed as (
    select *, row_number() over (order by started_at desc, node_id desc, iteration desc) as place
    from steps where execution_id = $1
  ), measured as (
    select *, case when place <= 1000 then sum(
      case when place <= 1000 then coalesce(length(input::text), 0) + coalesce(length(output::text), 0)
        + coalesce(length(logs::text), 0) end) over (order by place) end as total
    from placed
  )
  select execution_id, node_id, iteration, node_type, status, attempt, consumed, fired, error, signal, correlation_key,
         due_at, started_at, ended_at, (total is null or total > $2) as values_left_out,
         case when total <= $2 then input end as input, case when total <= $2 then output end as output,
         case when total <= $2 then logs end as logs
  from measured order by started_at, node_id, iteration`;

export interface Lane {
  organization: string;
  key: string;
}

/** The key space of the locks of lanes. */
const LANE_LOCKS = 7_201_123;
