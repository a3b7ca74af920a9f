// npm run bench:sandbox: what a run of code takes in a warm sandbox, beside an interpreter that is started for it without any
// isolation, in the same run. bench/README.md says what each part measures. Compile first (npm run build).
import { parseArgs } from 'node:util';
import { httpLatency } from './http-latency.mjs';
import { idleMemory } from './idle-memory.mjs';
import { latency } from './latency.mjs';
import { printHeading, printPart } from './print-table.mjs';
import { promptness } from './promptness.mjs';
import { throughput } from './throughput.mjs';

const PARTS = {
  latency: [() => latency('single-use'), () => latency('zygote')],
  throughput: [() => throughput('single-use'), () => throughput('zygote')],
  promptness: [promptness],
  memory: [idleMemory],
  http: [() => httpLatency('single-use'), () => httpLatency('zygote')],
};

const USAGE = `npm run bench:sandbox -- [part …] [--check]
  parts    ${Object.keys(PARTS).join(', ')}; all if none is named
  --check  ends with 1 when a target is missed`;

const { parts, check } = readArguments();
const missed = [];
printHeading();
for (const part of parts) {
  for (const measure of PARTS[part]) missed.push(...printPart(await measure()));
}
console.log(missed.length > 0 ? `\nMissed:\n  ${missed.join('\n  ')}` : '\nNo target was missed.');
process.exit(check && missed.length > 0 ? 1 : 0);

function readArguments() {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { check: { type: 'boolean' } } });
    const unknown = positionals.filter((part) => !Object.hasOwn(PARTS, part));
    if (unknown.length > 0) throw new Error(`There is no part ${unknown.join(', ')}.`);
    return { parts: positionals.length > 0 ? positionals : Object.keys(PARTS), check: values.check };
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}
