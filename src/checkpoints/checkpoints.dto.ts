import { z } from 'zod';
import { json, pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';
import { CHECKPOINT_STATUSES } from './checkpoint-status.js';
import { VOID_REASONS, WAYS } from './decision.entity.js';
import { INBOX_VIEWS } from './inbox.repository.js';

const moment = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const nodeId = z.string().max(64);
const actionId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is approve, edit, or an action that the checkpoint offers');
export const text = z.string().max(10_000);

export const listCheckpointsQuery = z.strictObject({
  ...pageQuery,
  status: z.enum(CHECKPOINT_STATUSES).optional(),
  execution_id: z.uuid().optional(),
  workflow_id: z.uuid().optional(),
  node_id: nodeId.optional(),
  action: actionId.optional(),
  decided_by: z.uuid().optional(),
  created_from: moment.optional(),
  created_before: moment.optional(),
  order: z.enum(['asc', 'desc']).default('asc'),
});
export type ListCheckpointsQuery = z.output<typeof listCheckpointsQuery>;

/** A day. */
const SOON_SECONDS = 86_400;
const withinSeconds = z.coerce.number().int().min(1).max(31_536_000).default(SOON_SECONDS);

export const inboxQuery = z.strictObject({
  ...pageQuery,
  view: z.enum(INBOX_VIEWS).default('all'),
  workflow_id: z.uuid().optional(),
  node_id: nodeId.optional(),
  within_seconds: withinSeconds,
});
export type InboxQuery = z.output<typeof inboxQuery>;

export const countInboxQuery = z.strictObject({ within_seconds: withinSeconds });
export type CountInboxQuery = z.output<typeof countInboxQuery>;

export const inboxCounts = z
  .object({
    all: z.int(),
    assigned: z.int(),
    claimable: z.int(),
    claimed: z.int(),
    due_soon: z.int(),
    overdue: z.int(),
  })
  .meta({ id: 'InboxCounts' });

/** Text that says something, where it is given. */
const comment = text.trim().optional();

const decision = {
  action: actionId.meta({ description: 'approve, edit, reject, request_changes, or one of the workflow’s own' }),
  content: json.optional().meta({
    description: 'With edit: the content as it shall be; checked against the schema of the checkpoint',
  }),
  comment,
};

/** `content` comes with `edit` and with nothing else. */
const hasItsContent = (given: { action: string; content?: unknown }) =>
  (given.action === 'edit') === (given.content !== undefined);
const aboutContent = { path: ['content'], error: 'Send the edited content with edit, and only with it.' };

export const decideBody = z
  .strictObject({
    ...decision,
    on_behalf_of: z
      .uuid()
      .optional()
      .meta({ description: 'The colleague who delegated to you and for whom you decide; found where left out' }),
  })
  .refine(hasItsContent, aboutContent)
  .meta({ id: 'Decide' });
export type DecideBody = z.output<typeof decideBody>;

export const decideManyBody = z
  .strictObject({
    decisions: z
      .array(
        z
          .strictObject({
            id: z.uuid(),
            revision: z.int().min(1).max(2_147_483_647),
            ...decision,
            on_behalf_of: z.uuid().optional(),
          })
          .refine(hasItsContent, aboutContent),
      )
      .min(1)
      .max(100),
  })
  .meta({ id: 'DecideMany' });
export type DecideManyBody = z.output<typeof decideManyBody>;

export const decidedMany = z
  .object({
    data: z.array(
      z.object({
        id: z.uuid(),
        /** As the single call would have been answered. */
        status: z.int(),
        revision: z.int().nullable(),
        checkpoint_status: z.enum(CHECKPOINT_STATUSES).nullable(),
        error: z.object({ code: z.string(), detail: z.string(), errors: json }).nullable(),
      }),
    ),
  })
  .meta({ id: 'DecidedMany' });

const names = (max: number) => z.array(z.string().trim().min(1).max(255)).max(max).default([]);
export const reassignBody = z
  .strictObject({
    users: names(100).meta({ description: 'Ids or e-mail addresses' }),
    roles: z
      .array(z.enum(['owner', 'admin', 'approver']))
      .max(3)
      .default([]),
    groups: names(100),
    comment,
  })
  .refine(({ users, roles, groups }) => users.length + roles.length + groups.length > 0, {
    error: 'Name at least one of users, roles, groups.',
  })
  .meta({ id: 'Reassign' });
export type ReassignBody = z.output<typeof reassignBody>;

export const commentBody = z.strictObject({ text: text.trim().min(1) }).meta({ id: 'CheckpointComment' });
export type CommentBody = z.output<typeof commentBody>;

const assignees = z
  .object({ users: z.array(z.string()), roles: z.array(z.string()), groups: z.array(z.string()) })
  .nullable();

const summary = {
  id: z.uuid(),
  execution_id: z.uuid(),
  workflow_id: z.uuid(),
  version: z.int(),
  node_id: z.string(),
  iteration: z.int(),
  round: z.int(),
  status: z.enum(CHECKPOINT_STATUSES),
  action: z.string().nullable(),
  title: z.string(),
  instructions: z.string(),
  assigned_to: assignees,
  requested_by: z.uuid().nullable(),
  claimed_by: z.uuid().nullable(),
  claimed_by_name: z.string().nullable(),
  claimed_at: timestamp.nullable(),
  due_at: timestamp.nullable(),
  expired_at: timestamp.nullable(),
  revision: z.int(),
  created_at: timestamp,
  closed_at: timestamp.nullable(),
};

export const checkpointPage = pageOf(z.object(summary).meta({ id: 'CheckpointSummary' }), 'CheckpointPage');

const decisionView = z
  .object({
    id: z.uuid(),
    action: z.string(),
    decided_by: z.uuid().nullable(),
    decided_by_name: z.string(),
    verified: z.boolean(),
    on_behalf_of: z.uuid().nullable(),
    on_behalf_of_name: z.string().nullable(),
    via: z.enum(WAYS),
    decided_at: timestamp,
    comment: z.string().nullable(),
    content_hash: z.string(),
    result_hash: z.string(),
    edited_content: json,
    patch: json,
    void_reason: z.enum(VOID_REASONS).nullable(),
    voided_at: timestamp.nullable(),
  })
  .meta({ id: 'Decision' });

export const checkpointView = z
  .object({
    ...summary,
    content: json,
    original_content: json,
    schema: json,
    policy: json.meta({ description: 'What the definition asks for, its expressions evaluated' }),
    /** The one that closed it. */
    decision: decisionView.nullable(),
    decisions: z.array(decisionView).meta({ description: 'All, those that do not count any more too' }),
    you: z
      .array(
        z.object({
          action: z.string(),
          allowed: z.boolean(),
          code: z.string().nullable(),
          detail: z.string().nullable(),
        }),
      )
      .meta({ description: 'What you may do with it now, and why not' }),
  })
  .meta({ id: 'Checkpoint' });

export const giveEarlyBody = z
  .strictObject({
    execution_id: z.uuid(),
    node_id: nodeId,
    iteration: z.int().min(1).max(10_000).optional().meta({ description: 'The next one that opens, if left out' }),
    ...decision,
  })
  .refine(hasItsContent, aboutContent)
  .meta({ id: 'DecideEarly' });
export type GiveEarlyBody = z.output<typeof giveEarlyBody>;

export const listEarlyQuery = z.strictObject({ execution_id: z.uuid() });
export type ListEarlyQuery = z.output<typeof listEarlyQuery>;

export const earlyDecisionView = z
  .object({
    id: z.uuid(),
    execution_id: z.uuid(),
    node_id: z.string(),
    iteration: z.int().nullable(),
    status: z.enum(['kept', 'applied', 'refused', 'cancelled']),
    given_by: z.uuid(),
    action: z.string(),
    comment: z.string().nullable(),
    content: json,
    created_at: timestamp,
    checkpoint_id: z.uuid().nullable(),
    refusal: z.string().nullable(),
  })
  .meta({ id: 'EarlyDecision' });

export const earlyDecisionList = z.object({ data: z.array(earlyDecisionView) }).meta({ id: 'EarlyDecisionList' });

export const delegateBody = z
  .strictObject({
    from_user: z.uuid().optional().meta({ description: 'You, if left out; others are an admin’s to name' }),
    to_user: z.uuid(),
    starts_at: moment.optional(),
    ends_at: moment,
    comment,
  })
  .meta({ id: 'Delegate' });
export type DelegateBody = z.output<typeof delegateBody>;

export const listDelegationsQuery = z.strictObject({
  ...pageQuery,
  all: z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true'),
});
export type ListDelegationsQuery = z.output<typeof listDelegationsQuery>;

export const delegationView = z
  .object({
    id: z.uuid(),
    from_user: z.uuid(),
    to_user: z.uuid(),
    starts_at: timestamp,
    ends_at: timestamp,
    comment: z.string().nullable(),
    created_by: z.uuid(),
    created_at: timestamp,
    revoked_at: timestamp.nullable(),
  })
  .meta({ id: 'Delegation' });

export const delegationPage = pageOf(delegationView, 'DelegationPage');
