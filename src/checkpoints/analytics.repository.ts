import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';

export const PERIODS = ['day', 'week', 'month'] as const;
export type Period = (typeof PERIODS)[number];

export const MAX_PERIODS = 400;

/** How long the database may take; the connection is one of a pool that executions need, too. */
const STATEMENT_MS = 10_000;

export interface AnalyticsFilter {
  organization_id: string;
  workflow_id: string | null;
  node_id: string | null;
  period: Period;
  /** IANA name; periods begin at midnight there. */
  time_zone: string;
}

export interface AnalyticsRange {
  from: Date;
  to: Date;
  /** At most one more than MAX_PERIODS. */
  periods: { date: string; starts_at: Date }[];
}

/** What is counted together: everything, one node, or one period. */
interface Scope {
  scope: 'total' | 'node' | 'period';
  workflow_id: string | null;
  workflow_name: string | null;
  node_id: string | null;
  /** The local day on which the period begins. */
  date: string | null;
}

export interface CreatedRow extends Scope {
  part: 'created';
  created: number;
  open: number;
  oldest_seconds: number | null;
}

export interface OpenRow extends Scope {
  part: 'open';
  open: number;
  oldest_seconds: number | null;
}

export interface ClosedRow extends Scope {
  part: 'closed';
  approved: number;
  edited: number;
  rejected: number;
  changes_requested: number;
  custom: number;
  expired_failed: number;
  expired_rejected: number;
  expired_approved: number;
  withdrawn: number;
  rounds_mean: number | null;
  rounds_max: number | null;
  /** p50 and p95; null where nobody decided anything. */
  seconds: [number, number] | null;
}

export interface CustomRow extends Scope {
  part: 'custom';
  action: string;
  count: number;
}

export type AnalyticsRow = CreatedRow | OpenRow | ClosedRow | CustomRow;

/** Figures over the checkpoints of one organization. */
@Injectable()
export class AnalyticsRepository {
  /** The range with what is left out filled in by the database's clock: the last thirty days there, today among them. */
  async resolveRange(
    tx: Transaction,
    { period, time_zone }: AnalyticsFilter,
    given: { from: string | undefined; to: string | undefined },
  ): Promise<AnalyticsRange> {
    const rows = await tx.query<{ from: Date; to: Date; date: string | null; starts_at: Date }[]>(RANGE, [
      given.from ?? null,
      given.to ?? null,
      period,
      time_zone,
    ]);
    const { from, to } = rows[0] ?? { from: new Date(0), to: new Date(0) };
    return { from, to, periods: rows.flatMap(({ date, starts_at }) => (date === null ? [] : [{ date, starts_at }])) };
  }

  /** One statement, so that all figures are of one moment. */
  async read(tx: Transaction, filter: AnalyticsFilter, { from, to }: AnalyticsRange): Promise<AnalyticsRow[]> {
    // Compiling the statement takes longer than it saves.
    await tx.query(`SET LOCAL statement_timeout = ${STATEMENT_MS}; SET LOCAL jit = off`);
    const { organization_id, workflow_id, node_id, period, time_zone } = filter;
    const [lowest, highest] = [idAt(from.getTime() - CLOCKS_DIFFER_MS), idAt(to.getTime() + CLOCKS_DIFFER_MS)];
    const values = [organization_id, from, to, workflow_id, node_id, period, time_zone, lowest, highest];
    const rows = await tx.query<{ row: AnalyticsRow }[]>(FIGURES, values);
    return rows.map(({ row }) => row);
  }
}

/**
 * Ids begin with the clock of the process that made them (UUIDv7, RFC 9562), `created_at` is the database's. So ids find
 * what was created in a range by index, with a day to spare on each side.
 */
const CLOCKS_DIFFER_MS = 86_400_000;

function idAt(milliseconds: number): string {
  const time = Math.max(0, milliseconds).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
}

/** $1 from, $2 to, $3 period, $4 time zone. One row at least, so that the range is known also where it is empty. */
const RANGE = `
  WITH given AS (SELECT coalesce($2::timestamptz, now()) AS upper),
  range AS (
    SELECT upper, coalesce($1::timestamptz,
      (date_trunc('day', (upper - interval '1 microsecond') AT TIME ZONE $4) - interval '29 days') AT TIME ZONE $4) AS lower
    FROM given)
  SELECT lower AS "from", upper AS "to", to_char(start, 'YYYY-MM-DD') AS date, start AT TIME ZONE $4 AS starts_at
  FROM range LEFT JOIN LATERAL (
    SELECT generate_series(
      date_trunc($3, lower AT TIME ZONE $4),
      (upper - interval '1 microsecond') AT TIME ZONE $4,
      ('1 ' || $3)::interval) AS start
    LIMIT ${MAX_PERIODS + 1}) AS periods ON true
  ORDER BY start`;

const OF_FILTER = `c.organization_id = $1 AND ($4::uuid IS NULL OR c.workflow_id = $4) AND ($5::text IS NULL OR c.node_id = $5)`;

