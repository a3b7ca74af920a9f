import { readdirSync, readFileSync } from 'node:fs';
import { withSandboxes } from './open-sandboxes.mjs';

const SANDBOXES = 4;

/** What sandboxes that wait for a job hold: all their processes, shared pages by their share (PSS) and in full (RSS). */
export async function idleMemory() {
  const pools = {
    'plain, single-use': { warm: { plain: SANDBOXES, numpy: 0 } },
    'NumPy, single-use': { warm: { plain: 0, numpy: SANDBOXES } },
    'zygote, its own share included': { mode: 'zygote', warm: { plain: SANDBOXES, numpy: 0 } },
  };
  const rows = [];
  for (const [name, changes] of Object.entries(pools)) {
    rows.push({ label: `one waiting sandbox, ${name}`, ...(await measure(changes)) });
  }
  return { title: `memory: mean of ${SANDBOXES} that wait`, rows };
}

function measure(changes) {
  return withSandboxes(changes, async ({ untilWarm }) => {
    await untilWarm();
    const rollups = descendantsOf(process.pid).map(readRollup);
    const sum = (field) => rollups.reduce((total, text) => total + kilobytes(text, field), 0) / 1024 / SANDBOXES;
    return { pss_mb: sum('Pss'), rss_mb: sum('Rss') };
  });
}

function descendantsOf(ancestor) {
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [Number(name), parentOf(name)]),
  );
  const isBelow = (pid) => pid !== undefined && (parents.get(pid) === ancestor || isBelow(parents.get(pid)));
  return [...parents.keys()].filter(isBelow);
}

function parentOf(pid) {
  return Number(/^PPid:\t(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1]);
}

function readRollup(pid) {
  return read(`/proc/${pid}/smaps_rollup`);
}

function kilobytes(text, field) {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
}

/** Empty for a process that has ended meanwhile. */
function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
