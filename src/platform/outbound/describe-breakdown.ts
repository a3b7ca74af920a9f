import { errors } from 'undici';
import { type HttpFailure, httpFailure } from './http-outcome.js';
import { MAX_HEADER_BYTES } from './prepare-request.js';

/** What the codes of Node and undici mean to who wrote the request. Their messages hold addresses, so they are not told. */
const CONNECTION: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  ECONNRESET: 'closed the connection before the answer was complete',
  EPIPE: 'closed the connection before the answer was complete',
  UND_ERR_SOCKET: 'closed the connection before the answer was complete',
  EHOSTUNREACH: 'cannot be reached from here',
  ENETUNREACH: 'cannot be reached from here',
  ETIMEDOUT: 'did not take the connection in time',
};

/**
 * What an error says that broke an exchange, or null for one that does not come from the network: a fault of ours.
 * @param error as Node's sockets, TLS and undici throw them, with a code
 */
export function describeBreakdown(url: URL, error: unknown): HttpFailure | null {
  if (isNoHttp(error)) {
    const message = `${url.origin} answered something that is no HTTP. Check the port, or try again.`;
    return httpFailure('HTTP_INVALID_RESPONSE', message);
  }
  if (error instanceof errors.HeadersOverflowError) {
    const message = `${url.origin} answered more than ${MAX_HEADER_BYTES} bytes of headers. Ask for less.`;
    return httpFailure('HTTP_RESPONSE_TOO_LARGE', message);
  }
  const code = codeOf(error);
  if (code === null) return null;
  const what = CONNECTION[code] ?? `cannot be talked to (${code})`;
  return httpFailure('HTTP_CONNECTION_FAILED', `${url.origin} ${what}. Check that it is up, or try again.`);
}

/** (undici asserts that a status has three digits and is not under 100.) */
function isNoHttp(error: unknown): boolean {
  const known = [errors.HTTPParserError, errors.ResponseContentLengthMismatchError];
  return known.some((kind) => error instanceof kind) || /^ERR_ASSERTION$/.test(codeOf(error) ?? '');
}

/** Errors of Node and of undici have one; those of a program at fault have none. */
function codeOf(error: unknown): string | null {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : null;
}
