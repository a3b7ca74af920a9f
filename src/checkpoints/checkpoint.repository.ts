import { Injectable } from '@nestjs/common';
import type { PreparedRecord } from '../audit/audit.service.js';
import type { EndOfStep, StartedExecution } from '../executions/executions.service.js';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { CheckpointEvent } from './checkpoint-event.entity.js';
import { Decision, type VoidReason } from './decision.entity.js';

/** A checkpoint as it is now, with the time of the database. */
export interface Sight {
  checkpoint: Checkpoint;
  votes: Decision[];
  /** Whole milliseconds. */
  now: Date;
}

/** What one act changes, to be written together. */
export interface CheckpointChange {
  /** As it is to be; its `history_*` and `revision` are those after the change. */
  checkpoint: Checkpoint;
  /** Whether `content` and `original_content` are to be written: they may be large. */
  has_content: boolean;
  seen: { revision: number; history_length: number };
  events: CheckpointEvent[];
  vote: Decision | null;
  voided: { id: string; void_reason: VoidReason }[];
  now: Date;
}

/** Checkpoints. */
const REMEMBERED = 10_000;

/** What `decide_parked` takes; see the migrations. */
export interface ParkedDecision extends EndOfStep {
  change: CheckpointChange;
  audit: PreparedRecord;
  worker: number | null;
  /** Seconds. */
  lease: number;
}

/** How a checkpoint is found, read and written. Lists are in `inbox.repository.ts`. */
@Injectable()
export class CheckpointRepository {
  /** Of checkpoints that were read here lately: it never changes. */
  private readonly executionOf = new Map<string, string>();

  /** Undefined where that is not known without asking. */
  knownExecutionId(id: string): string | undefined {
    return this.executionOf.get(id);
  }

  remember(checkpoints: readonly Pick<Checkpoint, 'id' | 'execution_id'>[]): void {
    if (this.executionOf.size > REMEMBERED) this.executionOf.clear();
    for (const { id, execution_id } of checkpoints) this.executionOf.set(id, execution_id);
  }

  /** @throws not found, also for a checkpoint of another organization. */
  async getExecutionId(tx: Transaction, organizationId: string, id: string): Promise<string> {
    const text = `select execution_id from checkpoints where id = $1 and organization_id = $2`;
    const { rows } = await runPrepared<{ execution_id: string }>(tx, 'execution_of_checkpoint', text, [
      id,
      organizationId,
    ]);
    if (!rows[0]) throw notFound('checkpoint', id);
    return rows[0].execution_id;
  }

  /** @throws not found, also for a checkpoint of another organization. */
  async get(tx: Transaction, organizationId: string, id: string): Promise<Sight> {
    const sight = await this.find(tx, organizationId, id);
    if (!sight) throw notFound('checkpoint', id);
    return sight;
  }

  async find(tx: Transaction, organizationId: string, id: string): Promise<Sight | null> {
    const text = `select c.*, date_trunc('milliseconds', clock_timestamp()) as now
                  from checkpoints c where id = $1 and organization_id = $2`;
    const { rows } = await runPrepared<Checkpoint & { now: Date }>(tx, 'get_checkpoint', text, [id, organizationId]);
    if (!rows[0]) return null;
    const { now, ...checkpoint } = rows[0];
    this.remember([checkpoint]);
    return { checkpoint, votes: hasNone(checkpoint) ? [] : await this.listVotes(tx, id), now };
  }

  listVotes(tx: Transaction, checkpointId: string): Promise<Decision[]> {
    return tx.find(Decision, { where: { checkpoint_id: checkpointId }, order: { id: 'ASC' } });
  }

  /** The one before in the same node of the execution; null for the first. */
  async findPrevious(
    tx: Transaction,
    { execution_id, node_id, iteration }: Pick<Checkpoint, 'execution_id' | 'node_id' | 'iteration'>,
  ): Promise<Checkpoint | null> {
    const rows: Checkpoint[] = await tx.query(
      `select * from checkpoints where execution_id = $1 and node_id = $2 and iteration < $3
       order by iteration desc limit 1`,
      [execution_id, node_id, iteration],
    );
    return rows[0] ?? null;
  }

