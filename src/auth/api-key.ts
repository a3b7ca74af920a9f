import { createHash, randomBytes } from 'node:crypto';

/** No access token begins so: those begin with `eyJ`, the base64 of a JSON object. */
export const API_KEY_START = 'hp_';

const API_KEY = /^hp_[\da-f]{12}_[\w-]{43}$/;

interface NewApiKey {
  /** `hp_<part to tell keys apart by>_<secret of 256 random bits>`; shown once and kept nowhere. */
  key: string;
  prefix: string;
  hash: string;
}

export function makeApiKey(): NewApiKey {
  const prefix = `${API_KEY_START}${randomBytes(6).toString('hex')}`;
  const key = `${prefix}_${randomBytes(32).toString('base64url')}`;
  return { key, prefix, hash: hashOf(key) };
}

/** Null for what cannot be a key, so that nothing is looked up for it. */
export function hashApiKey(text: string): string | null {
  return API_KEY.test(text) ? hashOf(text) : null;
}

/**
 * A plain hash, unlike that of a password: nobody can try 2^256 secrets, so there is nothing to slow down. As keys are
 * looked up by it, the time that takes tells about hashes, not about keys.
 */
function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
