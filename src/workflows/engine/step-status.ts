/** How a step stands. `running` is also what a step is in while its worker may be dead. */
export const STEP_STATUSES = ['running', 'waiting', 'backing_off', 'completed', 'failed', 'cancelled'] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

/**
 * Every legal move of a worker; what is not here is refused, and nothing leaves the last three (but by a person, who has a
 * failed execution tried again: its failed and cancelled steps back off, due at once). A short step is written only when
 * it has ended, so from `backing_off` the next try may show its result at once.
 */
export const STEP_MOVES: Readonly<Record<StepStatus, readonly StepStatus[]>> = {
  running: ['running', 'waiting', 'backing_off', 'completed', 'failed', 'cancelled'],
  waiting: ['completed', 'failed', 'cancelled'],
  backing_off: ['running', 'waiting', 'backing_off', 'completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
};

/** A step that still needs something: a worker, a person, or time. */
export const isActive = (status: StepStatus): boolean =>
  status === 'running' || status === 'waiting' || status === 'backing_off';

export const mayMoveStep = (from: StepStatus, to: StepStatus): boolean => STEP_MOVES[from].includes(to);
