import type { Dispatcher } from 'undici';
import { storable } from '../database/storable.js';
import { decodeBody } from './decode-body.js';
import { type HttpOutcome, httpFailure } from './http-outcome.js';
import { MAX_BODY_BYTES, type PreparedRequest } from './prepare-request.js';

/** Reads an answer to its end, or to the byte that is one too many; then it lets go of the rest. */
export async function readAnswer(
  { method, url }: PreparedRequest,
  { statusCode, headers: received, body }: Dispatcher.ResponseData,
): Promise<HttpOutcome> {
  const headers = joined(received);
  const bytes = announcesTooMuch(method, statusCode, headers) ? null : await readAtMost(body, MAX_BODY_BYTES);
  if (bytes === null) {
    const what = 'Ask for less, or for a part at a time.';
    return httpFailure('HTTP_RESPONSE_TOO_LARGE', `${url.origin} answered more than ${MAX_BODY_BYTES} bytes. ${what}`);
  }
  if (bytes.length > 0 && isPacked(headers)) {
    const what = 'Make it answer as it is.';
    return httpFailure('HTTP_INVALID_RESPONSE', `${url.origin} answered compressed, which was not asked for. ${what}`);
  }
  return { ok: true, status: statusCode, headers, body: decodeBody(bytes, headers['content-type']) };
}

/** By either of the two ways of HTTP (RFC 9110 §8.4, RFC 9112 §7.2). */
function isPacked(headers: Readonly<Record<string, string>>): boolean {
  const { 'content-encoding': content = '', 'transfer-encoding': transfer = '' } = headers;
  return !/^(identity)?$/i.test(content) || !/^(chunked)?$/i.test(transfer);
}

/** Answers to HEAD and 304 tell the length of a body that does not come (RFC 9110 §8.6). */
function announcesTooMuch(method: string, status: number, headers: Readonly<Record<string, string>>): boolean {
  return method !== 'HEAD' && status !== 304 && Number(headers['content-length']) > MAX_BODY_BYTES;
}

/**
 * Null when there is more. Leaving the loop destroys the stream, and with it the connection. Copied into one buffer: a
 * million pieces of one byte each would take a hundred times their size.
 */
async function readAtMost(body: AsyncIterable<Buffer>, most: number): Promise<Buffer | null> {
  let bytes = Buffer.alloc(0);
  let size = 0;
  for await (const chunk of body) {
    const end = size + chunk.length;
    if (end > most) return null;
    if (end > bytes.length) bytes = Buffer.concat([bytes], Math.min(most, Math.max(end, bytes.length * 2)));
    chunk.copy(bytes, size);
    size = end;
  }
  return bytes.subarray(0, size);
}

/** fromEntries defines its keys, so a header named `__proto__` becomes a key like any other. */
function joined(received: Dispatcher.ResponseData['headers']): Record<string, string> {
  const entries = Object.entries(received).map(([name, value = '']) => [name, [value].flat().join(', ')] as const);
  return storable(Object.fromEntries(entries));
}
