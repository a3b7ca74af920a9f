import { createHash } from 'node:crypto';

export const ZEROS = '0'.repeat(64);

export const words = (text) => text.trim().split(/\s+/);
export const EVENT = words('checkpoint_id seq type occurred_at actor data previous_hash hash');
export const RECORD = words(`organization_id seq occurred_at action actor_type actor_id subject_type subject_id details
  request_id address user_agent previous_hash hash`);

/** RFC 8785. The product computes the same in src/platform/hashing/canonical-json.ts, and a test compares them. */
export function canonicalJson(value) {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.keys(value)
    .toSorted(byCodeUnits)
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
  return `{${members.join(',')}}`;
}

export const hashJson = (value) => createHash('sha256').update(canonicalJson(value)).digest('hex');

/** Of an event or a record: over all of it but its hash (hash-event.ts, hash-record.ts). */
export function hashLink(link) {
  const { hash, ...content } = link;
  return hash === undefined ? '' : hashJson(content);
}

export const same = (a, b) => canonicalJson(a) === canonicalJson(b);

/** More fields would be in no hash, and could say anything. */
export const hasFields = (value, fields) =>
  same(Object.keys(value).toSorted(byCodeUnits), fields.toSorted(byCodeUnits));

const byCodeUnits = (a, b) => (a < b ? -1 : 1);

/** @returns what is wrong with an event or a record behind the one before it. */
export function misfits(link, fields, before) {
  return [
    !hasFields(link, fields) && 'does not have exactly the fields that its hash covers',
    String(link.seq) !== String(Number(before.seq) + 1) && `does not come after ${before.seq}: one is missing or moved`,
    link.previous_hash !== before.hash && 'does not name the hash of the one before it',
    hashLink(link) !== link.hash && 'was changed: its content does not have its hash',
  ].filter(Boolean);
}
