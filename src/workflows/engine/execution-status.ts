export const EXECUTION_STATUSES = [
  'queued',
  'running',
  'awaiting_checkpoint',
  'waiting',
  'paused',
  'compensating',
  'completed',
  'failed',
  'cancelled',
] as const;
export type ExecutionStatus = (typeof EXECUTION_STATUSES)[number];

/**
 * Every legal move; what is not here is refused. A worker claims before it does anything, so only from `running`
 * does an execution come to wait or to end by itself.
 */
export const EXECUTION_MOVES: Readonly<Record<ExecutionStatus, readonly ExecutionStatus[]>> = {
  queued: ['running', 'paused', 'compensating', 'cancelled'],
  running: [
    'running',
    'queued',
    'awaiting_checkpoint',
    'waiting',
    'paused',
    'compensating',
    'completed',
    'failed',
    'cancelled',
  ],
  awaiting_checkpoint: ['running', 'paused', 'compensating', 'cancelled'],
  waiting: ['running', 'paused', 'compensating', 'cancelled'],
  paused: ['queued', 'compensating', 'cancelled'],
  // What was done is undone, step by step, before it ends.
  compensating: ['compensating', 'failed', 'cancelled'],
  completed: [],
  // By a person who has the failed step tried again.
  failed: ['queued'],
  cancelled: [],
};

/** No worker will look at it again by itself. */
export const hasEnded = (status: ExecutionStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

export const mayMoveExecution = (from: ExecutionStatus, to: ExecutionStatus): boolean =>
  EXECUTION_MOVES[from].includes(to);
