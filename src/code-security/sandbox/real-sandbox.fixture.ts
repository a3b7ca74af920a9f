import { existsSync } from 'node:fs';
import { BubblewrapDriver, type BubblewrapOptions } from './bubblewrap-driver.js';
import { INSTALL_COMMAND } from './find-installation.js';
import type { PythonJob, PythonResult } from './sandbox-driver.js';

const OPTIONS: BubblewrapOptions = {
  bwrap: '/usr/bin/bwrap',
  python: '/usr/bin/python3',
  unprivilegedUser: { uid: 65_534, gid: 65_534 },
};

/** A driver for the real thing. Specs about isolation prove nothing without it, so they fail where it is missing. */
export function realDriver(changes: Partial<BubblewrapOptions> = {}): BubblewrapDriver {
  for (const path of [OPTIONS.bwrap, OPTIONS.python, '/usr/lib/python3/dist-packages/numpy']) {
    if (!existsSync(path)) throw new Error(`${path} is missing. ${INSTALL_COMMAND}`);
  }
  return new BubblewrapDriver({ ...OPTIONS, ...changes });
}

export function job(code: string, changes: Partial<PythonJob> = {}): PythonJob {
  return { code, timeoutSeconds: 10, maxMemoryMb: 512, ...changes };
}

/** Runs `code` and gives its strict result, the value of `output`. */
export async function outputOf(driver: BubblewrapDriver, code: string): Promise<PythonResult> {
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
