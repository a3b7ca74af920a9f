import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import type { CheckpointStatus } from './checkpoint-status.js';
import type { Checkpoint } from './checkpoint.entity.js';

/** What lists show: all but what is large. */
export type CheckpointSummary = Omit<Checkpoint, 'content' | 'original_content' | 'schema' | 'policy' | 'candidates'>;

export interface CheckpointFilter {
  organization_id: string;
  status?: CheckpointStatus | undefined;
  execution_id?: string | undefined;
  workflow_id?: string | undefined;
  node_id?: string | undefined;
  /** The action that closed it. */
  action?: string | undefined;
  /** Who has a decision on it that counts. */
  decided_by?: string | undefined;
  created_from?: Date | undefined;
  created_before?: Date | undefined;
  order: 'asc' | 'desc';
  /** Id of the last one of the page before. */
  after?: string | undefined;
  limit: number;
}

export const INBOX_VIEWS = ['all', 'assigned', 'claimable', 'claimed', 'due_soon', 'overdue'] as const;
export type InboxView = (typeof INBOX_VIEWS)[number];

/** For whom, as keys to look for. */
export interface InboxOwner {
  organization_id: string;
  user_id: string;
  /** Those that name them alone. */
  personal: readonly string[];
  /** All, those of colleagues they stand in for included. */
  keys: readonly string[];
}

export interface InboxFilter {
  view: InboxView;
  workflow_id?: string | undefined;
  node_id?: string | undefined;
  within_seconds: number;
  /** Of the last one of the page before. */
  after?: { id: string; due_at: string | null } | undefined;
  limit: number;
}

export type InboxCounts = Record<InboxView, number>;

const SUMMARY = `c.id, c.organization_id, c.execution_id, c.workflow_id, c.version, c.node_id, c.iteration, c.round, c.status,
  c.action, c.title, c.instructions, c.assigned_to, c.requested_by, c.claimed_by, c.claimed_by_name, c.claimed_at, c.due_at,
  c.expired_at, c.revision, c.created_at, c.closed_at`;

/**
 * What is theirs to decide: assigned to them, not claimed by others, not theirs by `not_requester`, and not decided by them
 * already. The last is asked for each by its index: as `not exists` it was planned as a join with all decisions that there are.
 * $1 organization, $2 user, $3 keys, $4 personal keys, $5 seconds that are soon.
 */
const MINE = `c.organization_id = $1 and c.status = 'open' and c.candidates && $3::text[]
  and (c.claimed_by is null or c.claimed_by = $2)
  and (c.requested_by is distinct from $2 or (c.policy->>'not_requester')::boolean is not true)
  and (
    select d.id from decisions d
    where d.checkpoint_id = c.id and (d.person = $2::text or d.decided_by = $2) and d.void_reason is null limit 1) is null`;

const VIEWS: Readonly<Record<InboxView, string>> = {
  all: 'true',
  assigned: '(c.claimed_by = $2 or c.candidates && $4::text[])',
  claimable: 'c.claimed_by is null and not c.candidates && $4::text[]',
  claimed: 'c.claimed_by = $2',
  due_soon: 'c.due_at >= now() and c.due_at < now() + make_interval(secs => $5)',
  overdue: 'c.due_at < now()',
};

/** Lists of checkpoints. Each reads along an index, as far as its page goes. */
@Injectable()
export class InboxRepository {
  /** By the time they were opened. */
  list(tx: Transaction, filter: CheckpointFilter): Promise<CheckpointSummary[]> {
    const values: unknown[] = [];
    const is = (condition: string, value: unknown) =>
      value === undefined ? [] : [condition.replace('?', `$${values.push(value)}`)];
    const conditions = [
      ...is('c.organization_id = ?', filter.organization_id),
      ...is('c.status = ?', filter.status),
      ...is('c.execution_id = ?', filter.execution_id),
      ...is('c.workflow_id = ?', filter.workflow_id),
      ...is('c.node_id = ?', filter.node_id),
      ...is('c.action = ?', filter.action),
      ...is('c.created_at >= ?', filter.created_from),
      ...is('c.created_at < ?', filter.created_before),
      ...is(
        'c.id in (select d.checkpoint_id from decisions d where d.decided_by = ? and d.void_reason is null)',
        filter.decided_by,
      ),
      ...is(`c.id ${filter.order === 'asc' ? '>' : '<'} ?`, filter.after),
    ];
    return tx.query(
      `select ${SUMMARY} from checkpoints c where ${conditions.join(' and ')}
       order by c.id ${filter.order} limit ${filter.limit}`,
      values,
    );
  }

  /** What has waited longest first; in the views about time, what is due first. */
  listInbox(tx: Transaction, owner: InboxOwner, filter: InboxFilter): Promise<CheckpointSummary[]> {
    const { text, values } = inboxQuery(owner, filter);
    return tx.query(text, values);
  }

  async countInbox(tx: Transaction, owner: InboxOwner, withinSeconds: number): Promise<InboxCounts> {
    const counts = INBOX_VIEWS.map((view) => `count(*) filter (where ${VIEWS[view]})::int as ${view}`);
    const rows: InboxCounts[] = await tx.query(
      `select ${counts.join(', ')} from checkpoints c where ${MINE}`,
      ownerValues(owner, withinSeconds),
    );
    return rows[0] as InboxCounts;
  }
}

/** Apart, so that a test can ask for its plan. */
export function inboxQuery(owner: InboxOwner, filter: InboxFilter): { text: string; values: unknown[] } {
  const { view, workflow_id = null, node_id = null, within_seconds, after, limit } = filter;
  const byDue = view === 'due_soon' || view === 'overdue';
  const beyond = byDue
    ? '(c.due_at, c.id) > ($8::timestamptz, $9::uuid)'
    : '($8::timestamptz is null and c.id > $9::uuid)';
  const text = `
    select ${SUMMARY} from checkpoints c
    where ${MINE} and ${VIEWS[view]} and $4::text[] is not null and $5::float8 is not null
      and ($6::uuid is null or c.workflow_id = $6) and ($7::text is null or c.node_id = $7)
      and ($9::uuid is null or ${beyond})
    order by ${byDue ? 'c.due_at, c.id' : 'c.id'} limit ${limit}`;
  const position = [byDue ? (after?.due_at ?? null) : null, after?.id ?? null];
  return { text, values: [...ownerValues(owner, within_seconds), workflow_id, node_id, ...position] };
}

const ownerValues = ({ organization_id, user_id, keys, personal }: InboxOwner, seconds: number) => [
  organization_id,
  user_id,
  keys,
  personal,
  seconds,
];
