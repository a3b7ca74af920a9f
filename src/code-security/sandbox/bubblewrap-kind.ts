import { bubblewrapArguments, type RunnerMode } from './bubblewrap-arguments.js';
import { findInstallation, type Installation, type InstallationOptions } from './find-installation.js';
import { describeLaunch } from './languages.js';
import { loadRunner } from './load-runner.js';
import { LANGUAGES } from './sandbox-driver.js';
import type { SandboxKind, SandboxPlan } from './sandbox-kind.js';
import { SandboxProcess } from './sandbox-process.js';
import { sandboxFilters, type SandboxFilters } from './seccomp/sandbox-filters.js';
import { syscallNumbers, type Architecture } from './seccomp/syscall-numbers.js';
import { sweepOrphans } from './sweep-orphans.js';
import { Zygote } from './zygote.js';

export interface BubblewrapOptions extends InstallationOptions {
  /** Other system call filters than our own; the self-test judges them all the same. */
  filters?: Partial<SandboxFilters>;
}

const RUNNER = loadRunner();

/** Python in new namespaces, behind system call filters of our own. */
export function bubblewrapKind(options: BubblewrapOptions): SandboxKind {
  const plan = async () => {
    const installation = await findInstallation(options);
    sweepOrphans();
    return planWith(installation, filtersFor(installation, options.filters));
  };
  return { name: 'bubblewrap', level: 'namespaces', languages: LANGUAGES, plan };
}

export function filtersFor({ architecture }: Installation, changes: Partial<SandboxFilters> = {}): SandboxFilters {
  return { ...sandboxFilters(architecture), ...changes };
}

function planWith(installation: Installation, filters: SandboxFilters): SandboxPlan {
  const { bwrap: program, user, architecture, interpreters } = installation;
  const command = (mode: RunnerMode, setup: Buffer) => {
    return { program, user, setup, arguments: bubblewrapArguments(installation, RUNNER, mode) };
  };
  return {
    start: (readiness) => new SandboxProcess(command(readiness, filters.confine)),
    startZygote: () =>
      new Zygote(command('zygote', filters.zygote), {
        clone: syscallNumbers[architecture]['clone'] ?? 0,
        confine: describeFilter(architecture, filters.confine),
      }),
    describe: (job) => {
      const launch = describeLaunch(job, interpreters[job.language]);
      return { launch, seal: describeFilter(architecture, launch ? filters.sealForLaunch : filters.seal) };
    },
  };
}

/** A filter as the runner installs it. */
export function describeFilter(architecture: Architecture, filter: Buffer) {
  return { syscall: syscallNumbers[architecture]['seccomp'] ?? 0, program: filter.toString('hex') };
}