/** Of what is grouped by node and by period at once: 3 is everything, 1 a node, 2 a period. */
const SCOPE = `(ARRAY['node', 'period', 'total'])[grouping(workflow_id, period)] AS scope,
    workflow_id, node_id, to_char(period, 'YYYY-MM-DD') AS date`;

const BY_PERSON = `outcome IN ('approved', 'edited', 'rejected', 'changes_requested', 'decided')`;

/** Requested changes are not the end: the next round follows. */
const LAST_ROUND = `outcome IN ('approved', 'edited', 'rejected', 'decided')`;

const counted = (outcome: string) => `count(*) FILTER (WHERE outcome = '${outcome}')`;

/**
 * Who closed it: a person (approved, edited, rejected, changes_requested, decided), the clock (expired_…), or nobody.
 * A due moment that only escalates closes nothing, so whatever comes later is by a person.
 */
const OUTCOME = `CASE
      WHEN c.expired_at IS NOT NULL AND (c.status = 'expired' OR c.policy->>'on_expiry' IN ('reject', 'approve'))
        THEN CASE c.status WHEN 'expired' THEN 'expired_failed' ELSE 'expired_' || c.status END
      WHEN c.status = 'expired' THEN 'expired_failed'
      WHEN c.status = 'approved' AND c.original_content IS NOT NULL THEN 'edited'
      ELSE c.status END`;

/**
 * $1 organization, $2 from, $3 to, $4 workflow, $5 node, $6 period, $7 time zone, $8 and $9 the ids of that range. Found by
 * checkpoints_closed, checkpoints_inbox, and the index on organization and id, or checkpoints_by_node where a node is asked for.
 */
const FIGURES = `
  WITH closed AS MATERIALIZED (
    SELECT c.workflow_id, c.node_id, c.action, c.round, ${OUTCOME} AS outcome,
      date_trunc($6, c.closed_at AT TIME ZONE $7) AS period,
      date_part('epoch', c.closed_at - c.created_at) AS seconds
    FROM checkpoints c WHERE ${OF_FILTER} AND c.closed_at >= $2 AND c.closed_at < $3),
  created AS (
    SELECT c.workflow_id, c.node_id, c.status, c.created_at, date_trunc($6, c.created_at AT TIME ZONE $7) AS period
    FROM checkpoints c
    WHERE ${OF_FILTER} AND c.id >= $8 AND c.id < $9 AND c.created_at >= $2 AND c.created_at < $3),
  part_closed AS (
    SELECT 'closed' AS part, ${SCOPE},
      ${counted('approved')} + ${counted('edited')} AS approved, ${counted('edited')} AS edited,
      ${counted('rejected')} AS rejected, ${counted('changes_requested')} AS changes_requested,
      ${counted('decided')} AS custom, ${counted('expired_failed')} AS expired_failed,
      ${counted('expired_rejected')} AS expired_rejected, ${counted('expired_approved')} AS expired_approved,
      ${counted('withdrawn')} AS withdrawn,
      (avg(round) FILTER (WHERE ${LAST_ROUND}))::float8 AS rounds_mean, max(round) FILTER (WHERE ${LAST_ROUND}) AS rounds_max,
      percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE ${BY_PERSON}) AS seconds
    FROM closed GROUP BY GROUPING SETS ((), (workflow_id, node_id), (period))),
  part_custom AS (
    SELECT 'custom' AS part, ${SCOPE}, action, count(*) AS count
    FROM closed WHERE outcome = 'decided'
    GROUP BY GROUPING SETS ((action), (workflow_id, node_id, action), (period, action))),
  part_created AS (
    SELECT 'created' AS part, ${SCOPE}, count(*) AS created, count(*) FILTER (WHERE status = 'open') AS open,
      date_part('epoch', now() - min(created_at) FILTER (WHERE status = 'open')) AS oldest_seconds
    FROM created GROUP BY GROUPING SETS ((), (workflow_id, node_id), (period))),
  part_open AS (
    SELECT 'open' AS part, CASE grouping(c.workflow_id) WHEN 0 THEN 'node' ELSE 'total' END AS scope,
      c.workflow_id, c.node_id, NULL AS date, count(*) AS open, date_part('epoch', now() - min(c.created_at)) AS oldest_seconds
    FROM checkpoints c WHERE ${OF_FILTER} AND c.status = 'open'
    GROUP BY GROUPING SETS ((), (c.workflow_id, c.node_id))),
  parts AS (
    SELECT to_jsonb(p) AS row FROM part_closed p UNION ALL SELECT to_jsonb(p) FROM part_custom p
    UNION ALL SELECT to_jsonb(p) FROM part_created p UNION ALL SELECT to_jsonb(p) FROM part_open p)
  SELECT row || jsonb_build_object('workflow_name', w.name) AS row
  FROM parts LEFT JOIN workflows w ON w.id = (row->>'workflow_id')::uuid AND w.organization_id = $1`;