  /** Whether changes were requested anywhere in the execution since then. */
  async isReworked(tx: Transaction, executionId: string, since: Date): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select 1 from checkpoints where execution_id = $1 and status = 'changes_requested' and closed_at >= $2 limit 1`,
      [executionId, since],
    );
    return rows.length > 0;
  }

  /** Who started the execution, those it repeats, and those they are children of: all of them asked for it. */
  async listRequesters(tx: Transaction, executionId: string): Promise<string[]> {
    const { rows } = await runPrepared<{ started_by: string }>(tx, 'list_requesters', LIST_REQUESTERS, [executionId]);
    return rows.map(({ started_by }) => started_by);
  }

  /**
   * Who is in a vote that counts at one of these nodes of the execution. Where it repeats another and kept the outcome of such
   * a checkpoint, who decided it there.
   */
  async listPersons(tx: Transaction, executionId: string, nodeIds: readonly string[]): Promise<string[]> {
    const rows: { person: string; decided_by: string | null }[] = await tx.query(LIST_PERSONS, [executionId, nodeIds]);
    return rows.flatMap(({ person, decided_by }) => (decided_by === null ? [person] : [person, decided_by]));
  }

  /** Those of the executions, or only of these steps of them, that are still open. */
  async listOpen(
    tx: Transaction,
    executionIds: readonly string[],
    steps: readonly { node_id: string; iteration: number }[] | null,
  ): Promise<{ checkpoint: Checkpoint; now: Date }[]> {
    const { rows } = await runPrepared<Checkpoint & { now: Date }>(tx, 'list_open_checkpoints', LIST_OPEN, [
      executionIds,
      steps && JSON.stringify(steps),
    ]);
    return rows.map(({ now, ...checkpoint }) => ({ checkpoint, now }));
  }

  async insert(tx: Transaction, checkpoint: Checkpoint, opened: CheckpointEvent): Promise<void> {
    await runPrepared(tx, 'insert_checkpoint', INSERT, [JSON.stringify(checkpoint), JSON.stringify(opened)]);
  }

  /** True for exactly one caller: who finds it as they saw it. */
  async write(tx: Transaction, change: CheckpointChange): Promise<boolean> {
    const text = 'select write_checkpoint($1, $2, $3, $4, $5, $6, $7, $8) as written';
    const { rows } = await runPrepared<{ written: boolean }>(tx, 'write_checkpoint', text, valuesOf(change));
    return rows[0]?.written === true;
  }

  /**
   * A decision that ends the step of an execution that nobody holds: checkpoint, step and audit record in one round trip, if
   * everything is still as it was read. Answers the execution, claimed by the worker where one is named; null when nothing was
   * written.
   */
  async decideParked(tx: Transaction, given: ParkedDecision): Promise<StartedExecution | null> {
    const { seen, change, commit, audit, worker, lease } = given;
    const text = `select *, (extract(epoch from clock_timestamp()) * 1000)::float8 as database_now
                  from decide_parked($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`;
    const { rows } = await runPrepared<StartedExecution>(tx, 'decide_parked', text, [
      commit.execution_id,
      seen.epoch,
      seen.changes,
      seen.last_event,
      ...valuesOf(change),
      JSON.stringify([worker === null ? commit : { ...commit, worker, lease, takes: true }]),
      JSON.stringify(audit),
    ]);
    return rows[0] ?? null;
  }

  /** Earlier ones of the same node with approvals that count, of a content that is no more. */
  async listOutdated(tx: Transaction, { execution_id, node_id, iteration }: Checkpoint, contentHash: string) {
    const rows: { id: string }[] = await tx.query(
      `select distinct c.id from checkpoints c join decisions d on d.checkpoint_id = c.id
       where c.execution_id = $1 and c.node_id = $2 and c.iteration < $3
         and d.void_reason is null and d.result_hash <> $4 and d.action not in ('reject', 'request_changes')`,
      [execution_id, node_id, iteration, contentHash],
    );
    return rows.map(({ id }) => id);
  }

  /** Open ones that the clock has to look at, the most urgent first. */
  async listTimed(tx: Transaction, limit: number): Promise<{ id: string; organization_id: string }[]> {
    const text = `select id, organization_id from checkpoints
                  where status = 'open' and next_at <= clock_timestamp() order by next_at limit $1`;
    return (await runPrepared<{ id: string; organization_id: string }>(tx, 'list_timed_checkpoints', text, [limit]))
      .rows;
  }

  /** When the clock looks again. */
  async plan(tx: Transaction, id: string, next: Date | null): Promise<void> {
    await tx.query(`update checkpoints set next_at = $2 where id = $1 and next_at is distinct from $2`, [id, next]);
  }

  /** The database's, in whole milliseconds. */
  async readClock(tx: Transaction): Promise<Date> {
    const text = `select date_trunc('milliseconds', clock_timestamp()) as now`;
    const { rows } = await runPrepared<{ now: Date }>(tx, 'read_clock', text, []);
    if (!rows[0]) throw new Error('the database has no time');
    return rows[0].now;
  }

  /** For one whose turn broke: others come first. */
  async postpone(tx: Transaction, id: string, seconds: number): Promise<void> {
    await tx.query(
      `update checkpoints set next_at = clock_timestamp() + make_interval(secs => $2) where id = $1 and status = 'open'`,
      [id, seconds],
    );
  }
}

/** As `write_checkpoint` takes it; see the migrations. */
function valuesOf({ checkpoint, has_content, seen, events, vote, voided, now }: CheckpointChange): unknown[] {
  const { content, original_content } = checkpoint;
  const part = has_content ? { ...changing(checkpoint), content, original_content } : changing(checkpoint);
  const { revision, history_length } = seen;
  const votes = vote ? JSON.stringify([vote]) : null;
  const voids = voided.length > 0 ? JSON.stringify(voided) : null;
  return [JSON.stringify(part), has_content, revision, history_length, JSON.stringify(events), votes, voids, now];
}

/** What can change but the content, which may be large. */
function changing(checkpoint: Checkpoint): Partial<Checkpoint> {
  const { id, status, action, assigned_to, candidates, claimed_by, claimed_by_name, claimed_at } = checkpoint;
  const { next_at, schedule, expired_at, closed_at, revision, history_length, history_hash } = checkpoint;
  const claim = { claimed_by, claimed_by_name, claimed_at };
  const times = { next_at, schedule, expired_at, closed_at };
  return { id, status, action, assigned_to, candidates, ...claim, ...times, revision, history_length, history_hash };
}

/**
 * Its history begins with `opened`; without another event nobody has voted. Those of an earlier version have no `opened`: while
 * they are open they have no vote either, but the first event of one that was decided then may be another's late attempt.
 */
const hasNone = ({ status, history_length }: Checkpoint) => status === 'open' && history_length === 1;

const LIST_REQUESTERS = `
  with recursive origins as (
    select id, forked_from, parent_id, started_by from executions where id = $1
    union
    select e.id, e.forked_from, e.parent_id, e.started_by
    from origins o join executions e on e.id = any(array[o.forked_from, o.parent_id])
  )
  select distinct started_by from origins where started_by is not null`;

/** A step that was kept has no checkpoint of its own: the nearest execution that has one is where it was decided. */
const LIST_PERSONS = `
  with recursive origins as (
    select id, forked_from, 0 as distance from executions where id = $1
    union all
    select e.id, e.forked_from, o.distance + 1 from origins o join executions e on e.id = o.forked_from
  ),
  decided as (
    select distinct on (c.node_id, c.iteration) c.id
    from origins o join checkpoints c on c.execution_id = o.id
    where c.node_id = any($2) and (o.distance = 0 or exists (
      select 1 from steps s where s.execution_id = $1 and s.node_id = c.node_id and s.iteration = c.iteration))
    order by c.node_id, c.iteration, o.distance
  )
  select d.person, d.decided_by from decisions d join decided on decided.id = d.checkpoint_id
  where d.void_reason is null and d.action not in ('reject', 'request_changes')`;

const LIST_OPEN = `
  select c.*, date_trunc('milliseconds', clock_timestamp()) as now
  from checkpoints c
  where execution_id = any($1::uuid[]) and status = 'open'
    and ($2::json is null or (node_id, iteration) in (
      select node_id, iteration from json_to_recordset($2::json) as s(node_id text, iteration int)))`;

/** A decision that came early makes it due for the clock at once. */
const INSERT = `
  with opened as (
    insert into checkpoint_events select * from json_populate_record(null::checkpoint_events, $2::json)
    returning 1
  )
  insert into checkpoints
  select made.*
  from json_populate_record(json_populate_record(null::checkpoints, $1::json), json_build_object('next_at',
    case when exists (
      select 1 from early_decisions e
      where e.execution_id = ($1::json->>'execution_id')::uuid and e.node_id = $1::json->>'node_id' and e.status = 'kept'
        and (e.iteration is null or e.iteration = ($1::json->>'iteration')::int))
    then clock_timestamp() else ($1::json->>'next_at')::timestamptz end)) as made`;
