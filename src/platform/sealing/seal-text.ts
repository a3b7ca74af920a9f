import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** Says how the rest is to be read. */
const FORMAT = 's1';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Encrypts a text for keeping it in the database: AES-256-GCM under a key made of SECRET_KEY for this purpose (HKDF,
 * RFC 5869). It opens only with the same `context`, such as the id of the row, so it cannot be moved to another one.
 */
export function sealText(secretKey: string, purpose: string, context: string, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyFor(secretKey, purpose), nonce).setAAD(Buffer.from(context));
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${FORMAT}.${sealed.toString('base64url')}`;
}

/** Null when it was not sealed with this key, purpose and context, or was changed since. */
export function openText(secretKey: string, purpose: string, context: string, sealed: string): string | null {
  const [format, payload = ''] = sealed.split('.');
  const bytes = Buffer.from(payload, 'base64url');
  if (format !== FORMAT || bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  const decipher = createDecipheriv('aes-256-gcm', keyFor(secretKey, purpose), bytes.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    return null;
  }
}

function keyFor(secretKey: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secretKey, '', `holdpoint:${purpose}`, 32));
}
