import type { Figures, NodeFigures } from './analytics.dto.js';
import type { AnalyticsRange, AnalyticsRow, ClosedRow, CustomRow } from './analytics.repository.js';

/** Nobody reads more; what comes after is counted. */
const MAX_NODES = 200;
const MAX_CUSTOM_ACTIONS = 20;

/** Puts what the database counted together: the whole, each node with the busiest first, and each period in its order. */
export function summarize(rows: readonly AnalyticsRow[], periods: AnalyticsRange['periods']) {
  const of = (scope: AnalyticsRow['scope']) => rows.filter((row) => row.scope === scope);
  const byDate = groupBy(of('period'), ({ date }) => date ?? '');
  const nodes = [...groupBy(of('node'), ({ workflow_id, node_id }) => `${workflow_id} ${node_id}`).values()]
    .map((group) => ({ ...placeOf(group), ...figuresOf(group) }))
    .toSorted((a, b) => work(b) - work(a) || a.node_id.localeCompare(b.node_id));
  return {
    totals: figuresOf(of('total')),
    nodes: nodes.slice(0, MAX_NODES),
    nodes_left_out: Math.max(0, nodes.length - MAX_NODES),
    periods: periods.map((period) => ({ ...period, ...figuresOf(byDate.get(period.date) ?? []) })),
  };
}

function placeOf(rows: readonly AnalyticsRow[]): Pick<NodeFigures, 'workflow_id' | 'workflow_name' | 'node_id'> {
  const { workflow_id, workflow_name, node_id } = rows[0] as AnalyticsRow;
  return { workflow_id: workflow_id ?? '', workflow_name, node_id: node_id ?? '' };
}

const work = ({ created, decided, open_now }: Figures) => created + decided + open_now;

const NOTHING_CLOSED: Omit<ClosedRow, 'part' | 'scope' | 'workflow_id' | 'workflow_name' | 'node_id' | 'date'> = {
  approved: 0,
  edited: 0,
  rejected: 0,
  changes_requested: 0,
  custom: 0,
  expired_failed: 0,
  expired_rejected: 0,
  expired_approved: 0,
  withdrawn: 0,
  rounds_mean: null,
  rounds_max: null,
  seconds: null,
};

/** Of the rows of one scope; where there is none, nothing happened. */
function figuresOf(rows: readonly AnalyticsRow[]): Figures {
  const closed = rows.find((row) => row.part === 'closed') ?? NOTHING_CLOSED;
  const created = rows.find((row) => row.part === 'created');
  const { approved, edited, rejected, changes_requested, custom } = closed;
  const expired_as = {
    failed: closed.expired_failed,
    rejected: closed.expired_rejected,
    approved: closed.expired_approved,
  };
  const decided = approved + rejected + changes_requested + custom;
  return {
    created: created?.created ?? 0,
    ...openOf(rows),
    decided,
    approved,
    edited,
    rejected,
    changes_requested,
    custom,
    custom_actions: customActions(rows),
    expired: expired_as.failed + expired_as.rejected + expired_as.approved,
    expired_as,
    withdrawn: closed.withdrawn,
    edit_rate: ratio(edited, approved),
    rejection_rate: ratio(rejected, decided),
    rounds: { mean: rounded(closed.rounds_mean), max: closed.rounds_max },
    time_to_decide_seconds: {
      p50: rounded(closed.seconds?.[0] ?? null),
      p95: rounded(closed.seconds?.[1] ?? null),
    },
  };
}

/** What is open now, whenever it was created; of a period only what was created in it. */
function openOf(rows: readonly AnalyticsRow[]): Pick<Figures, 'open_now' | 'oldest_open_seconds'> {
  const isPeriod = rows[0]?.scope === 'period';
  const row = rows.find((candidate) => candidate.part === (isPeriod ? 'created' : 'open'));
  if (row?.part !== 'created' && row?.part !== 'open') return { open_now: 0, oldest_open_seconds: null };
  return { open_now: row.open, oldest_open_seconds: rounded(row.oldest_seconds) };
}

function customActions(rows: readonly AnalyticsRow[]): Figures['custom_actions'] {
  return rows
    .filter((row): row is CustomRow => row.part === 'custom')
    .map(({ action, count }) => ({ action, count }))
    .toSorted((a, b) => b.count - a.count || a.action.localeCompare(b.action))
    .slice(0, MAX_CUSTOM_ACTIONS);
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : rounded(part / whole);
}

/** To a thousandth; a clock that was set back makes no negative time. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.max(0, Math.round(value * 1000) / 1000);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
