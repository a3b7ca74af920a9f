import { z } from 'zod';
import { json, timestamp } from '../platform/http/returns.decorator.js';
import { DEFAULT_PAGE, MAX_PAGE } from '../platform/http/signed-cursor.js';
import { CHECKPOINT_EVENTS } from './checkpoint-event.entity.js';
import { CHECKPOINT_STATUSES } from './checkpoint-status.js';
import { VOID_REASONS } from './decision.entity.js';

export const historyQuery = z.strictObject({
  after: z.coerce.number().int().min(0).max(2_147_483_647).default(0),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
});
export type HistoryQuery = z.output<typeof historyQuery>;

const actor = z
  .object({
    user_id: z.uuid().nullable(),
    name: z.string().nullable(),
    via: z.string().nullable(),
    address: z.string().nullable().optional().meta({ description: 'Only for audit:read; the hash covers it' }),
    user_agent: z.string().nullable().optional().meta({ description: 'Only for audit:read; the hash covers it' }),
    request_id: z.string().nullable(),
  })
  .meta({ id: 'CheckpointEventActor' });

const event = z
  .object({
    checkpoint_id: z.uuid(),
    seq: z.int(),
    type: z.enum(CHECKPOINT_EVENTS),
    occurred_at: timestamp,
    actor,
    data: json,
    previous_hash: z.string(),
    hash: z.string(),
  })
  .meta({ id: 'CheckpointEvent' });

export const historyPage = z
  .object({
    data: z.array(event),
    next_after: z.int().nullable().meta({ description: 'Pass it as `after` to read on; null at the end' }),
  })
  .meta({ id: 'CheckpointHistory' });

/** The fields of `Evidence`, and what the database vouches for in them; see evidence.service.ts. */
const checkpoint = z
  .object({
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
    schema: json,
    policy: json,
    original_content: json,
    content: json,
    history_length: z.int(),
    history_hash: z.string(),
  })
  .meta({ id: 'EvidenceCheckpoint' });

const decision = z
  .object({
    id: z.uuid(),
    action: z.string(),
    content_hash: z.string(),
    result_hash: z.string(),
    patch: json,
    edited_content: json,
    void_reason: z.enum(VOID_REASONS).nullable(),
  })
  .meta({ id: 'EvidenceDecision' });

const auditRecord = z
  .object({
    organization_id: z.uuid(),
    seq: z.string(),
    occurred_at: z.iso.datetime(),
    action: z.string(),
    actor_type: z.string(),
    actor_id: z.uuid().nullable(),
    subject_type: z.string(),
    subject_id: z.string(),
    details: json,
    request_id: z.string().nullable(),
    address: z.string().nullable(),
    user_agent: z.string().nullable(),
    previous_hash: z.string(),
    hash: z.string(),
  })
  .meta({ id: 'WholeAuditRecord' });

export const evidenceFile = z
  .object({
    format: z.literal('holdpoint-evidence'),
    version: z.literal(1),
    exported_at: timestamp,
    organization_id: z.uuid(),
    checkpoint,
    decisions: z.array(decision),
    events: z.array(event),
    audit_records: z.array(auditRecord),
    audit_head: z.object({ seq: z.string(), hash: z.string() }),
  })
  .meta({ id: 'Evidence' });
