import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { DomainError } from '../platform/errors/domain-error.js';
import { Admission, QueueFullError, type AdmissionLimits } from './sandbox/admission.js';
import { cancelledBeforeStart } from './sandbox/decide-outcome.js';
import {
  SandboxUnavailableError,
  type Isolation,
  type PythonJob,
  type PythonResult,
  type SandboxDriver,
} from './sandbox/sandbox-driver.js';
import { testSandbox, type SelfTestCheck } from './sandbox/self-test.js';

export interface CodeSecurityOptions extends AdmissionLimits {
  driver: SandboxDriver;
}

export interface SandboxHealth {
  available: boolean;
  driver: string;
  level: Isolation['level'];
  /** Why it is not available, with what to do; null when it is. */
  reason: string | null;
  /** When the self-test last ended; null before the first time. */
  checked_at: Date | null;
  checks: SelfTestCheck[];
  running: number;
  queued: number;
}

export interface Limit {
  min: number;
  max: number;
  default: number;
}

/** Limits of one job, as the contract of the API has them; the most memory also depends on the host's share. */
export const TIMEOUT_SECONDS: Limit = { min: 1, max: 300, default: 30 };
export const MEMORY_MB: Limit = { min: 64, max: 2048, default: 512 };
export const CODE_CHARACTERS = { min: 1, max: 50_000 };
/** Of `globals` and `locals` together, as JSON. */
export const VARIABLES_BYTES = 1 << 20;

const HOUR_MS = 3_600_000;
/** An unavailable sandbox is looked at again soon: the operator may have installed what was missing. */
const MINUTE_MS = 60_000;
const FAILED_STARTS = 3;
/** Longer than this a stopping service waits for no job. */
const DRAIN_MS = 20_000;

interface Verdict {
  checks: SelfTestCheck[];
  at: Date;
}

/**
 * Runs untrusted Python where a self-test has shown that the host isolates it, and nowhere else. States and promises are
 * in the README.
 */
@Injectable()
export class CodeSecurityService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(CodeSecurityService.name);
  private readonly admission: Admission;
  private verdict: Verdict | null = null;
  private examination: Promise<Verdict> | null = null;
  private nextExamination: NodeJS.Timeout | undefined;
  private failedStarts = 0;
  private stopping = false;

  constructor(private readonly options: CodeSecurityOptions) {
    this.admission = new Admission(options);
  }

  /** Not awaited: the service listens at once, and jobs wait for the verdict. */
  onApplicationBootstrap(): void {
    void this.examine();
  }

  /** Gives running jobs 20 s, then kills every sandbox. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.nextExamination);
    await Promise.race([this.admission.whenIdle(), sleep(DRAIN_MS, undefined, { ref: false })]);
    await this.options.driver.close();
  }

  /**
   * Runs a job and waits for its turn first. What the code does is a result; `signal` ends it as `cancelled`, waiting
   * or running. Throws DomainError `unavailable` (no isolation here), `too_many` (the queue is full) or `invalid` (more
   * memory than this host shares out).
   */
  async runPython(job: PythonJob, context: { signal?: AbortSignal } = {}): Promise<PythonResult> {
    this.refuseOversize(job);
    const { checks } = this.verdict ?? (await this.examine());
    const reason = reasonOf(checks);
    if (reason) throw unavailable(reason);
    const release = await this.enter(job, context.signal);
    if (!release) return cancelledBeforeStart(this.options.driver.isolation);
    try {
      return await this.start(job, context.signal);
    } finally {
      release();
    }
  }

  health(): SandboxHealth {
    const { driver } = this.options;
    const { checks, at } = this.verdict ?? { checks: [], at: null };
    const reason = this.verdict ? reasonOf(checks) : 'The self-test of the sandbox has not ended yet.';
    return {
      available: reason === null,
      driver: driver.name,
      level: driver.isolation.level,
      reason,
      checked_at: at,
      checks,
      running: this.admission.running,
      queued: this.admission.queued,
    };
  }

  limits() {
    const most = Math.min(MEMORY_MB.max, this.options.maxTotalMemoryMb);
    return {
      timeout: TIMEOUT_SECONDS,
      max_memory_mb: { ...MEMORY_MB, max: most, default: Math.min(MEMORY_MB.default, most) },
      code_characters: CODE_CHARACTERS,
      variables_bytes: { max: VARIABLES_BYTES },
    };
  }

  /** One at a time. The verdict before stays in force until the new one is known. */
  private examine(): Promise<Verdict> {
    this.examination ??= this.test().finally(() => {
      this.examination = null;
    });
    return this.examination;
  }

  private async test(): Promise<Verdict> {
    const checks = await testSandbox(this.options.driver);
    this.verdict = { checks, at: new Date() };
    this.failedStarts = 0;
    if (!this.stopping) this.announce(reasonOf(checks), checks.length);
    return this.verdict;
  }

  /** Says what was found, and when it will be looked at again. */
  private announce(reason: string | null, checks: number): void {
    if (reason) this.logger.error(`Code will not run here. ${reason}`);
    else this.logger.log(`Code runs in ${this.options.driver.name} sandboxes: ${checks} checks passed.`);
    clearTimeout(this.nextExamination);
    this.nextExamination = setTimeout(() => void this.examine(), reason ? MINUTE_MS : HOUR_MS).unref();
  }

  private refuseOversize({ maxMemoryMb }: PythonJob): void {
    const most = this.limits().max_memory_mb.max;
    if (maxMemoryMb <= most) return;
    const message = `This host gives at most ${most} MB to one run of code, not ${maxMemoryMb}. Ask for less.`;
    throw new DomainError('invalid', 'MEMORY_OVER_LIMIT', message);
  }

  private async enter(job: PythonJob, signal: AbortSignal | undefined) {
    try {
      return await this.admission.enter(job.maxMemoryMb, signal);
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error;
      const message = `${this.admission.queued} runs of code are waiting already. Send the request again in a moment.`;
      throw new DomainError('too_many', 'SANDBOX_QUEUE_FULL', message, { retryAfterSeconds: 5 });
    }
  }

  private async start(job: PythonJob, signal: AbortSignal | undefined): Promise<PythonResult> {
    try {
      const result = await this.options.driver.run(job, signal);
      this.failedStarts = 0;
      return result;
    } catch (error) {
      if (!(error instanceof SandboxUnavailableError)) throw error;
      this.failedStarts += 1;
      if (this.failedStarts >= FAILED_STARTS) void this.examine();
      throw unavailable(error.message, error);
    }
  }
}

/** Null when every check passed; else the names of those that failed, and what the first of them saw. */
function reasonOf(checks: readonly SelfTestCheck[]): string | null {
  const failed = checks.filter(({ ok }) => !ok);
  const names = failed.map(({ check }) => check).join(', ');
  return failed[0] ? `The self-test failed (${names}): ${failed[0].detail}` : null;
}

function unavailable(reason: string, cause?: unknown): DomainError {
  return new DomainError('unavailable', 'SANDBOX_UNAVAILABLE', `Code cannot run here. ${reason}`, { cause });
}
