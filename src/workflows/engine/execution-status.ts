export const EXECUTION_STATUSES = [
  'queued',
  'running',
  'awaiting_checkpoint',
  'waiting',
  'paused',
  'completed',
  'failed',
  'cancelled',
] as const;
export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number];

/**
 * Every legal move; what is not here is refused. A worker claims before it does anything, so only from `running`
 * does an execution come to wait or to end by itself. Nothing leaves the last three.
 */
export const EXECUTION_MOVES: Readonly<Record<ExecutionStatus, readonly ExecutionStatus[]>> = {
  queued: ['running', 'paused', 'cancelled'],
  running: ['running', 'queued', 'awaiting_checkpoint', 'waiting', 'paused', 'completed', 'failed', 'cancelled'],
  awaiting_checkpoint: ['running', 'paused', 'cancelled'],
  waiting: ['running', 'paused', 'cancelled'],
  paused: ['queued', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
};

/** No worker will look at it again by itself. */
export const hasEnded = (status: ExecutionStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

export const mayMoveExecution = (from: ExecutionStatus, to: ExecutionStatus): boolean =>
  EXECUTION_MOVES[from].includes(to);
