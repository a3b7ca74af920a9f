import { jest } from '@jest/globals';
import { LiveLogs } from './live-logs.js';
import type { StepLogs } from './step.entity.js';

/** Lets what is ready happen. */
const settled = () => jest.advanceTimersByTimeAsync(0);

describe('LiveLogs', () => {
  const written: StepLogs[] = [];
  let answer: () => Promise<void> = () => Promise.resolve();
  let live: LiveLogs;

  beforeEach(() => {
    jest.useFakeTimers();
    written.length = 0;
    answer = () => Promise.resolve();
    live = new LiveLogs((logs) => {
      written.push(logs);
      return answer();
    });
  });
  afterEach(async () => {
    await live.end();
    jest.useRealTimers();
  });

  const outputs = () => written.map(({ stdout }) => stdout);

  it('writes nothing in the first second, and then once in each second in which something was printed', async () => {
    live.hear('stdout', 'a');
    await jest.advanceTimersByTimeAsync(999);
    live.hear('stdout', 'b');
    expect(outputs()).toEqual([]);
    await jest.advanceTimersByTimeAsync(3_001);
    live.hear('stdout', 'c');
    live.hear('stderr', 'd');
    await jest.advanceTimersByTimeAsync(1_000);
    expect(written).toEqual([
      { stdout: 'ab', stderr: '', stdout_truncated: false, stderr_truncated: false },
      { stdout: 'abc', stderr: 'd', stdout_truncated: false, stderr_truncated: false },
    ]);
  });

  it('has one write under way at a time, and none when it has ended', async () => {
    const held = Promise.withResolvers<void>();
    answer = () => held.promise;
    live.hear('stdout', 'a');
    await jest.advanceTimersByTimeAsync(1_000);
    live.hear('stdout', 'b');
    await jest.advanceTimersByTimeAsync(2_000);
    expect(outputs()).toEqual(['a']);
    let hasEnded = false;
    const end = live.end().then(() => (hasEnded = true));
    await settled();
    expect(hasEnded).toBe(false);
    held.resolve();
    await end;
    await jest.advanceTimersByTimeAsync(5_000);
    expect(outputs()).toEqual(['a']);
  });

  it('makes up for a write that failed', async () => {
    answer = () => Promise.reject(new Error('the database is away'));
    live.hear('stdout', 'a');
    await jest.advanceTimersByTimeAsync(1_000);
    answer = () => Promise.resolve();
    await jest.advanceTimersByTimeAsync(2_000);
    expect(outputs()).toEqual(['a', 'a']);
  });

  it('keeps 65,536 characters, none of them cut in half', async () => {
    live.hear('stdout', 'x'.repeat(65_535));
    live.hear('stdout', '😀');
    for (let n = 0; n < 100; n++) live.hear('stdout', 'x'.repeat(1_000));
    await jest.advanceTimersByTimeAsync(1_000);
    expect(written).toEqual([
      { stdout: `${'x'.repeat(65_535)}\uFFFD`, stderr: '', stdout_truncated: true, stderr_truncated: false },
    ]);
  });
});
