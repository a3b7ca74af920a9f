import { storable } from '../database/storable.js';

/** As deep as the API lets people nest; recursive readers of the value stay safe. */
const MAX_DEPTH = 64;

/**
 * The body of an answer as a JSON value that PostgreSQL can store. JSON by its content type becomes the value, with U+FFFD
 * for what `storable` replaces; JSON that cannot be held (nested more than 64 levels deep, a number like 1e400) stays text.
 */
export function decodeBody(bytes: Buffer, contentType: string | undefined): unknown {
  if (bytes.length === 0) return null;
  const text = textOf(bytes);
  if (text === null) return { base64: bytes.toString('base64') };
  return isJson(contentType) ? jsonOf(text) : text;
}

/** Null for what is no UTF-8, or has a NUL character, which PostgreSQL refuses in text. */
function textOf(bytes: Buffer): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
}

function isJson(contentType = ''): boolean {
  return /^(application\/json|[^\s;]+\+json)$/i.test((contentType.split(';')[0] ?? '').trim());
}

function jsonOf(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return canBeHeld(value, MAX_DEPTH) ? storable(value) : text;
  } catch {
    return text;
  }
}

function canBeHeld(value: unknown, levels: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((item) => canBeHeld(item, levels - 1));
}
