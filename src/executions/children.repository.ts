import { Injectable } from '@nestjs/common';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import type { ExecutionStatus } from '../workflows/engine/execution-status.js';
import type { Failure } from './execution.entity.js';
import type { Beside, StepKey } from './settled.js';
import type { Claim } from './turn.repository.js';

/** How the children of one step stand. */
export interface FamilySight extends StepKey {
  open: boolean;
  /** The first by index that did not complete; null when there is none. */
  failed: { id: string; status: ExecutionStatus; item_index: number | null; error: Failure | null } | null;
}

/** Child executions: the rows that steps of type `map` and `workflow` make and wait for. */
@Injectable()
export class ChildrenRepository {
  /**
   * Queues them; those beyond the concurrency wait, without a moment to wake, until one before them has ended. Where the
   * parent is paused and waits for them, they are too, and stand still when a worker takes them.
   */
  async insert(tx: Transaction, parent: Claim, family: Beside['families'][number]): Promise<void> {
    const { node_id, iteration, ids, items, attached, isMap, concurrency } = family;
    const rows = ids.map((id, index) => ({ id, index, input: items[index] }));
    await tx.query(INSERT_CHILDREN, [
      JSON.stringify(rows),
      parent.id,
      attached ? node_id : null,
      attached ? iteration : null,
      family.workflow_id,
      family.version,
      family.scope,
      isMap,
      attached && isMap ? concurrency : ids.length,
      JSON.stringify({ parent_id: parent.id, node_id, iteration }),
    ]);
  }

  async look(tx: Transaction, parentId: string, steps: readonly StepKey[]): Promise<FamilySight[]> {
    const { rows } = await runPrepared<FamilySight>(tx, 'look_at_families', LOOK_AT_FAMILIES, [
      parentId,
      JSON.stringify(steps.map(({ node_id, iteration }) => ({ node_id, iteration }))),
    ]);
    return rows;
  }

  /** The outputs of all, in the order of the items; null when they have more characters than that together. */
  async outputs(tx: Transaction, parentId: string, step: StepKey, collect: boolean, maxLength: number) {
    const [row]: { length: string; outputs: unknown }[] = await tx.query(COLLECT_OUTPUTS, [
      parentId,
      step.node_id,
      step.iteration,
      collect,
      maxLength,
    ]);
    return row && Number(row.length) <= maxLength ? row.outputs : null;
  }

  /** Locks the executions whose children end, before the children: always from above to below. */
  async lockParents(tx: Transaction, ids: readonly string[]): Promise<void> {
    await tx.query('select 1 from executions where id = any($1) order by id for update', [ids]);
  }

  /** So many children of a step have ended: as many of those that queue may go. Answers their ids. */
  async startNext(tx: Transaction, parentId: string, step: StepKey, count: number): Promise<string[]> {
    const rows: [{ id: string }[], number] = await tx.query(
      `update executions set wake_at = now() where id in (
         select id from executions
         where parent_id = $1 and parent_node = $2 and parent_iteration = $3 and status = 'queued' and wake_at is null
         order by item_index limit $4)
       returning id`,
      [parentId, step.node_id, step.iteration, count],
    );
    return rows[0].map(({ id }) => id);
  }

  async hasOpen(tx: Transaction, parentId: string, step: StepKey): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `select 1 from executions
       where parent_id = $1 and parent_node = $2 and parent_iteration = $3 and ended_at is null limit 1`,
      [parentId, step.node_id, step.iteration],
    );
    return rows.length > 0;
  }

  /** Those that have not ended, of these executions or only of these steps of them. */
  async listOpen(tx: Transaction, parentIds: readonly string[], steps: readonly StepKey[] | null): Promise<string[]> {
    const rows: { id: string }[] = await tx.query(
      `select id from executions
       where parent_id = any($1) and parent_node is not null and ended_at is null and ending is null
         and ($2::json is null or (parent_node, parent_iteration) in (
           select node_id, iteration from json_to_recordset($2::json) as s(node_id text, iteration int)))`,
      [parentIds, steps && JSON.stringify(steps)],
    );
    return rows.map(({ id }) => id);
  }
}

const INSERT_CHILDREN = `
  with made as (
    insert into executions (id, organization_id, workflow_id, version, status, input, wake_at, last_event, priority,
                            started_by, parent_id, parent_node, parent_iteration, item_index, scope, depth, paused_at)
    select c.id, p.organization_id, $5, $6, 'queued', c.input, case when c.index < $9 then now() end, 1, p.priority,
           p.started_by, p.id, $3, $4, case when $8 then c.index end, $7, p.depth + 1,
           case when $3::text is not null then p.paused_at end
    from executions p cross join json_to_recordset($1::json) as c(id uuid, index int, input json)
    where p.id = $2
    returning id
  )
  insert into execution_events (execution_id, seq, type, data) select id, 1, 'execution.started', $10::json from made`;

const LOOK_AT_FAMILIES = `
  select s.node_id, s.iteration,
    exists (select 1 from executions c where c.parent_id = $1 and c.parent_node = s.node_id
            and c.parent_iteration = s.iteration and c.ended_at is null) as open,
    (select json_build_object('id', c.id, 'status', c.status, 'item_index', c.item_index, 'error', c.error)
     from executions c where c.parent_id = $1 and c.parent_node = s.node_id and c.parent_iteration = s.iteration
       and c.status in ('failed', 'cancelled') order by c.item_index limit 1) as failed
  from json_to_recordset($2::json) as s(node_id text, iteration int)`;

/** Lengths first, so that what is too large is never put together. */
const COLLECT_OUTPUTS = `
  with results as materialized (
    select item_index, case
      when not $4 then output
      when status = 'completed' then json_build_object('status', status, 'output', output)
      else json_build_object('status', status, 'error', error) end as result
    from executions where parent_id = $1 and parent_node = $2 and parent_iteration = $3
  ), size as (
    select coalesce(sum(length(result::text)), 0) as length from results
  )
  select size.length, case when size.length <= $5 then
    (select json_agg(result order by item_index) from results) end as outputs
  from size`;
