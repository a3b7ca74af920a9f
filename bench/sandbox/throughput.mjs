import { cpus } from 'node:os';
import { mustPrint, withSandboxes } from './open-sandboxes.mjs';
import { describeTimes } from './print-table.mjs';
import { TASKS } from './latency.mjs';

const SECONDS = 4;
/** Jobs at once; each core has one that runs and one that is next. */
const AT_ONCE = cpus().length * 2;

/** As many jobs as are done in a few seconds, a few always at once: what was taken from the pools has to be replaced too. */
export async function throughput(mode) {
  return withSandboxes({ mode, warm: { plain: AT_ONCE, numpy: AT_ONCE } }, async ({ run, untilWarm }) => {
    const rows = [];
    for (const task of TASKS.filter(({ more }) => !more)) {
      await untilWarm();
      rows.push(await sustain(run, task));
    }
    return { title: `throughput, ${mode}: ${SECONDS} s, ${AT_ONCE} at once`, rows };
  });
}

async function sustain(run, { name, code, printed }) {
  const times = [];
  const startedAt = performance.now();
  const worker = async () => {
    while (performance.now() - startedAt < SECONDS * 1000) {
      const at = performance.now();
      await mustPrint(run, code, printed);
      times.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const seconds = (performance.now() - startedAt) / 1000;
  return { label: name, per_second: times.length / seconds, ...describeTimes(times) };
}
