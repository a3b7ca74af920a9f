/** What the timeline of an execution can say; `data` of each is given beside it. */
export const EVENT_TYPES = [
  'execution.started', // {started_by}
  'execution.completed',
  'execution.failed', // the failure
  'execution.cancelled', // {cancelled_by} or {parent_id}
  'execution.compensating', // the failure, or {cancelled_by}: what was done is being undone
  'execution.paused', // {paused_by}
  'execution.resumed', // {resumed_by}
  'execution.retried', // {retried_by}
  'step.started',
  'step.waiting', // {for: 'checkpoint' | 'delay' | 'signal' | 'children'}
  'step.retry_scheduled', // the failure, {attempt, retry_in_seconds}
  'step.completed', // {handle} where there is a choice
  'step.failed', // the failure
  'step.cancelled', // {cancelled_by} when a person did it
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export interface NewEvent {
  type: EventType;
  node_id?: string;
  iteration?: number;
  data?: unknown;
}
