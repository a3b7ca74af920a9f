import { retrySchema } from './definition.js';
import { retryDelaySeconds } from './retry-delay.js';

const policy = (given: object) => retrySchema.parse({ max_attempts: 20, jitter: false, ...given });

describe('the wait before a retry', () => {
  it('is none when all attempts are used up', () => {
    expect(retryDelaySeconds(policy({ max_attempts: 1 }), 1, 0)).toBeNull();
    expect(retryDelaySeconds(policy({ max_attempts: 3 }), 2, 0)).toBe(2);
    expect(retryDelaySeconds(policy({ max_attempts: 3 }), 3, 0)).toBeNull();
    expect(retryDelaySeconds(retrySchema.parse({}), 1, 0)).toBeNull();
  });

  it('doubles up to its maximum', () => {
    const waits = [1, 2, 3, 4, 19].map((attempt) =>
      retryDelaySeconds(policy({ initial_seconds: 3, max_seconds: 20 }), attempt, 0.5),
    );
    expect(waits).toEqual([3, 6, 12, 20, 20]);
  });

  it('stays the same when it is fixed', () => {
    expect(
      [1, 2, 9].map((attempt) => retryDelaySeconds(policy({ backoff: 'fixed', initial_seconds: 7 }), attempt, 0)),
    ).toEqual([7, 7, 7]);
  });

  it('grows by as much each time when it is linear, up to its maximum', () => {
    const linear = policy({ backoff: 'linear', initial_seconds: 4, max_seconds: 11 });
    expect([1, 2, 3, 19].map((attempt) => retryDelaySeconds(linear, attempt, 0))).toEqual([4, 8, 11, 11]);
  });

  it('may be nothing at all', () => {
    expect(retryDelaySeconds(policy({ initial_seconds: 0, jitter: true }), 5, 0.9)).toBe(0);
  });

  it('loses up to half by jitter', () => {
    const jittered = policy({ initial_seconds: 8, backoff: 'fixed', jitter: true });
    expect([0, 0.5, 0.999].map((random) => retryDelaySeconds(jittered, 1, random))).toEqual([
      8,
      6,
      8 * (1 - 0.999 / 2),
    ]);
  });
});
