/**
 * `open` until a decision, its due moment or the end of its execution closes it; nothing leaves the others. `decided` is by
 * an action of the definition's own.
 */
export const CHECKPOINT_STATUSES = [
  'open',
  'approved',
  'rejected',
  'changes_requested',
  'decided',
  'expired',
  'withdrawn',
] as const;
export type CheckpointStatus = (typeof CHECKPOINT_STATUSES)[number];

const STATUS_AFTER: Readonly<Record<string, CheckpointStatus>> = {
  approve: 'approved',
  reject: 'rejected',
  request_changes: 'changes_requested',
};

/** What a checkpoint is after enough people took the action. */
export function statusAfter(action: string): CheckpointStatus {
  return (Object.hasOwn(STATUS_AFTER, action) ? STATUS_AFTER[action] : undefined) ?? 'decided';
}
