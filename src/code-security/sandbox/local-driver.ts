import { findControlGroups, type FoundControlGroups } from './control-groups.js';
import { cancelledBeforeStart, decideOutcome } from './decide-outcome.js';
import {
  SandboxUnavailableError,
  type CodeJob,
  type CodeResult,
  type Isolation,
  type Language,
  type RunOptions,
  type SandboxDriver,
} from './sandbox-driver.js';
import type { Readiness, SandboxKind, SandboxPlan } from './sandbox-kind.js';
import { SandboxPool, type ReadySandbox } from './sandbox-pool.js';
import type { Sandbox } from './sandbox.js';
import { watchSandbox } from './watch-sandbox.js';
import { ZygoteLine, type Zygote } from './zygote.js';

/**
 * `single-use`: every sandbox is started for itself. `zygote`: they are forked, each with new namespaces, from one that
 * has Python and NumPy loaded; faster by far when many run, and what they share is in the README.
 */
export const SANDBOX_MODES = ['single-use', 'zygote'] as const;
export type SandboxMode = (typeof SANDBOX_MODES)[number];

export interface LocalDriverOptions {
  /** Only for a kind that can be forked. */
  mode?: SandboxMode;
  /** How many sandboxes wait for a job once `warmUp` is called; zygotes make no difference between the two. */
  warm?: Readonly<Record<Readiness, number>>;
  /** Whether each sandbox gets a control group where the host lets the service make some. */
  controlGroups?: 'auto' | 'off';
}

/**
 * Importing one of these loads NumPy, which must have started before memory is limited. Code that names one goes where
 * that is done already; a wrong guess costs time and nothing else.
 */
const NUMPY_AT_WORK = /numpy|scipy|pandas|sklearn|matplotlib|statsmodels|xarray/;

/** Runs each job on this host, in a sandbox of its own, which was ready before and ends with the job. */
export class LocalDriver implements SandboxDriver {
  readonly name: string;
  readonly languages: readonly Language[];
  readonly warning?: string;
  private found: FoundControlGroups = { groups: null, detail: 'Control groups are not used here.' };
  private readonly line = new ZygoteLine(() => this.startZygote());
  private readonly pools: Readonly<Record<Readiness, SandboxPool>>;
  private plan: Promise<SandboxPlan> | null = null;
  private closed = false;

  constructor(
    private readonly kind: SandboxKind,
    private readonly options: LocalDriverOptions = {},
  ) {
    this.name = kind.name;
    this.languages = kind.languages;
    if (kind.warning !== undefined) this.warning = kind.warning;
    const groups = () => this.found.groups;
    const forks = new SandboxPool(() => this.fork(), groups);
    const pool = (readiness: Readiness) => new SandboxPool(() => this.start(readiness), groups);
    this.pools =
      options.mode === 'zygote' ? { plain: forks, numpy: forks } : { plain: pool('plain'), numpy: pool('numpy') };
  }

  /** Whether there are control groups is known with the first sandbox. */
  get isolation(): Isolation {
    return { driver: this.kind.name, level: this.kind.level, cgroup: this.found.groups !== null };
  }

  get controlGroups(): string {
    return this.found.detail;
  }

  warmUp(): void {
    const { plain, numpy } = this.options.warm ?? { plain: 0, numpy: 0 };
    this.pools.plain.keep(plain);
    if (this.pools.numpy !== this.pools.plain) this.pools.numpy.keep(numpy);
  }

  /** Sandboxes that wait for a job. */
  get waiting(): number {
    return [...new Set(Object.values(this.pools))].reduce((sum, pool) => sum + pool.ready, 0);
  }

  async run(job: CodeJob, { signal, onOutput }: RunOptions = {}): Promise<CodeResult> {
    if (this.closed) throw shuttingDown();
    const plan = await this.planOnce();
    const usesNumpy = job.language === 'python' && NUMPY_AT_WORK.test(job.code);
    const description = { ...describeJob(job), uses_numpy: usesNumpy, ...plan.describe(job) };
    const pool = this.pools[usesNumpy ? 'numpy' : 'plain'];
    const ready = await this.takeFrom(pool);
    if (!ready) return cancelledBeforeStart(this.isolation);
    // Looked at here, so that nothing can happen between the look and the listener.
    if (signal?.aborted || this.closed) {
      pool.giveBack(ready);
      return cancelledBeforeStart(this.isolation);
    }
    const { sandbox } = ready;
    if (onOutput)
      for (const name of ['stdout', 'stderr'] as const) sandbox[name].follow((text) => onOutput(name, text));
    const cancel = () => sandbox.kill('cancelled');
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await this.runInside(plan, ready, job, description);
    } catch (error) {
      sandbox.kill('unobservable'); // It has no job, and would wait for one for ever.
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    // Together: a child that hangs in its start ends with its zygote only.
    await Promise.all([...Object.values(this.pools).map((pool) => pool.close()), this.line.close()]);
    await this.found.groups?.close();
  }

