import { cpus } from 'node:os';
import { median } from '../engine/take-rounds.mjs';

const WIDTH = 56;

/** [heading, name, format, whether more is better] */
const COLUMNS = [
  ['ratio', 'ratio', (value) => value.toFixed(2)],
  ['p50 ms', 'p50_ms', milliseconds],
  ['p95 ms', 'p95_ms', milliseconds],
  ['runs/s', 'per_second', (value) => value.toFixed(0)],
  ['PSS MB', 'pss_mb', (value) => value.toFixed(1)],
  ['RSS MB', 'rss_mb', (value) => value.toFixed(1)],
];

function milliseconds(value) {
  return value.toFixed(value < 10 ? 2 : 1);
}

export function describeTimes(times) {
  const sorted = times.toSorted((a, b) => a - b);
  return { p50_ms: median(sorted), p95_ms: sorted[Math.ceil(sorted.length * 0.95) - 1] };
}

export function printHeading() {
  const processors = cpus();
  console.log(`${processors.length} cores (${processors[0]?.model.trim()}), Node ${process.version}`);
  console.log('ratio: time, the floor of the same rounds being 1\n');
  console.log(`${''.padEnd(WIDTH)}${COLUMNS.map(([heading]) => heading.padStart(9)).join('')}`);
}

/** A part is its title, rows, and where something could not be measured, a `note`. Answers the targets that it missed. */
export function printPart({ title, rows, note }) {
  console.log(`\n${title}`);
  for (const row of rows) console.log(lineOf(row));
  if (note) console.log(`  ${note}`);
  return rows.flatMap(missedBy);
}

function lineOf(row) {
  const cells = COLUMNS.map(([, name, format]) => (row[name] === undefined ? '' : format(row[name])).padStart(9));
  return `${`  ${row.label}`.padEnd(WIDTH)}${cells.join('')}`.trimEnd();
}

function missedBy({ label, targets = {}, ...row }) {
  return Object.entries(targets)
    .filter(([name, most]) => row[name] > most)
    .map(([name, most]) => `${label}: ${name} is ${row[name].toFixed(2)}, at most ${most} was the target.`);
}
