// npm run bench: what the engine costs beside a bare loop of commits on the same server in the same run. bench/README.md
// says what each part measures. Compile first (npm run build).
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { openBench } from './bench-database.mjs';
import { decideLatency } from './decide-latency.mjs';
import { fanOut } from './fan-out.mjs';
import { fibonacci } from './fibonacci.mjs';
import { longExecution } from './long-execution.mjs';
import { millionFinished } from './million-finished.mjs';
import { parkedCost } from './parked-cost.mjs';
import { describeMachine, printHeading, printPart } from './print-table.mjs';
import { resumeLatency } from './resume-latency.mjs';
import { sequentialSteps } from './sequential-steps.mjs';
import { startLatency } from './start-latency.mjs';

/** In this order: the memory of the process is measured while little has happened in it. */
const PARTS = {
  parked: parkedCost,
  sequential: sequentialSteps,
  'fan-out': fanOut,
  start: startLatency,
  fibonacci,
  resume: resumeLatency,
  decide: decideLatency,
  long: longExecution,
  million: millionFinished,
};

const USAGE = `npm run bench -- [part …] [--without part] [--rounds 3] [--scale 1] [--json file]
  parts      ${Object.keys(PARTS).join(', ')}; all if none is named
  --without  leaves a part out, and may be given more than once
  --rounds   how often each figure is taken; the table has the medians
  --scale    multiplies the counts: 0.05 shows in a minute that everything runs, and measures nothing
  --json     writes the figures of every round to a file`;

const { parts, rounds, scale, json } = readArguments();
const bench = await openBench({ rounds, scale });
const interrupted = once(process, 'SIGINT').then(() => 'interrupted');
try {
  // What still runs then loses its database, and with it the process.
  if ((await Promise.race([measure(), interrupted])) === 'interrupted') process.exitCode = 130;
} finally {
  await bench.close();
}
process.exit();

async function measure() {
  const machine = await describeMachine(bench);
  const figures = {};
  printHeading(machine);
  for (const part of parts) {
    figures[part] = await PARTS[part](bench);
    printPart(figures[part]);
    if (json) writeFileSync(json, `${JSON.stringify({ ...machine, parts: figures }, null, 2)}\n`);
  }
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        without: { type: 'string', multiple: true, default: [] },
        rounds: { type: 'string', default: '3' },
        scale: { type: 'string', default: '1' },
        json: { type: 'string' },
      },
    });
    const named = new Set(positionals.length > 0 ? positionals : Object.keys(PARTS));
    const unknown = [...positionals, ...values.without].filter((part) => !Object.hasOwn(PARTS, part));
    if (unknown.length > 0) throw new Error(`There is no part ${unknown.join(', ')}.`);
    const wanted = Object.keys(PARTS).filter((part) => named.has(part) && !values.without.includes(part));
    return { parts: wanted, rounds: positive(values.rounds), scale: positive(values.scale), json: values.json };
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

function positive(text) {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`${text} is no number above 0.`);
  return number;
}
