import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { CHANNELS, TMPFS_BYTES } from './bubblewrap-arguments.js';
import { describeFilter, filtersFor, type BubblewrapOptions } from './bubblewrap-kind.js';
import { findExecutable, findInstallation, type Installation } from './find-installation.js';
import { gvisorArguments, gvisorBundle } from './gvisor-arguments.js';
import { onlyPython } from './languages.js';
import { loadRunner } from './load-runner.js';
import type { SandboxKind, SandboxPlan } from './sandbox-kind.js';
import { preferAsVictim } from './sandbox-pool.js';
import { childrenOf, SandboxProcess } from './sandbox-process.js';
import type { Sandbox, SandboxFacts } from './sandbox.js';
import type { SandboxFilters } from './seccomp/sandbox-filters.js';
import { sweepOrphans } from './sweep-orphans.js';
import { watchSandbox, type Watch } from './watch-sandbox.js';

export interface GvisorOptions extends BubblewrapOptions {
  runsc: string;
}

const RUNNER = loadRunner(['confinement', 'gvisor']);
const RUNSC_ADVICE =
  'Install it: apt-get install --no-install-recommends runsc, or see gvisor.dev. SANDBOX_RUNSC names it.';
/** Of the Sentry, gVisor's kernel, for itself: what it keeps of the files, threads and descriptors of a job. */
const SENTRY_MB = 128;
const BLOCK_BYTES = 512;
const MEBIBYTE = 1 << 20;

/** Python on a kernel of its own: gVisor's, in the namespaces that bubblewrap makes. */
export function gvisorKind(options: GvisorOptions): SandboxKind {
  const plan = async () => {
    const runsc = findExecutable(options.runsc, `gVisor (${options.runsc}) was not found. ${RUNSC_ADVICE}`);
    const installation = await findInstallation({ ...options, interpreters: {} });
    sweepOrphans();
    return planWith(installation, runsc, filtersFor(installation, options.filters));
  };
  return { name: 'gvisor', level: 'gvisor', languages: ['python'], plan };
}

function planWith(installation: Installation, runsc: string, filters: SandboxFilters): SandboxPlan {
  const { bwrap: program, user, architecture, python } = installation;
  const seal = { ...describeFilter(architecture, filters.seal), confine: filters.confine.toString('hex') };
  return {
    start: (readiness) =>
      new SandboxProcess({
        program,
        arguments: gvisorArguments(installation, runsc),
        user,
        setup: Buffer.from(JSON.stringify(gvisorBundle(python, RUNNER, readiness))),
        resultChannel: CHANNELS.job,
      }),
    describe: (job) => ({ launch: onlyPython(job, 'gvisor'), seal }),
    watch: watchSentry,
  };
}

/** What is Python's process elsewhere is runsc here, and the Sentry its child. Files in /tmp are memory of the job. */
function watchSentry(sandbox: Sandbox, facts: SandboxFacts, maxMemoryMb: number): Watch {
  const processes = descendantsOf(facts.python);
  processes.forEach(preferAsVictim);
  const memory = processes.map(findMemoryOfJob).find((path) => path !== null);
  const sentry = Number(memory?.split('/')[2]);
  const readMb = () => {
    if (ownMemoryMb(sentry) > SENTRY_MB) sandbox.kill('out_of_memory');
    return memory === undefined ? null : allocatedMb(memory);
  };
  const limits = { maxMemoryMb: maxMemoryMb + TMPFS_BYTES / MEBIBYTE, countFiles: false, readMb };
  return watchSandbox(facts, limits, sandbox.kill.bind(sandbox));
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** The file without a name in which the Sentry keeps the pages of the job, by the Sentry's descriptor of it. */
function findMemoryOfJob(pid: number): string | null {
  const folder = `/proc/${pid}/fd`;
  try {
    const found = readdirSync(folder).find((fd) => readlinkSync(`${folder}/${fd}`).startsWith('/memfd:runsc-memory'));
    return found === undefined ? null : `${folder}/${found}`;
  } catch {
    return null; // It ended meanwhile, or is not ours to look into.
  }
}

/** Null when the Sentry has ended. */
function allocatedMb(file: string): number | null {
  try {
    return (statSync(file).blocks * BLOCK_BYTES) / MEBIBYTE;
  } catch {
    return null;
  }
}

function ownMemoryMb(pid: number): number {
  try {
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024;
  } catch {
    return 0; // Ended, as the other look will tell.
  }
}