  /** Null when the service stops meanwhile. */
  private async takeFrom(pool: SandboxPool): Promise<ReadySandbox | null> {
    try {
      return await pool.take();
    } catch (error) {
      if (this.closed) return null;
      throw error;
    }
  }

  /** A failed search is repeated with the next job: the operator may install what was missing meanwhile. */
  private async planOnce(): Promise<SandboxPlan> {
    this.plan ??= this.makePlan();
    try {
      return await this.plan;
    } catch (error) {
      this.plan = null;
      throw error;
    }
  }

  private async makePlan(): Promise<SandboxPlan> {
    const plan = await this.kind.plan();
    if (this.options.controlGroups === 'auto') this.found = findControlGroups();
    return plan;
  }

  private async start(readiness: Readiness): Promise<Sandbox> {
    const plan = await this.planOnce();
    return this.build(() => plan.start(readiness));
  }

  private fork(): Promise<Sandbox> {
    return this.closed ? Promise.reject(shuttingDown()) : this.line.fork();
  }

  private async startZygote(): Promise<Zygote> {
    const plan = await this.planOnce();
    return this.build(() => {
      if (!plan.startZygote) throw new Error(`${this.name} has no SANDBOX_MODE=zygote; use single-use.`);
      return plan.startZygote();
    });
  }

  private build<T>(make: () => T): T {
    if (this.closed) throw shuttingDown();
    try {
      return make();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new SandboxUnavailableError(`No sandbox could be started: ${why}`, { cause });
    }
  }

  private async runInside(
    plan: SandboxPlan,
    ready: ReadySandbox,
    job: CodeJob,
    description: unknown,
  ): Promise<CodeResult> {
    const { sandbox, facts, group } = ready;
    limitGroup(group, job.maxMemoryMb);
    const startedAt = performance.now();
    sandbox.sendJob(description);
    const deadline = setTimeout(() => sandbox.kill('timed_out'), job.timeoutSeconds * 1000);
    const limits = { maxMemoryMb: job.maxMemoryMb, countFiles: !facts.limitsFiles };
    const watch =
      plan.watch?.(sandbox, facts, job.maxMemoryMb) ?? watchSandbox(facts, limits, sandbox.kill.bind(sandbox));
    const exit = await sandbox.exited;
    clearTimeout(deadline);
    watch.stop();
    return decideOutcome({
      killedFor: sandbox.killedFor,
      exit,
      frame: sandbox.resultFrame(),
      stdout: sandbox.stdout.text(),
      stderr: sandbox.stderr.text(),
      stdoutTruncated: sandbox.stdout.truncated(),
      stderrTruncated: sandbox.stderr.truncated(),
      seconds: (performance.now() - startedAt) / 1000,
      peakMb: watch.peakMb(),
      chargedMb: group?.peakMb() ?? 0,
      oomKilled: group?.outOfMemory() ?? false,
      language: job.language,
      timeoutSeconds: job.timeoutSeconds,
      maxMemoryMb: job.maxMemoryMb,
      hasOutput: job.resultVariable !== undefined,
      isolation: this.isolation,
    });
  }
}

function limitGroup(group: ReadySandbox['group'], memoryMb: number): void {
  try {
    group?.limit({ memoryMb });
  } catch (cause) {
    throw new SandboxUnavailableError('The control group of a sandbox could not be limited.', { cause });
  }
}

function shuttingDown(): SandboxUnavailableError {
  return new SandboxUnavailableError('The service is shutting down.');
}

/** The job as the runner reads it. One second of CPU time more than wall time: the deadline acts first. */
function describeJob(job: CodeJob) {
  return {
    name: job.name ?? '<code>',
    code: job.code,
    globals: job.globals ?? {},
    locals: job.locals ?? {},
    capture_locals: job.captureLocals ?? false,
    result_variable: job.resultVariable ?? null,
    max_memory_mb: job.maxMemoryMb,
    cpu_seconds: Math.ceil(job.timeoutSeconds) + 1,
  };
}
