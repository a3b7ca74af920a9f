import { constants } from 'node:os';
import { decideOutcome, type Evidence } from './decide-outcome.js';

const SUCCESS = { outcome: 'succeeded', max_resident_kb: 20_480, locals: { x: 1 }, output: [1] };

function evidence(changes: Partial<Omit<Evidence, 'frame'>> & { frame?: unknown } = {}): Evidence {
  const { frame = SUCCESS, ...rest } = changes;
  return {
    killedFor: null,
    exit: { code: 0, signal: null },
    frame: frame === null ? null : Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    stdout: 'out',
    stderr: 'err',
    stdoutTruncated: false,
    stderrTruncated: true,
    seconds: 0.123456,
    peakMb: 10,
    chargedMb: 0,
    oomKilled: false,
    language: 'python',
    timeoutSeconds: 2,
    maxMemoryMb: 100,
    hasOutput: true,
    isolation: { driver: 'bubblewrap', level: 'namespaces', cgroup: false },
    ...rest,
  };
}

const decide = (changes?: Parameters<typeof evidence>[0]) => decideOutcome(evidence(changes));
const exit = (code: number) => ({ exit: { code, signal: null } });

describe('decideOutcome', () => {
  it('calls one valid frame that says so, with exit 0, a success', () => {
    expect(decide()).toMatchObject({
      outcome: 'succeeded',
      error_type: null,
      locals_dict: { x: 1 },
      output: [1],
      memory_used_mb: 20,
      execution_time: 0.1235,
      stderr_truncated: true,
    });
  });

  it.each([
    ['it exits otherwise', exit(7)],
    ['there is no frame', { frame: null }],
    ['the frame is not JSON', { frame: '{' }],
    ['the frame is not an object', { frame: [SUCCESS] }],
    ['the frame names an outcome that only we may give', { frame: { outcome: 'timed_out' } }],
    [
      'the frame is nested beyond reason',
      { frame: `{"outcome":"succeeded","output":${'['.repeat(9999)}${']'.repeat(9999)}}` },
    ],
    ['a frame that says failure comes with exit 0', { frame: { outcome: 'failed' } }],
  ])('calls it a failure without a result when %s', (_, changes) => {
    expect(decide(changes)).toMatchObject({
      outcome: 'failed',
      error_type: 'NoResult',
      locals_dict: null,
      output: null,
    });
  });

  it.each(['timed_out', 'cancelled', 'out_of_memory'] as const)('believes %s of us over any frame', (killedFor) => {
    expect(decide({ killedFor })).toMatchObject({ outcome: killedFor, output: null });
  });

  it.each([
    ['too_many_files', 'out_of_memory', 'TooManyFiles'],
    ['flooded', 'failed', 'NoResult'],
    ['unobservable', 'failed', 'Crashed'],
  ] as const)('explains a kill for %s as %s (%s)', (killedFor, outcome, type) => {
    expect(decide({ killedFor })).toMatchObject({ outcome, error_type: type });
  });

  it('calls a kill by the kernel for memory out of memory, over any frame and below a kill of ours', () => {
    expect(decide({ oomKilled: true })).toMatchObject({
      outcome: 'out_of_memory',
      error_type: 'MemoryError',
      output: null,
    });
    expect(decide({ oomKilled: true, killedFor: 'timed_out' })).toMatchObject({ outcome: 'timed_out' });
  });

  it('calls the end of CPU time a time-out', () => {
    expect(decide(exit(128 + constants.signals.SIGXCPU))).toMatchObject({
      outcome: 'timed_out',
      error_type: 'CpuTimeExceeded',
    });
  });

  it.each(['does_not_compile', 'failed', 'out_of_memory'])('believes a reported %s with a failing exit', (outcome) => {
    const frame = { outcome, error_type: 'E', error_message: 'm', error_line: 3 };
    expect(decide({ ...exit(1), frame })).toMatchObject({
      outcome,
      error_type: 'E',
      error_message: 'm',
      error_line: 3,
    });
  });

  it.each([
    [89, 'failed', 'Crashed'],
    [90, 'out_of_memory', 'MemoryError'],
  ])('takes a crash at %d of 100 MB as %s', (peakMb, outcome, type) => {
    const crash = { ...exit(128 + constants.signals.SIGSEGV), frame: null, peakMb };
    expect(decide(crash)).toMatchObject({ outcome, error_type: type });
    expect(decide({ ...crash, peakMb: 10, chargedMb: peakMb })).toMatchObject({ outcome, error_type: type });
  });

  it('takes the signal by which V8 ends a full heap as out of memory, at whatever peak was seen, and no other', () => {
    const crash = (signal: 'SIGABRT' | 'SIGSEGV') => ({ ...exit(128 + constants.signals[signal]), frame: null });
    expect(decide({ ...crash('SIGABRT'), language: 'javascript' })).toMatchObject({ outcome: 'out_of_memory' });
    expect(decide({ ...crash('SIGSEGV'), language: 'javascript' })).toMatchObject({
      outcome: 'failed',
      error_message: 'The JavaScript process was ended by SIGSEGV.',
    });
    expect(decide(crash('SIGABRT'))).toMatchObject({ outcome: 'failed', error_type: 'Crashed' });
  });

  it('reads no more values than a runner describes where no output was asked for, whatever texts hold', () => {
    const frame = { ...SUCCESS, locals: { x: Array.from({ length: 25_000 }, () => ({})) } };
    expect(decide({ frame, hasOutput: false })).toMatchObject({ outcome: 'failed', error_type: 'NoResult' });
    expect(decide({ frame })).toMatchObject({ outcome: 'succeeded' });
    const locals = { text: '\\",[{'.repeat(50_000) };
    expect(decide({ frame: { ...SUCCESS, locals }, hasOutput: false })).toMatchObject({ locals_dict: locals });
  });

  it('believes no more memory from inside than the limit, and no odd line or text', () => {
    const frame = {
      ...SUCCESS,
      max_resident_kb: 1e12,
      error_line: 1.5,
      error_type: 7,
      error_message: 'm'.repeat(9999),
    };
    const result = decide({ frame });
    expect(result).toMatchObject({ memory_used_mb: 100, error_line: null, error_type: null });
    expect(result.error_message).toHaveLength(2000);
    for (const line of [-1, 2 ** 31, '3', null]) {
      expect(decide({ frame: { ...SUCCESS, error_line: line } }).error_line).toBeNull();
    }
  });
});
