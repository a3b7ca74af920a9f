export const LANGUAGES = ['python', 'javascript'] as const;
export type Language = (typeof LANGUAGES)[number];

/** One piece of untrusted code and what it may use. The values are not checked here; see the request's schema. */
export interface CodeJob {
  language: Language;
  code: string;
  /** Wall time in seconds from the moment the sandbox has the job. Fractions count. */
  timeoutSeconds: number;
  /** MiB that the interpreter, the code and its data may have resident together; at least 64, or NumPy does not fit. */
  maxMemoryMb: number;
  /** What tracebacks call the code; `<code>` if left out. */
  name?: string;
  /**
   * Texts that the code gets as its variable `secrets`, by name. CodeSecurityService hides them in all that comes out;
   * drivers get them among the globals.
   */
  secrets?: Readonly<Record<string, string>>;
  /** JSON objects whose entries become variables of the code; `locals` win. */
  globals?: Readonly<Record<string, unknown>>;
  locals?: Readonly<Record<string, unknown>>;
  captureLocals?: boolean;
  /** The variable whose value, as strict JSON, becomes `output`. */
  resultVariable?: string;
}

export const CODE_OUTCOMES = [
  'succeeded',
  'does_not_compile',
  'failed',
  'timed_out',
  'out_of_memory',
  'cancelled',
] as const;
export type CodeOutcome = (typeof CODE_OUTCOMES)[number];

/**
 * What became of a job: a value that is kept and shown as it is, hence its keys. No text in it, keys included, has a
 * NUL or half of a surrogate pair: U+FFFD stands for them.
 */
export interface CodeResult {
  outcome: CodeOutcome;
  /** The first MiB of what the code wrote. */
  stdout: string;
  stderr: string;
  stdout_truncated: boolean;
  stderr_truncated: boolean;
  /** The name of an exception of the language, or ours: TimeoutError, CpuTimeExceeded, TooManyFiles, OutputNotJson, OutputTooLarge,
   * Crashed, NoResult, Cancelled, SandboxLost. */
  error_type: string | null;
  error_message: string | null;
  error_line: number | null;
  /** Seconds from handing over the job to the end of the process. */
  execution_time: number;
  /** Largest resident size seen, MiB. */
  memory_used_mb: number;
  locals_dict: Record<string, unknown> | null;
  /** The value of `resultVariable`; null when there is none. */
  output: unknown;
  isolation: Isolation;
}

export const ISOLATION_LEVELS = ['namespaces', 'gvisor', 'none'] as const;
export type IsolationLevel = (typeof ISOLATION_LEVELS)[number];

export interface Isolation {
  driver: string;
  /** What stands between the code and the host's kernel. */
  level: IsolationLevel;
  /** Whether a control group of its own limits the job. */
  cgroup: boolean;
}

export type OutputStream = 'stdout' | 'stderr';

export interface RunOptions {
  /** Aborting it ends the job as `cancelled`. */
  signal?: AbortSignal | undefined;
  /** Hears what the code writes while it runs: cleaned text in order, in all no more than the result keeps. */
  onOutput?: ((stream: OutputStream, text: string) => void) | undefined;
}

/** A way to run untrusted code. */
export interface SandboxDriver {
  readonly name: string;
  readonly isolation: Isolation;
  /** What it runs; absent where only another process knows. */
  readonly languages?: readonly Language[];
  /** What control groups do here, or why they do nothing; for drivers that can use them, and known with the first job. */
  readonly controlGroups?: string;
  /** Of a driver that runs code without isolating it: what to say wherever it is shown. */
  readonly warning?: string;
  /**
   * Runs a job in a sandbox of its own, which is gone when the promise settles. What the code does is a result; throws
   * only SandboxUnavailableError, and SandboxBusyError where others share the sandboxes.
   */
  run(job: CodeJob, options?: RunOptions): Promise<CodeResult>;
  /** From now on sandboxes are kept ready for jobs to come. Called again and again, once the self-test has passed. */
  warmUp?(): void;
  /** Kills every sandbox and starts no more. Settles when all are gone. */
  close(): Promise<void>;
}

/** No sandbox can be had on this host, now. The message is for the operator: what is missing and how to get it. */
export class SandboxUnavailableError extends Error {
  override readonly name = 'SandboxUnavailableError';
}

/** There are sandboxes, but too much waits for them already. */
export class SandboxBusyError extends Error {
  override readonly name = 'SandboxBusyError';

  constructor(
    message: string,
    readonly retryAfterSeconds: number,
  ) {
    super(message);
  }
}
