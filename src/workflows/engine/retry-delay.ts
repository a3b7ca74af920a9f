import type { RetryPolicy } from './definition.js';

/**
 * Seconds to wait before the next attempt, or null when there is none left.
 * With `backoff: exponential` the n-th wait is `initial_seconds` · 2^(n-1), at most `max_seconds`. Jitter takes off up
 * to half, so that steps that failed together do not come back together.
 * @param attempt how often it was tried so far, from 1
 * @param random evenly spread over [0, 1); the caller's, so that the answer depends on the arguments alone
 */
export function retryDelaySeconds(policy: RetryPolicy, attempt: number, random: number): number | null {
  if (attempt >= policy.max_attempts) return null;
  const growth = policy.backoff === 'exponential' ? 2 ** (attempt - 1) : 1;
  const seconds = Math.min(policy.initial_seconds * growth, policy.max_seconds);
  return policy.jitter ? seconds * (1 - random / 2) : seconds;
}
