import { cpus } from 'node:os';

const WIDTH = 68;

const COLUMNS = [
  ['ratio', 'ratio', (value) => value.toFixed(2)],
  ['commits', 'commits', (value) => value.toFixed(1)],
  ['steps/s', 'steps_per_second', (value) => Math.round(value).toLocaleString('en')],
  ['p50 ms', 'p50_ms', (value) => value.toFixed(value < 10 ? 2 : 1)],
  ['bytes', 'bytes', (value) => Math.round(value).toLocaleString('en')],
];

/** What the figures belong to. */
export async function describeMachine({ rounds, scale, embedded, query }) {
  const { rows } = await query(`select current_setting('server_version') as version, current_setting('fsync') as fsync,
    current_setting('synchronous_commit') as synchronous_commit`);
  const [{ version, fsync, synchronous_commit }] = rows;
  const processors = cpus();
  return {
    taken_at: new Date().toISOString(),
    cpu: processors[0]?.model.trim(),
    cores: processors.length,
    node: process.version,
    postgresql: { version, embedded, fsync, synchronous_commit },
    rounds,
    scale,
  };
}

export function printHeading({ cpu, cores, node, postgresql, rounds, scale }) {
  const { version, embedded, fsync, synchronous_commit } = postgresql;
  console.log(`${cores} cores (${cpu}), Node ${node}, ${embedded ? 'embedded ' : ''}PostgreSQL ${version},`);
  console.log(`fsync ${fsync}, synchronous_commit ${synchronous_commit}; medians of ${rounds} rounds`);
  if (scale !== 1) console.log(`Counts are scaled by ${scale}: these are no figures to compare.`);
  console.log(`\nratio: speed, the floor of the same round being 1; commits: time, in commits of the floor.`);
  console.log(`\n${''.padEnd(WIDTH)}${COLUMNS.map(([heading]) => heading.padStart(11)).join('')}`);
}

/** A part is its title, rows, and where something could not be measured, a `note`. */
export function printPart({ title, rows, note }) {
  console.log(`\n${title}`);
  for (const row of rows) console.log(lineOf(row));
  if (note) console.log(`  ${note}`);
}

function lineOf(row) {
  const cells = COLUMNS.map(([, name, format]) => (row[name] === undefined ? '' : format(row[name])).padStart(11));
  return `${`  ${row.label}`.padEnd(WIDTH)}${cells.join('')}`.trimEnd();
}
