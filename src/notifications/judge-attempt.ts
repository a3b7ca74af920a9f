import type { HttpOutcome } from '../platform/outbound/http-outcome.js';
import { TEST_EVENT, type WebhookJob } from './notice-jobs.js';
import type { AttemptStatus } from './webhook-delivery.entity.js';

/** Before each attempt, counted from the one before (Standard Webhooks 1.0): about three days in all. */
export const ATTEMPT_DELAYS_SECONDS = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400] as const;

type Tried = Pick<WebhookJob, 'attempt' | 'type'>;

export interface Verdict {
  status: AttemptStatus;
  http_status: number | null;
  /** What went wrong, for the people of the organization. */
  error: string | null;
  /** Null: it is not tried again. */
  retryInSeconds: number | null;
  /** What becomes of the endpoint. `if_silent`: it is switched off unless it took something else meanwhile. */
  disable: 'gone' | 'if_silent' | null;
}

/**
 * What follows from the outcome of an attempt; attempts count from 1.
 *
 * 1. Any 2xx is a success.
 * 2. 410 says that nobody wants this any more.
 * 3. What cannot be sent at all will not be sendable later; that is the fault of the event, not of the endpoint.
 * 4. A test is for somebody who is looking: it is not repeated.
 * 5. Everything else, redirects too, is tried again, until there are no attempts left.
 */
export function judgeAttempt(outcome: HttpOutcome, { attempt, type }: Tried): Verdict {
  const http_status = outcome.ok ? outcome.status : null;
  const ended = { http_status, retryInSeconds: null, disable: null };
  if (outcome.ok && outcome.status >= 200 && outcome.status < 300)
    return { ...ended, status: 'succeeded', error: null };
  const error = outcome.ok ? `It answered ${outcome.status}.` : outcome.message;
  const failed = { ...ended, status: 'failed' as const, error };
  if (http_status === 410) return { ...failed, disable: 'gone' };
  if (!outcome.ok && outcome.code === 'HTTP_INVALID_REQUEST') return failed;
  if (type === TEST_EVENT) return failed;
  const delay = ATTEMPT_DELAYS_SECONDS[attempt];
  return delay === undefined ? { ...failed, disable: 'if_silent' } : { ...failed, retryInSeconds: delay };
}
