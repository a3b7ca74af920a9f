import { z } from 'zod';
import { json, pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';
import { CHECKPOINT_STATUSES } from './checkpoint-status.js';
import { DECISION_ACTIONS } from './decision.entity.js';

export const listCheckpointsQuery = z.strictObject({
  ...pageQuery,
  status: z.enum(CHECKPOINT_STATUSES).optional(),
  execution_id: z.uuid().optional(),
});
export type ListCheckpointsQuery = z.output<typeof listCheckpointsQuery>;

const text = z.string().max(10_000);

export const decideBody = z
  .discriminatedUnion('action', [
    z.strictObject({ action: z.literal('approve'), reason: text.optional() }),
    z.strictObject({
      action: z.literal('edit'),
      content: json
        .refine((value) => value !== undefined, 'Send the edited content.')
        .meta({ description: 'The content as it shall be; checked against the schema of the checkpoint' }),
      reason: text.optional(),
    }),
    z.strictObject({
      action: z.literal('reject'),
      reason: text.trim().min(1, 'Say why, so that whoever made it can do better.'),
    }),
  ])
  .meta({ id: 'Decide' });
export type DecideBody = z.output<typeof decideBody>;

const summary = {
  id: z.uuid(),
  execution_id: z.uuid(),
  node_id: z.string(),
  iteration: z.int(),
  status: z.enum(CHECKPOINT_STATUSES),
  title: z.string(),
  instructions: z.string(),
  requested_by: z.uuid().nullable(),
  revision: z.int(),
  created_at: timestamp,
  closed_at: timestamp.nullable(),
};

export const checkpointPage = pageOf(z.object(summary).meta({ id: 'CheckpointSummary' }), 'CheckpointPage');

const decisionView = z
  .object({
    action: z.enum(DECISION_ACTIONS),
    decided_by: z.uuid(),
    decided_by_name: z.string(),
    decided_at: timestamp,
    reason: z.string().nullable(),
    content_hash: z.string(),
    edited_content: json,
    patch: json,
  })
  .meta({ id: 'Decision' });

export const checkpointView = z
  .object({
    ...summary,
    content: json,
    schema: json,
    editable: z.boolean(),
    not_requester: z.boolean(),
    decision: decisionView.nullable(),
  })
  .meta({ id: 'Checkpoint' });
