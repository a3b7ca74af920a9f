import { globSync, readFileSync } from 'node:fs';
import type { z } from 'zod';
import { settingsSchema } from '../src/config/settings.js';
import { ERROR_KINDS, type ErrorKind } from '../src/platform/errors/domain-error.js';

/** The sources of the product by path, without comments. */
export const PRODUCT: ReadonlyMap<string, string> = new Map(
  globSync('src/**/*.ts')
    .filter((path) => !isTest(path))
    .map((path) => [path, withoutComments(readFileSync(path, 'utf8'))]),
);

/** Words of the sources that look like codes: of SQL, of HTTP, of systems, of algorithms. */
export const NO_CODES = (
  'CAP_SYS_ADMIN CASCADE DELETE DESC EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EBUSY ECONNREFUSED EEXIST ' +
  'ENOENT EPERM ERR_STREAM_DESTROYED ERR_STREAM_PREMATURE_CLOSE ES256 ESRCH FALSE HEAD KUBERNETES_SERVICE_HOST ' +
  'NFKC OPTIONS PATCH PATH PG_VERSION POST RESTRICT RLIMIT_NOFILE SANDBOX_ SIGABRT SIGINT SIGKILL SIGTERM ' +
  'SIGXCPU TRUE'
).split(' ');

/** Codes that the sources put together, by the text that does it. */
const COMPOSED: Readonly<Record<string, readonly string[]>> = {
  '`${prefix}_MISSING`': ['NODES_MISSING', 'EDGES_MISSING'],
  '`TOO_MANY_${prefix}`': ['TOO_MANY_NODES', 'TOO_MANY_EDGES'],
  "(issue.code ?? 'invalid').toUpperCase()": [...zodCodes(), 'INVALID'],
};

/** `unrecognized_keys` is told as UNKNOWN_FIELD. */
function zodCodes(): string[] {
  const codes = {
    invalid_type: true,
    too_big: true,
    too_small: true,
    invalid_format: true,
    not_multiple_of: true,
    unrecognized_keys: false,
    invalid_union: true,
    invalid_key: true,
    invalid_element: true,
    invalid_value: true,
    custom: true,
  } satisfies Record<z.core.$ZodIssue['code'], boolean>;
  return Object.entries(codes).flatMap(([code, told]) => (told ? [code.toUpperCase()] : []));
}

/** Every code that an answer, a failed step or an entry of `errors` can have. */
export function codesOfSources(): Set<string> {
  const sources = [...PRODUCT.values()];
  const composed = Object.entries(COMPOSED).flatMap(([text, codes]) =>
    sources.some((source) => source.includes(text)) ? codes : [],
  );
  return new Set([...sources.flatMap((source) => [...codesIn(source, /'([A-Z][A-Z0-9_]{3,})'/g)]), ...composed]);
}

/** The words that a pattern catches, but for names of settings and words that are no codes. */
export function codesIn(text: string, pattern: RegExp): Set<string> {
  const others = new Set([...Object.keys(settingsSchema.shape), ...NO_CODES]);
  return new Set([...text.matchAll(pattern)].map(([, word = '']) => word).filter((word) => !others.has(word)));
}

/** Codes beside their kind, as in `new DomainError('conflict', 'EMAIL_TAKEN', …)`. */
export function thrownCodes(): { kind: ErrorKind; code: string }[] {
  const pattern = new RegExp(`'(${ERROR_KINDS.join('|')})',\\s*'([A-Z][A-Z_]+)'`, 'g');
  return [...PRODUCT.values()].flatMap((source) =>
    [...source.matchAll(pattern)].map(([, kind, code = '']) => ({ kind: kind as ErrorKind, code })),
  );
}

export function isTest(path: string): boolean {
  return /\.([a-z0-9]+-)?spec\.ts$|\.fixture\.ts$/.test(path);
}

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '');
}
