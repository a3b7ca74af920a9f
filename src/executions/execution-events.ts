/** What the timeline of an execution can say; `data` of each is given beside it. */
export const EVENT_TYPES = [
  'execution.started', // {started_by}
  'execution.completed',
  'execution.failed', // the failure
  'execution.cancelled', // {cancelled_by}
  'step.started',
  'step.waiting', // {for: 'checkpoint' | 'delay'}
  'step.retry_scheduled', // the failure, {attempt, retry_in_seconds}
  'step.completed', // {handle} where there is a choice
  'step.failed', // the failure
  'step.cancelled',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export interface NewEvent {
  type: EventType;
  node_id?: string;
  iteration?: number;
  data?: unknown;
}
