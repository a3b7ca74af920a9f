import { withSandboxes } from './open-sandboxes.mjs';
import { describeTimes } from './print-table.mjs';

const TIMES = 10;
const TIMEOUT_SECONDS = 0.4;
const MEMORY_MB = 128;

const ENDLESS = {
  'busy loop': 'while True: pass',
  sleep: 'import time\ntime.sleep(60)',
  'signals ignored':
    'import signal\nfor n in range(1, 65):\n  try: signal.signal(n, signal.SIG_IGN)\n  except (OSError, ValueError): pass\nwhile True: pass',
  'regular expression': 'import re\nre.match("(a+)+$", "a" * 60 + "b")',
};

/** What a job prints before each piece of memory is the moment at which it still had enough. */
const GREEDY = `
import time
held = []
while True:
    print(time.time(), flush=True)
    held.append(b"x" * (1 << 20))`;

/** How long after the limit the caller has the answer. */
export async function promptness() {
  return withSandboxes({}, async ({ run, untilWarm }) => {
    const rows = [];
    for (const [name, code] of Object.entries(ENDLESS)) {
      const late = await repeat(untilWarm, () => lateness(run, code));
      rows.push({ label: `time-out, ${name}`, ...describeTimes(late), targets: { p95_ms: 100 } });
    }
    const memory = await repeat(untilWarm, () => memoryLateness(run));
    rows.push({ label: 'out of memory', ...describeTimes(memory), targets: { p95_ms: 100 } });
    return { title: `after the limit: ${TIMES} times each`, rows };
  });
}

async function repeat(untilWarm, measure) {
  const times = [];
  for (let i = 0; i < TIMES; i++) {
    await untilWarm();
    times.push(await measure());
  }
  return times;
}

async function lateness(run, code) {
  const startedAt = performance.now();
  await mustEnd(run(code, { timeoutSeconds: TIMEOUT_SECONDS }), 'timed_out');
  return performance.now() - startedAt - TIMEOUT_SECONDS * 1000;
}

async function memoryLateness(run) {
  const { stdout } = await mustEnd(run(GREEDY, { maxMemoryMb: MEMORY_MB }), 'out_of_memory');
  return Date.now() - Number(stdout.trim().split('\n').at(-1)) * 1000;
}

async function mustEnd(running, outcome) {
  const result = await running;
  if (result.outcome !== outcome) throw new Error(`A job that had to be ${outcome} was ${result.outcome}.`);
  return result;
}
