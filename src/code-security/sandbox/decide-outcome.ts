import { constants } from 'node:os';
import { cleanJson } from './clean-text.js';
import { languages } from './languages.js';
import type { Isolation, CodeOutcome, CodeResult, Language } from './sandbox-driver.js';
import type { KillReason, SandboxExit } from './sandbox.js';

/** What was seen from outside, and the one frame from inside, which is foreign: it may say anything. */
export interface Evidence {
  killedFor: KillReason | null;
  exit: SandboxExit;
  frame: Buffer | null;
  stdout: string;
  stderr: string;
  stdoutTruncated: boolean;
  stderrTruncated: boolean;
  seconds: number;
  peakMb: number;
  /** What its control group held at most, the end included, which our looks may miss; 0 without a group. */
  chargedMb: number;
  /** Whether the kernel ended it because its control group, or the host, had no memory left. */
  oomKilled: boolean;
  language: Language;
  timeoutSeconds: number;
  maxMemoryMb: number;
  /** Whether the value of a variable was asked for, which may be large; else the frame describes variables at most. */
  hasOutput: boolean;
  isolation: Isolation;
}

/** The runners describe 2,000 values, each in three at most. */
const MOST_VALUES = 20_000;
const [QUOTE, COMMA, BRACKET, BRACE, BACKSLASH] = [34, 44, 91, 123, 92];

/** Share of the memory limit above which a crash counts as running out of memory. */
const NEARLY_FULL = 0.9;

/**
 * What became of a job.
 *  1. Killed by us: our reason. 2. Killed by the kernel for memory: out of memory. 3. Ended by SIGXCPU: out of time.
 *  4. One valid frame that says success, and exit 0: success. Nothing else is.
 *  5. One valid frame that says failure, and another exit: what it says.
 *  6. Otherwise it crashed: out of memory if its language ends so, or if it was near its limit, else failed.
 */
export function decideOutcome(evidence: Evidence): CodeResult {
  const { exit, killedFor } = evidence;
  if (killedFor) return settle(evidence, ...KILLED[killedFor](evidence));
  if (evidence.oomKilled) {
    return settle(evidence, 'out_of_memory', 'MemoryError', `The kernel ended the code near its ${limitOf(evidence)}.`);
  }
  const signal = endingSignal(exit);
  if (signal === 'SIGXCPU') return settle(evidence, 'timed_out', 'CpuTimeExceeded', 'The code used up its CPU time.');
  const report = readReport(evidence);
  if (report && (report.outcome === 'succeeded') === (exit.code === 0)) return settleByReport(evidence, report);
  const { title, launch } = languages[evidence.language];
  if (signal && signal === launch?.outOfMemorySignal) {
    return settle(
      evidence,
      'out_of_memory',
      'MemoryError',
      `${title} found no more memory within the ${limitOf(evidence)}.`,
    );
  }
  if (Math.max(evidence.peakMb, evidence.chargedMb) >= evidence.maxMemoryMb * NEARLY_FULL) {
    return settle(evidence, 'out_of_memory', 'MemoryError', `The code ended abnormally near its ${limitOf(evidence)}.`);
  }
  if (signal) return settle(evidence, 'failed', 'Crashed', `The ${title} process was ended by ${signal}.`);
  return settle(
    evidence,
    'failed',
    'NoResult',
    `The ${title} process ended (exit ${exit.code}) without a valid result.`,
  );
}

type Verdict = [outcome: CodeOutcome, errorType: string, errorMessage: string];

const KILLED: Record<KillReason, (evidence: Evidence) => Verdict> = {
  timed_out: ({ timeoutSeconds }) => ['timed_out', 'TimeoutError', `The code ran longer than ${timeoutSeconds} s.`],
  cancelled: () => ['cancelled', 'Cancelled', 'The run was cancelled.'],
  out_of_memory: (evidence) => ['out_of_memory', 'MemoryError', `The code used more than its ${limitOf(evidence)}.`],
  too_many_files: () => ['out_of_memory', 'TooManyFiles', 'The code made more than 4,096 files.'],
  flooded: () => ['failed', 'NoResult', 'The code wrote to the channel that is kept for results.'],
  unobservable: () => ['failed', 'Crashed', 'The main thread of the code ended while other threads went on.'],
};

