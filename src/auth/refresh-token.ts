import { createHmac, timingSafeEqual } from 'node:crypto';

export interface RefreshToken {
  session_id: string;
  /** From 1; each rotation adds one. */
  counter: number;
}

const FORMAT = /^hpr_([\da-f-]{36})\.([1-9]\d{0,8})\.([\w-]{43})$/;

/** `hpr_<session>.<counter>.<HMAC-SHA256>`: it can be made again at any time, so none is stored, not even hashed. */
export function writeRefreshToken(secret: string, token: RefreshToken): string {
  const named = `${token.session_id}.${token.counter}`;
  return `hpr_${named}.${sign(secret, named)}`;
}

/** Undefined unless `writeRefreshToken` made exactly this text with this secret. */
export function readRefreshToken(secret: string, text: string): RefreshToken | undefined {
  const [, session = '', counter = '', signature = ''] = FORMAT.exec(text) ?? [];
  const expected = sign(secret, `${session}.${counter}`);
  if (signature.length !== expected.length) return undefined;
  if (!timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) return undefined;
  return { session_id: session, counter: Number(counter) };
}

function sign(secret: string, named: string): string {
  return createHmac('sha256', secret).update(`refresh-token:${named}`).digest('base64url');
}
