import type { CheckpointPolicy, Reminder } from '../workflows/engine/checkpoint-policy.js';
import { addWorkingTime, subtractWorkingTime } from './working-time.js';

/** What time does with a checkpoint, in this order where it falls on one moment. */
const EVENT_TYPES = ['reminder', 'escalation', 'expiry'] as const;

export interface ScheduledEvent {
  /** RFC 3339 in UTC. */
  readonly at: string;
  readonly type: (typeof EVENT_TYPES)[number];
  /** Which of the policy's reminders or rungs, from 0; 0 for the expiry. */
  readonly index: number;
}

export interface Schedule {
  readonly due_at: Date | null;
  /** In the order in which they come. */
  readonly events: readonly ScheduledEvent[];
}

/**
 * When a checkpoint is due, and what happens until then. Pure.
 *
 * 1. A due moment that is past at the opening is the opening.
 * 2. Reminders after the due moment or before the opening are dropped, and so are rungs after the due moment: what
 *    `on_expiry` says decides then, `escalate` by taking all rungs that have not been used.
 * 3. On the same moment reminders come first, then rungs, then the expiry; each in the order of the policy.
 */
export function scheduleCheckpoint(policy: CheckpointPolicy, openedAt: Date): Schedule {
  const due = dueMoment(policy, openedAt);
  const planned: Planned[] = [
    ...policy.reminders.flatMap((reminder, index) => planReminder(reminder, index, policy, openedAt, due)),
    ...policy.escalation.map(({ after_seconds }, index) => {
      return { at: addWorkingTime(openedAt, after_seconds, policy.working_hours), type: 'escalation' as const, index };
    }),
    ...(due ? [{ at: due, type: 'expiry' as const, index: 0 }] : []),
  ];
  const events = planned
    .filter(({ at }) => at >= openedAt && (!due || at <= due))
    .toSorted(inOrder)
    .map(({ at, ...event }) => ({ at: at.toISOString(), ...event }));
  return { due_at: due, events };
}

type Planned = Omit<ScheduledEvent, 'at'> & { readonly at: Date };

function dueMoment({ due, working_hours }: CheckpointPolicy, openedAt: Date): Date | null {
  if (!due) return null;
  if ('in_seconds' in due) return addWorkingTime(openedAt, due.in_seconds, working_hours);
  return new Date(Math.max(openedAt.getTime(), Date.parse(due.at)));
}

function planReminder(
  reminder: Reminder,
  index: number,
  { working_hours }: CheckpointPolicy,
  openedAt: Date,
  due: Date | null,
): Planned[] {
  if ('after_seconds' in reminder) {
    return [{ at: addWorkingTime(openedAt, reminder.after_seconds, working_hours), type: 'reminder', index }];
  }
  if (!due) return [];
  return [{ at: subtractWorkingTime(due, reminder.before_due_seconds, working_hours), type: 'reminder', index }];
}

function inOrder(a: Planned, b: Planned): number {
  return (
    a.at.getTime() - b.at.getTime() || EVENT_TYPES.indexOf(a.type) - EVENT_TYPES.indexOf(b.type) || a.index - b.index
  );
}

/** When the clock has to look next. */
export function nextOf([first]: readonly ScheduledEvent[]): Date | null {
  return first ? new Date(first.at) : null;
}
