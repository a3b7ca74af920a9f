import { z } from 'zod';
import { pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';
import { ACTOR_TYPES } from './audit-record.entity.js';

export const listAuditQuery = z.strictObject({
  ...pageQuery,
  subject_type: z.string().max(64).optional(),
  subject_id: z.string().max(128).optional(),
});
export type ListAuditQuery = z.output<typeof listAuditQuery>;

/** The number of a record; more than 18 digits no chain will ever have. */
const recordNumber = z
  .string()
  .regex(/^[1-9]\d{0,17}$/, 'A record has a number from 1 on.')
  .optional();

export const exportAuditQuery = z.strictObject({ from_seq: recordNumber, to_seq: recordNumber });
export type ExportAuditQuery = z.output<typeof exportAuditQuery>;

const auditRecordView = z
  .object({
    seq: z.string(),
    occurred_at: timestamp,
    action: z.string(),
    actor_type: z.enum(ACTOR_TYPES),
    actor_id: z.uuid().nullable(),
    subject_type: z.string(),
    subject_id: z.string(),
    details: z.record(z.string(), z.unknown()),
    request_id: z.string().nullable(),
    address: z.string().nullable(),
    user_agent: z.string().nullable(),
    previous_hash: z.string(),
    hash: z.string(),
  })
  .meta({ id: 'AuditRecord' });

export const auditPage = pageOf(auditRecordView, 'AuditPage');

export const verificationView = z
  .object({
    intact: z.boolean(),
    records: z.number(),
    head_hash: z.string(),
    broken_at: z.object({ seq: z.string(), reason: z.string() }).nullable(),
  })
  .meta({ id: 'AuditVerification' });
