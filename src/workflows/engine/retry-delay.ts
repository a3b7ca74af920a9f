import type { RetryPolicy } from './definition.js';

/**
 * Seconds to wait before the next attempt, or null when there is none left.
 * The n-th wait is `initial_seconds` with `backoff: fixed`, n times that with `linear`, 2^(n-1) times with
 * `exponential`, at most `max_seconds`. Jitter takes off up
 * to half, so that steps that failed together do not come back together.
 * @param attempt how often it was tried so far, from 1
 * @param random evenly spread over [0, 1); the caller's, so that the answer depends on the arguments alone
 */
export function retryDelaySeconds(policy: RetryPolicy, attempt: number, random: number): number | null {
  if (attempt >= policy.max_attempts) return null;
  const seconds = Math.min(policy.initial_seconds * GROWTH[policy.backoff](attempt), policy.max_seconds);
  return policy.jitter ? seconds * (1 - random / 2) : seconds;
}

const GROWTH = {
  fixed: () => 1,
  linear: (attempt: number) => attempt,
  exponential: (attempt: number) => 2 ** (attempt - 1),
} as const satisfies Record<RetryPolicy['backoff'], (attempt: number) => number>;
