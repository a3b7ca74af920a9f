/** One piece of untrusted Python and what it may use. The values are not checked here; see the request's schema. */
export interface PythonJob {
  code: string;
  /** Wall time in seconds from the moment the sandbox has the job. Fractions count. */
  timeoutSeconds: number;
  /** MiB that Python, the code and its data may have resident together; at least 64, or NumPy does not fit. */
  maxMemoryMb: number;
  /** JSON objects whose entries become variables of the code; `locals` win. */
  globals?: Readonly<Record<string, unknown>>;
  locals?: Readonly<Record<string, unknown>>;
  captureLocals?: boolean;
  /** The variable whose value, as strict JSON, becomes `output`. */
  resultVariable?: string;
}

export type PythonOutcome = 'succeeded' | 'does_not_compile' | 'failed' | 'timed_out' | 'out_of_memory' | 'cancelled';

/**
 * What became of a job: a value that is kept and shown as it is, hence its keys. No text in it, keys included, has a
 * NUL or half of a surrogate pair: U+FFFD stands for them.
 */
export interface PythonResult {
  outcome: PythonOutcome;
  /** The first MiB of what the code wrote. */
  stdout: string;
  stderr: string;
  stdout_truncated: boolean;
  stderr_truncated: boolean;
  /** A Python exception's name, or ours: TimeoutError, CpuTimeExceeded, TooManyFiles, OutputNotJson, OutputTooLarge,
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

export interface Isolation {
  driver: string;
  /** What stands between the code and the host's kernel. */
  level: 'namespaces' | 'none';
  /** Whether a control group of its own limits the job. */
  cgroup: boolean;
}

/** A way to run untrusted Python. Two exist: bubblewrap, and one that refuses. */
export interface SandboxDriver {
  readonly name: string;
  readonly isolation: Isolation;
  /**
   * Runs a job in a sandbox of its own, which is gone when the promise settles. What the code does is a result; throws
   * only SandboxUnavailableError. Aborting `signal` ends the job as `cancelled`.
   */
  run(job: PythonJob, signal?: AbortSignal): Promise<PythonResult>;
  /** Kills every sandbox and starts no more. Settles when all are gone. */
  close(): Promise<void>;
}

/** No sandbox can be had on this host, now. The message is for the operator: what is missing and how to get it. */
export class SandboxUnavailableError extends Error {
  override readonly name = 'SandboxUnavailableError';
}
