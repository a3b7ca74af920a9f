/** The kinds of refusal a caller can tell apart. `platform/http/problem.filter.ts` maps each to one HTTP status. */
export const ERROR_KINDS = [
  'malformed', // cannot be parsed at all
  'invalid', // understood, but against the rules
  'unauthenticated', // who is asking is not known
  'forbidden', // known, but may not
  'not_found', // does not exist for this caller
  'not_allowed', // exists, but cannot be used in this way
  'conflict', // does not fit the present state
  'stale', // the caller saw an older state
  'precondition_required', // the caller did not say which state it saw
  'unsupported', // a media type we do not read
  'too_large',
  'too_many', // try again later
  'timed_out',
  'out_of_memory',
  'failed', // the caller's own program failed
  'unavailable', // the service cannot do this now
] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** One thing that is wrong, with its place as a JSON Pointer (RFC 6901); `""` is the whole document. */
export interface Problem {
  pointer: string;
  code: string;
  message: string;
}

interface ErrorDetails {
  errors?: Problem[];
  /** Further members of the problem document (RFC 9457 §3.2). */
  extensions?: Record<string, unknown>;
  retryAfterSeconds?: number;
  cause?: unknown;
}

/**
 * A refusal that its reader can act on: `code` is stable and UPPER_SNAKE, `message` says what happened and what to do.
 * Anything else that is thrown is a fault of ours and is answered without detail.
 */
export class DomainError extends Error {
  readonly errors: Problem[] | undefined;
  readonly extensions: Record<string, unknown> | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly kind: ErrorKind,
    readonly code: string,
    message: string,
    details: ErrorDetails = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'DomainError';
    this.errors = details.errors;
    this.extensions = details.extensions;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** A foreign id and an unknown one look alike, so that nobody learns what another tenant has. */
export function notFound(thing: string, id: string): DomainError {
  return new DomainError('not_found', 'NOT_FOUND', `There is no ${thing} ${id} in your organization. Check the id.`);
}
