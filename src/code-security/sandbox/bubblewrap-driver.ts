import { bubblewrapArguments } from './bubblewrap-arguments.js';
import { decideOutcome } from './decide-outcome.js';
import { findInstallation, type Installation, type InstallationOptions } from './find-installation.js';
import { loadRunner } from './load-runner.js';
import {
  SandboxUnavailableError,
  type Isolation,
  type PythonJob,
  type PythonResult,
  type SandboxDriver,
} from './sandbox-driver.js';
import { preferAsVictim, SandboxProcess, type ReadySandbox } from './sandbox-process.js';
import { sandboxFilters, type SandboxFilters } from './seccomp/sandbox-filters.js';
import { syscallNumbers } from './seccomp/syscall-numbers.js';
import { sweepOrphans } from './sweep-orphans.js';
import { watchSandbox } from './watch-sandbox.js';

export interface BubblewrapOptions extends InstallationOptions {
  /** Other system call filters than our own; the self-test judges them all the same. */
  filters?: SandboxFilters;
}

const RUNNER = loadRunner();

/** Runs each job in a sandbox of its own, started cold, which ends with the job. */
export class BubblewrapDriver implements SandboxDriver {
  readonly name = 'bubblewrap';
  readonly isolation: Isolation = { driver: 'bubblewrap', level: 'namespaces', cgroup: false };
  private readonly live = new Set<SandboxProcess>();
  private installation: Promise<Installation> | null = null;
  private closed = false;

  constructor(private readonly options: BubblewrapOptions) {}

  async run(job: PythonJob, signal?: AbortSignal): Promise<PythonResult> {
    const installation = await this.findInstallationOnce();
    const filters = this.options.filters ?? sandboxFilters(installation.architecture);
    const sandbox = this.start(installation, filters);
    const cancel = () => sandbox.kill('cancelled');
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted) cancel();
    try {
      return await this.runInside(sandbox, job, describeJob(job, installation, filters));
    } finally {
      signal?.removeEventListener('abort', cancel);
      await sandbox.exited;
      this.live.delete(sandbox);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const sandbox of this.live) sandbox.kill('cancelled');
    await Promise.all([...this.live].map((sandbox) => sandbox.exited));
  }

  /** A failed search is repeated with the next job: the operator may install what was missing meanwhile. */
  private async findInstallationOnce(): Promise<Installation> {
    this.installation ??= this.prepare();
    try {
      return await this.installation;
    } catch (error) {
      this.installation = null;
      throw error;
    }
  }

  private async prepare(): Promise<Installation> {
    const installation = await findInstallation(this.options);
    sweepOrphans();
    return installation;
  }

  private start(installation: Installation, filters: SandboxFilters): SandboxProcess {
    if (this.closed) throw new SandboxUnavailableError('The service is shutting down.');
    try {
      const { bwrap, user } = installation;
      const args = bubblewrapArguments(installation, RUNNER);
      const sandbox = new SandboxProcess({ bwrap, arguments: args, user, filter: filters.confine });
      this.live.add(sandbox);
      return sandbox;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new SandboxUnavailableError(`No sandbox could be started: ${why}`, { cause });
    }
  }

  private async runInside(sandbox: SandboxProcess, job: PythonJob, description: unknown): Promise<PythonResult> {
    const ready = await this.waitUntilReady(sandbox);
    const startedAt = performance.now();
    if (!ready) return this.conclude(sandbox, job, 0, startedAt);
    preferAsVictim(ready.python);
    sandbox.sendJob(description);
    const deadline = setTimeout(() => sandbox.kill('timed_out'), job.timeoutSeconds * 1000);
    const watch = watchSandbox(
      ready,
      { maxMemoryMb: job.maxMemoryMb, countFiles: !ready.limitsFiles },
      sandbox.kill.bind(sandbox),
    );
    await sandbox.exited;
    clearTimeout(deadline);
    watch.stop();
    return this.conclude(sandbox, job, watch.peakMb(), startedAt);
  }

  /** Null when the job was cancelled before it began. */
  private async waitUntilReady(sandbox: SandboxProcess): Promise<ReadySandbox | null> {
    try {
      return await sandbox.waitUntilReady();
    } catch (error) {
      await sandbox.exited;
      if (sandbox.killedFor === 'cancelled') return null;
      throw error;
    }
  }

  private async conclude(sandbox: SandboxProcess, job: PythonJob, peakMb: number, startedAt: number) {
    const exit = await sandbox.exited;
    return decideOutcome({
      killedFor: sandbox.killedFor,
      exit,
      frame: sandbox.resultFrame(),
      stdout: sandbox.stdout.text(),
      stderr: sandbox.stderr.text(),
      stdoutTruncated: sandbox.stdout.truncated(),
      stderrTruncated: sandbox.stderr.truncated(),
      seconds: (performance.now() - startedAt) / 1000,
      peakMb,
      timeoutSeconds: job.timeoutSeconds,
      maxMemoryMb: job.maxMemoryMb,
      isolation: this.isolation,
    });
  }
}

/** The job as the runner reads it. One second of CPU time more than wall time: the deadline acts first. */
function describeJob(job: PythonJob, installation: Installation, filters: SandboxFilters) {
  return {
    code: job.code,
    globals: job.globals ?? {},
    locals: job.locals ?? {},
    capture_locals: job.captureLocals ?? false,
    result_variable: job.resultVariable ?? null,
    max_memory_mb: job.maxMemoryMb,
    cpu_seconds: Math.ceil(job.timeoutSeconds) + 1,
    seal: { syscall: syscallNumbers[installation.architecture]['seccomp'], program: filters.seal.toString('hex') },
  };
}
