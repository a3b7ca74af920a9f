import { httpFailure, type HttpOutcome } from '../platform/outbound/http-outcome.js';
import { TEST_EVENT } from './notice-jobs.js';
import { ATTEMPT_DELAYS_SECONDS, judgeAttempt } from './judge-attempt.js';

const answer = (status: number): HttpOutcome => ({ ok: true, status, headers: {}, body: null });
const failure = (code: Parameters<typeof httpFailure>[0]) => httpFailure(code, 'It did not work.');

const nth = (attempt: number, type = 'checkpoint.opened') => ({ attempt, type });

describe('an attempt to deliver an event', () => {
  it.each([200, 201, 202, 204, 299])('succeeds with %d', (status) => {
    expect(judgeAttempt(answer(status), nth(1))).toEqual({
      status: 'succeeded',
      http_status: status,
      error: null,
      retryInSeconds: null,
      disable: null,
    });
  });

  it('is repeated nine times, at the moments of Standard Webhooks', () => {
    const delays = ATTEMPT_DELAYS_SECONDS.map((_, index) => judgeAttempt(answer(500), nth(index + 1)).retryInSeconds);
    expect(delays).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, null]);
    expect(ATTEMPT_DELAYS_SECONDS[0]).toBe(0);
  });

  it.each([
    ['an error of the other side', answer(503)],
    ['a refusal', answer(401)],
    ['a redirect', answer(302)],
    ['a time-out', failure('HTTP_TIMED_OUT')],
    ['an address that may not be called', failure('HTTP_ADDRESS_REFUSED')],
    ['an answer that is too large', failure('HTTP_RESPONSE_TOO_LARGE')],
  ])('is repeated after %s', (_, outcome) => {
    expect(judgeAttempt(outcome, nth(1))).toMatchObject({ status: 'failed', retryInSeconds: 5, disable: null });
  });

  it('that is the last asks to switch off an endpoint that has been silent', () => {
    expect(judgeAttempt(answer(500), nth(10))).toMatchObject({ retryInSeconds: null, disable: 'if_silent' });
  });

  it('answered 410 switches the endpoint off', () => {
    expect(judgeAttempt(answer(410), nth(1))).toMatchObject({
      status: 'failed',
      retryInSeconds: null,
      disable: 'gone',
    });
  });

  it('that cannot be sent at all is not repeated, and the endpoint is not to blame', () => {
    expect(judgeAttempt(failure('HTTP_INVALID_REQUEST'), nth(1))).toMatchObject({
      retryInSeconds: null,
      disable: null,
    });
  });

  it('that is a test is not repeated', () => {
    expect(judgeAttempt(answer(500), nth(1, TEST_EVENT))).toMatchObject({ retryInSeconds: null, disable: null });
    expect(judgeAttempt(answer(410), nth(1, TEST_EVENT))).toMatchObject({ disable: 'gone' });
  });
});