function limitOf({ maxMemoryMb }: Evidence): string {
  return `memory limit of ${maxMemoryMb} MB`;
}

/** bubblewrap reports a signal as the shell does, 128 + its number. */
function endingSignal({ code, signal }: SandboxExit): string | null {
  if (signal) return signal;
  const number = (code ?? 0) - 128;
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? null;
}

interface Report {
  outcome: Exclude<CodeOutcome, 'timed_out' | 'cancelled'>;
  errorType: string | null;
  errorMessage: string | null;
  errorLine: number | null;
  locals: Record<string, unknown> | null;
  output: unknown;
  maxResidentMb: number;
}

const REPORTED_OUTCOMES: readonly unknown[] = ['succeeded', 'does_not_compile', 'failed', 'out_of_memory'];

/** Null unless the frame is JSON of the form that the runner writes, and no costlier to read than what it would write. */
function readReport({ frame, hasOutput }: Evidence): Report | null {
  if (!frame || (!hasOutput && countValues(frame) > MOST_VALUES)) return null;
  const value = parseObject(frame);
  if (!value || !REPORTED_OUTCOMES.includes(value['outcome'])) return null;
  const { locals, max_resident_kb: kilobytes, error_line: line } = value;
  return {
    outcome: value['outcome'] as Report['outcome'],
    errorType: textOrNull(value['error_type'], 200),
    errorMessage: textOrNull(value['error_message'], 2000),
    errorLine: isLine(line) ? line : null,
    locals: isObject(locals) ? locals : null,
    output: value['output'] ?? null,
    maxResidentMb: typeof kilobytes === 'number' && kilobytes > 0 ? kilobytes / 1024 : 0,
  };
}

/** Values of a JSON text, or more where it is none. A megabyte of empty objects takes 50 times as long to parse. */
function countValues(json: Buffer): number {
  let count = 1;
  let inText = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (byte === BACKSLASH && inText) at++;
    else if (byte === QUOTE) inText = !inText;
    else if (!inText && (byte === COMMA || byte === BRACKET || byte === BRACE)) count++;
  }
  return count;
}

function parseObject(frame: Buffer): Record<string, unknown> | null {
  try {
    const value = cleanJson(JSON.parse(frame.toString('utf8')));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Within what an `int` of the database holds. */
function isLine(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
}

function textOrNull(value: unknown, longest: number): string | null {
  return typeof value === 'string' ? value.slice(0, longest).toWellFormed() : null;
}

function settle(evidence: Evidence, ...[outcome, errorType, errorMessage]: Verdict): CodeResult {
  return {
    outcome,
    stdout: evidence.stdout,
    stderr: evidence.stderr,
    stdout_truncated: evidence.stdoutTruncated,
    stderr_truncated: evidence.stderrTruncated,
    error_type: errorType,
    error_message: errorMessage,
    error_line: null,
    execution_time: round(evidence.seconds, 4),
    memory_used_mb: round(evidence.peakMb, 2),
    locals_dict: null,
    output: null,
    isolation: evidence.isolation,
  };
}

/** The peak between our last look and the end is only known from inside; a lie is cut off at the limit. */
function settleByReport(evidence: Evidence, report: Report): CodeResult {
  const reportedMb = Math.min(report.maxResidentMb, evidence.maxMemoryMb);
  return {
    ...settle(evidence, report.outcome, '', ''),
    error_type: report.errorType,
    error_message: report.errorMessage,
    error_line: report.errorLine,
    memory_used_mb: round(Math.max(evidence.peakMb, reportedMb), 2),
    locals_dict: report.locals,
    output: report.output,
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** What became of a job whose caller went away while it waited for its turn. */
export function cancelledBeforeStart(isolation: Isolation): CodeResult {
  return decideOutcome({
    killedFor: 'cancelled',
    exit: { code: null, signal: null },
    frame: null,
    stdout: '',
    stderr: '',
    stdoutTruncated: false,
    stderrTruncated: false,
    seconds: 0,
    peakMb: 0,
    chargedMb: 0,
    oomKilled: false,
    language: 'python',
    timeoutSeconds: 0,
    maxMemoryMb: 0,
    hasOutput: false,
    isolation,
  });
}
