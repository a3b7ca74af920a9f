import { existsSync } from 'node:fs';
import { bubblewrapKind, type BubblewrapOptions } from './bubblewrap-kind.js';
import { devUnsafeKind } from './dev-unsafe-kind.js';
import { INSTALL_COMMAND } from './find-installation.js';
import { gvisorKind } from './gvisor-kind.js';
import { LocalDriver, type LocalDriverOptions } from './local-driver.js';
import type { CodeJob, CodeResult, SandboxDriver } from './sandbox-driver.js';

type Changes = Partial<BubblewrapOptions & LocalDriverOptions>;

const OPTIONS: BubblewrapOptions & LocalDriverOptions = {
  bwrap: '/usr/bin/bwrap',
  python: '/usr/bin/python3',
  interpreters: { javascript: process.execPath },
  unprivilegedUser: process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined,
  controlGroups: 'auto',
};
const RUNSC = '/usr/bin/runsc';

/** A driver for the real thing. Specs about isolation prove nothing without it, so they fail where it is missing. */
export function realDriver(changes: Changes = {}): LocalDriver {
  requireAll(INSTALL_COMMAND, OPTIONS.bwrap);
  const options = { ...OPTIONS, ...changes };
  return new LocalDriver(bubblewrapKind(options), options);
}

/** A driver without any walls. */
export function realDevUnsafe(): LocalDriver {
  return new LocalDriver(devUnsafeKind(OPTIONS));
}

/** The same inside gVisor. */
export function realGvisor(changes: Changes & { runsc?: string } = {}): LocalDriver {
  requireAll('Only amd64 has a package: apt-get install --no-install-recommends runsc', OPTIONS.bwrap, RUNSC);
  const options = { runsc: RUNSC, ...OPTIONS, ...changes };
  return new LocalDriver(gvisorKind(options), { warm: changes.warm ?? { plain: 0, numpy: 0 } });
}

function requireAll(advice: string, ...paths: string[]): void {
  for (const path of [...paths, OPTIONS.python, '/usr/lib/python3/dist-packages/numpy']) {
    if (!existsSync(path)) throw new Error(`${path} is missing. ${advice}`);
  }
}

export function job(code: string, changes: Partial<CodeJob> = {}): CodeJob {
  return { language: 'python', code, timeoutSeconds: 10, maxMemoryMb: 512, ...changes };
}

/** Runs `code` and gives its strict result, the value of `output`. */
export async function outputOf(driver: SandboxDriver, code: string): Promise<CodeResult> {
  return driver.run(job(code, { resultVariable: 'output' }));
}

/** Looks every 10 ms until `holds` does; throws after 10 s. */
export async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`Waited 10 s in vain for ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
