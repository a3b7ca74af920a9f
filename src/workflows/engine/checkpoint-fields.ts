import { z } from 'zod';
import { EXPIRY_ACTIONS, LINK_RULES, type OfferedAction, type Reminder, WEEKDAYS } from './checkpoint-policy.js';
import { MAX_DELAY_SECONDS, nodeId, required, text } from './definition-fields.js';

/** What an action of the definition's own may not be called: each has another meaning here, or would seem to. */
const RESERVED_ACTIONS = (
  'approved rejected changes_requested error default else edit claim release delegate comment escalate expire ' +
  'withdraw cancel reopen open escalated expired withdrawn cancelled __proto__'
).split(' ');

/** The actions that we know, and how each leaves the step. */
const KNOWN_HANDLES: ReadonlyMap<string, string> = new Map([
  ['approve', 'approved'],
  ['reject', 'rejected'],
  ['request_changes', 'changes_requested'],
]);

const MAX_QUORUM = 20;
const MAX_ACTIONS = 20;
export const MAX_ROUNDS = 100;

const actionId = nodeId.refine((id) => KNOWN_HANDLES.has(id) || !isConfusing(id.toLowerCase()), {
  error: 'means something else or could be taken for it; choose another name',
});
const isConfusing = (id: string) => KNOWN_HANDLES.has(id) || RESERVED_ACTIONS.includes(id);

const actionObject = z.strictObject({
  action: actionId,
  label: text(255).optional(),
  comment: z.enum(['required', 'optional']).optional(),
});
type WrittenAction = string | z.output<typeof actionObject>;

/** Unlike a union it says what is wrong inside of the one that was meant. */
const writtenAction = z.custom<WrittenAction>().superRefine((value: unknown, { issues }) => {
  const { error } = (typeof value === 'string' ? actionId : actionObject).safeParse(value);
  for (const issue of error?.issues ?? []) issues.push({ ...issue, input: value } as z.core.$ZodRawIssue);
});

const seconds = z.number().min(0.05).max(MAX_DELAY_SECONDS);
const quorum = z.int().min(1).max(MAX_QUORUM);
const clock = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$/, 'must be a time such as "09:00", up to "24:00"');

const workingHours = z.strictObject({
  time_zone: text(100),
  days: z
    .array(z.enum(WEEKDAYS))
    .min(1)
    .refine((days) => new Set(days).size === days.length, { error: 'must name each day once' })
    .default(['mon', 'tue', 'wed', 'thu', 'fri']),
  from: clock.default('09:00'),
  to: clock.default('17:00'),
});

const reminder = z.union(
  [z.strictObject({ after_seconds: seconds }), z.strictObject({ before_due_seconds: seconds })] as const,
  { error: 'must be {"after_seconds": number} or {"before_due_seconds": number}' },
) satisfies z.ZodType<Reminder>;

/** What the `data` of a checkpoint has beside what every node has. */
export const checkpointFields = {
  title: text(500),
  instructions: z.string().max(10_000).optional(),
  content: required,
  schema: z.union([z.record(z.string(), z.unknown()), z.boolean()]).optional(),
  editable: z.boolean().default(true),
  /** See `readAssignees`. */
  assignees: z.unknown().optional(),
  actions: z.array(writtenAction).min(1).max(MAX_ACTIONS).default(['approve', 'reject']),
  /** A number is how many have to approve; of every other action one is enough. */
  quorum: z.union([quorum, z.record(z.string().max(64), quorum)]).optional(),
  not_requester: z.boolean().default(false),
  not_same_as: z.array(nodeId).max(20).default([]),
  due_in: z.union([seconds, text(5_000)]).optional(),
  due_at: text(5_000).optional(),
  /** IANA name, for a `due_at` that says no offset; that of the working hours if left out. */
  time_zone: text(100).optional(),
  working_hours: workingHours.optional(),
  reminders: z.array(reminder).max(10).default([]),
  escalation: z
    .array(z.strictObject({ after_seconds: seconds, to: required }))
    .max(10)
    .default([]),
  on_expiry: z.enum(EXPIRY_ACTIONS).default('fail'),
  retain_reviewer: z.boolean().default(false),
  max_rounds: z.int().min(1).max(MAX_ROUNDS).optional(),
  allow_links: z.enum(LINK_RULES).default('no'),
  allow_api_keys: z.boolean().default(false),
};

/** Those of the fields that hold expressions. */
export const checkpointTemplates = [
  'title',
  'instructions',
  'content',
  'assignees',
  'due_in',
  'due_at',
  'time_zone',
  'escalation',
] as const;

interface ActionsData {
  readonly actions: readonly WrittenAction[];
  readonly quorum?: number | Readonly<Record<string, number>> | undefined;
}

/** What people can do, in the order of the definition. */
export function offeredActions({ actions, quorum: wanted }: ActionsData): OfferedAction[] {
  return actions.map((written) => {
    const { action, label, comment } = typeof written === 'string' ? { action: written } : written;
    return {
      action,
      label: label ?? null,
      comment: comment ?? (action === 'reject' || action === 'request_changes' ? 'required' : 'optional'),
      handle: KNOWN_HANDLES.get(action) ?? action,
      quorum: quorumOf(action, wanted),
    };
  });
}

function quorumOf(action: string, wanted: ActionsData['quorum'] = 1): number {
  if (typeof wanted === 'number') return action === 'approve' ? wanted : 1;
  return Object.hasOwn(wanted, action) ? wanted[action]! : 1;
}
