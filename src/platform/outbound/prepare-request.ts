import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { type HttpFailure, httpFailure } from './http-outcome.js';

export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];

export interface HttpRequest {
  method: HttpMethod;
  /** http or https, without user and password. */
  url: string;
  /** In any case. Those that frame the message or choose the connection are refused. */
  headers?: Readonly<Record<string, string>>;
  /** A string is sent as it is, any other JSON value as JSON, undefined and null as nothing. At most 1 MiB. */
  body?: unknown;
  /** For everything together: waiting for a connection, looking up, connecting, sending, reading. Over 0, at most 86,400. */
  timeoutSeconds: number;
  /** Sent as `Idempotency-Key`, unless `headers` has one. */
  idempotencyKey?: string;
  /** Ends the request at once, with HTTP_CANCELLED. */
  signal?: AbortSignal;
}

/** A request that may be sent as it is, if its target may be called. */
export interface PreparedRequest {
  ok: true;
  method: HttpMethod;
  url: URL;
  headers: [name: string, value: string][];
  body: Buffer | null;
}

export const MAX_BODY_BYTES = 1_048_576;
export const MAX_HEADER_BYTES = 32_768;

/** Those that only the sender can know, and those that would let a caller forge where one message ends (RFC 9112 §6). */
const RESERVED = new Set(
  'accept-encoding connection content-length expect host http2-settings keep-alive te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
);

const NAME = /^[!#$%&'*+.^_`|~\w-]+$/;
const VALUE = /^[ -~\t]*$/;

const { version } = JSON.parse(readFileSync(findPackageJSON(import.meta.url) ?? 'package.json', 'utf8')) as {
  version: string;
};

/** Checks a request and completes its headers. Pure: nothing is looked up or opened. */
export function prepareRequest(request: HttpRequest): PreparedRequest | HttpFailure {
  const { method, headers = {} } = request;
  const url = URL.canParse(request.url) ? new URL(request.url) : null;
  const given = withKey(Object.entries(headers), request.idempotencyKey);
  const body = bytesOf(request.body);
  const problem = problemOfUrl(url) ?? problemOfHeaders(given) ?? problemOfBody(method, body);
  if (url === null || problem !== null) return invalid(problem ?? '');
  const completed = withDefaults(given, request.body);
  const size = completed.reduce((sum, [name, value]) => sum + name.length + value.length + 4, url.href.length);
  if (size > MAX_HEADER_BYTES)
    return invalid(`The URL and the headers have more than ${MAX_HEADER_BYTES} bytes together.`);
  return { ok: true, method, url, headers: completed, body };
}

function invalid(message: string): HttpFailure {
  return httpFailure('HTTP_INVALID_REQUEST', message);
}

function problemOfUrl(url: URL | null): string | null {
  if (url === null) return 'The URL cannot be read. Write all of it, such as https://example.com/path.';
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return 'Only http and https can be called. Change the URL.';
  if (url.username !== '' || url.password !== '') {
    return 'The URL holds a user or a password. Send them in the header Authorization.';
  }
  return null;
}

/** Values are not told, and names only where they are names: either may hold a secret. */
function problemOfHeaders(headers: readonly [string, string][]): string | null {
  const seen = new Set<string>();
  for (const [given, value] of headers) {
    const name = given.toLowerCase();
    if (!NAME.test(name))
      return 'A header has a name with characters that no name may have. Use letters, digits and -.';
    if (RESERVED.has(name) || name.startsWith('proxy-')) return `The header ${name} is set by the sender. Remove it.`;
    if (seen.has(name)) return `The header ${name} is there twice. Keep one.`;
    if (typeof value !== 'string' || !VALUE.test(value)) {
      return `The value of the header ${name} has line breaks or characters outside ASCII. Encode or remove them.`;
    }
    seen.add(name);
  }
  return null;
}

function problemOfBody(method: HttpMethod, body: Buffer | null): string | null {
  if (body === null) return null;
  if (method === 'GET' || method === 'HEAD')
    return `${method} sends no body. Use another method, or put it into the URL.`;
  if (body.length > MAX_BODY_BYTES) return `The body has more than ${MAX_BODY_BYTES} bytes. Send less, or a reference.`;
  return null;
}

function bytesOf(body: unknown): Buffer | null {
  if (body === undefined || body === null) return null;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function withKey(given: [string, string][], key: string | undefined): [string, string][] {
  return key === undefined ? given : withMissing(given, [['Idempotency-Key', key]]);
}

function withDefaults(given: [string, string][], body: unknown): [string, string][] {
  const type = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json';
  return withMissing(given, [
    ['User-Agent', `Holdpoint/${version}`],
    ...(body === undefined || body === null ? [] : [['Content-Type', type] satisfies [string, string]]),
    // Nothing is unpacked here, so a small answer cannot become a large one.
    ['Accept-Encoding', 'identity'],
  ]);
}

function withMissing(given: [string, string][], others: [string, string][]): [string, string][] {
  const names = new Set(given.map(([name]) => name.toLowerCase()));
  return [...given, ...others.filter(([name]) => !names.has(name.toLowerCase()))];
}
