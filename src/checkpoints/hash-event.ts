import { hashJson } from '../platform/hashing/hash-json.js';
import type { CheckpointEvent } from './checkpoint-event.entity.js';

/** What the first event of a checkpoint names as the one before it. */
export const FIRST_HASH = '0'.repeat(64);

/**
 * SHA-256 in hex over the canonical JSON (RFC 8785) of the event without its own hash. The hash of the event before is
 * inside, so none can be changed, removed, added or moved without every later hash being wrong. `scripts/verify-audit.mjs`
 * computes the same from an export.
 */
export function hashEvent(event: Omit<CheckpointEvent, 'hash'>): string {
  const { checkpoint_id, seq, type, occurred_at, actor, data, previous_hash } = event;
  return hashJson({ checkpoint_id, seq, type, occurred_at: occurred_at.toISOString(), actor, data, previous_hash });
}
