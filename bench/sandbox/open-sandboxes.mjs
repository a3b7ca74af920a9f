import { bubblewrapKind } from '../../dist/src/code-security/sandbox/bubblewrap-kind.js';
import { LocalDriver } from '../../dist/src/code-security/sandbox/local-driver.js';

/** What is measured: as the product has it by default, but for what a part says otherwise. */
const OPTIONS = {
  bwrap: '/usr/bin/bwrap',
  python: '/usr/bin/python3',
  interpreters: { javascript: process.execPath },
  unprivilegedUser: { uid: 65_534, gid: 65_534 },
  controlGroups: 'auto',
  mode: 'single-use',
  warm: { plain: 2, numpy: 2 },
};

export const PYTHON = OPTIONS.python;
const JOB = { language: 'python', timeoutSeconds: 30, maxMemoryMb: 256 };

/** A driver with its warm sandboxes; `work` is told how to run a job and how to wait until all are warm. */
export async function withSandboxes(changes, work) {
  const options = { ...OPTIONS, ...changes };
  const driver = new LocalDriver(bubblewrapKind(options), options);
  const run = (code, more) => driver.run({ ...JOB, code, ...more });
  try {
    driver.warmUp();
    return await work({ run, untilWarm: () => untilWarm(driver, options) });
  } finally {
    await driver.close();
  }
}

/** A job that meets a pool that was just emptied is part of the throughput, not of the latency. */
async function untilWarm(driver, { mode, warm }) {
  const all = mode === 'zygote' ? warm.plain : warm.plain + warm.numpy;
  const deadline = performance.now() + 10_000;
  while (driver.waiting < all) {
    if (performance.now() > deadline) throw new Error('The sandboxes were not warm within 10 s.');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Runs a job that must succeed and print this. */
export async function mustPrint(run, code, printed, more) {
  const result = await run(code, more);
  if (result.outcome === 'succeeded' && result.stdout === printed) return result;
  throw new Error(`${JSON.stringify(code)} came to ${result.outcome}: ${result.error_message ?? result.stdout}`);
}
