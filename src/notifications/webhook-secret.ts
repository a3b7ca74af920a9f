import { createHmac, randomBytes } from 'node:crypto';
import { openText, sealText } from '../platform/sealing/seal-text.js';

const PREFIX = 'whsec_';
const PURPOSE = 'webhook-secret';

/** Standard Webhooks asks for 24 to 64 bytes. */
const BYTES = 32;

export function newWebhookSecret(): string {
  return PREFIX + randomBytes(BYTES).toString('base64');
}

/** As it is kept in the row of this endpoint. */
export function sealSecret(secretKey: string, endpointId: string, secret: string): string {
  return sealText(secretKey, PURPOSE, endpointId, secret);
}

/** Null when SECRET_KEY is not the one it was sealed with. */
export function openSecret(secretKey: string, endpointId: string, sealed: string): string | null {
  return openText(secretKey, PURPOSE, endpointId, sealed);
}

interface Signed {
  /** `webhook-id` */
  id: string;
  /** Seconds since 1970. */
  timestamp: number;
  body: string;
}

/** The header `webhook-signature` of Standard Webhooks 1.0: one signature for each secret, with spaces between. */
export function signWebhook(secrets: readonly string[], { id, timestamp, body }: Signed): string {
  const content = `${id}.${timestamp}.${body}`;
  return secrets
    .map((secret) => Buffer.from(secret.slice(PREFIX.length), 'base64'))
    .map((key) => `v1,${createHmac('sha256', key).update(content).digest('base64')}`)
    .join(' ');
}
