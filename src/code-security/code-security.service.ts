import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { DomainError } from '../platform/errors/domain-error.js';
import { runWithSecrets } from './mask-secrets.js';
import { Admission, QueueFullError, type AdmissionLimits } from './sandbox/admission.js';
import { cancelledBeforeStart } from './sandbox/decide-outcome.js';
import {
  LANGUAGES,
  SandboxBusyError,
  SandboxUnavailableError,
  type Isolation,
  type CodeJob,
  type CodeResult,
  type RunOptions,
  type SandboxDriver,
} from './sandbox/sandbox-driver.js';
import { testSandbox, type SelfTestCheck } from './sandbox/self-test.js';

export interface CodeSecurityOptions extends AdmissionLimits {
  driver: SandboxDriver;
  /** After how long an unavailable sandbox is looked at again. Default: a minute. */
  retryMs?: number;
}

export interface AdmittedRunOptions extends RunOptions {
  /** Whose job it is: the id of a person, or `organization:<id>` for steps. Parties share places, memory and turns. */
  party?: string | undefined;
  /** Jobs of the party that may wait; one more is refused. Without it only the whole queue is bounded. */
  mayWait?: number | undefined;
  /** Hears, just before the job starts, how many seconds it waited. Not called for a job that never gets a place. */
  onAdmitted?: ((queuedSeconds: number) => void) | undefined;
}

export interface SandboxHealth {
  available: boolean;
  driver: string;
  level: Isolation['level'];
  /** Why it is not available, with what to do, or why it is unsafe; null when all is well. */
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
 * Runs untrusted code where a self-test has shown that the host isolates it, and nowhere else. States and promises are
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
  /** What was logged last, so that a retry every few seconds does not say it again. */
  private told: string | undefined;
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
  async run(job: CodeJob, options: AdmittedRunOptions = {}): Promise<CodeResult> {
    this.refuseOversize(job);
    const { checks } = this.verdict ?? (await this.examine());
    const reason = this.refusalOf(checks);
    if (reason) throw unavailable(reason);
    const asked = performance.now();
    const release = await this.enter(job, options);
    if (!release) return cancelledBeforeStart(this.options.driver.isolation);
    try {
      options.onAdmitted?.((performance.now() - asked) / 1000);
      return await this.start(job, options);
    } finally {
      release();
    }
  }

  health(): SandboxHealth {
    const { driver } = this.options;
    const { checks, at } = this.verdict ?? { checks: [], at: null };
    const refusal = this.verdict ? this.refusalOf(checks) : 'The self-test of the sandbox has not ended yet.';
    return {
      available: refusal === null,
      driver: driver.name,
      level: driver.isolation.level,
      reason: refusal ?? driver.warning ?? null,
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
      languages: this.options.driver.languages ?? LANGUAGES,
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
    if (this.stopping) return this.verdict;
    const reason = this.refusalOf(checks);
    if (!reason) this.options.driver.warmUp?.();
    this.announce(reason, checks.length);
    return this.verdict;
  }

  /** Says what was found, and when it will be looked at again. */
  private announce(reason: string | null, checks: number): void {
    const { warning } = this.options.driver;
    const news = reason ?? warning ?? `Code runs in ${this.options.driver.name} sandboxes: ${checks} checks passed.`;
    if (news !== this.told) this.tell(news, reason, warning);
    this.told = news;
    clearTimeout(this.nextExamination);
    const after = reason ? (this.options.retryMs ?? MINUTE_MS) : HOUR_MS;
    this.nextExamination = setTimeout(() => void this.examine(), after).unref();
  }

  private tell(news: string, reason: string | null, warning: string | undefined): void {
    if (reason) this.logger.error(`Code will not run here. ${reason}`);
    else if (warning) this.logger.warn(warning);
    else this.logger.log(news);
  }

  /** Null when code may run. A driver that warns of itself has no walls to show: it only has to start. */
  private refusalOf(checks: readonly SelfTestCheck[]): string | null {
    const { warning } = this.options.driver;
    return reasonOf(warning ? checks.filter(({ check }) => check === 'starts') : checks);
  }

  private refuseOversize({ maxMemoryMb }: CodeJob): void {
    const most = this.limits().max_memory_mb.max;
    if (maxMemoryMb <= most) return;
    const message = `This host gives at most ${most} MB to one run of code, not ${maxMemoryMb}. Ask for less.`;
    throw new DomainError('invalid', 'MEMORY_OVER_LIMIT', message);
  }

  private async enter({ maxMemoryMb: memoryMb }: CodeJob, options: AdmittedRunOptions) {
    const { party = 'system', mayWait, signal } = options;
    try {
      return await this.admission.enter({ party, memoryMb, mayWait }, signal);
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error;
      const { waiting, retryAfterSeconds } = error;
      const message = `${waiting} runs of code are waiting already. Send the request again in ${retryAfterSeconds} s.`;
      throw queueFull(message, retryAfterSeconds);
    }
  }

  private async start(job: CodeJob, options: RunOptions): Promise<CodeResult> {
    try {
      const result = await runWithSecrets(job, options, (plain, masked) => this.options.driver.run(plain, masked));
      this.failedStarts = 0;
      return result;
    } catch (error) {
      if (error instanceof SandboxBusyError) throw queueFull(error.message, error.retryAfterSeconds);
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

function queueFull(message: string, retryAfterSeconds: number): DomainError {
  return new DomainError('too_many', 'SANDBOX_QUEUE_FULL', message, { retryAfterSeconds });
}
