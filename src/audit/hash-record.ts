import { hashJson } from '../platform/hashing/hash-json.js';
import type { AuditRecord } from './audit-record.entity.js';

/** What the first record of a chain names as the one before it. */
export const GENESIS_HASH = '0'.repeat(64);

/**
 * SHA-256 in hex over the canonical JSON of the record without its own hash. The hash of the record before is inside,
 * so no record can be changed, removed, added or moved without every later hash being wrong.
 */
export function hashRecord(record: Omit<AuditRecord, 'hash'>): string {
  const { organization_id, seq, occurred_at, action, actor_type, actor_id, subject_type, subject_id } = record;
  const { details, request_id, address, user_agent, previous_hash } = record;
  return hashJson({
    organization_id,
    seq,
    occurred_at: occurred_at.toISOString(),
    action,
    actor_type,
    actor_id,
    subject_type,
    subject_id,
    details,
    request_id,
    address,
    user_agent,
    previous_hash,
  });
}
