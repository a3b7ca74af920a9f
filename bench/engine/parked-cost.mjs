import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { withClient } from './bench-database.mjs';
import { reviewDefinition } from './definitions.mjs';
import { withEngine } from './start-engine.mjs';

const PARKED = 2_000;
const WARM_UP = 500;
const IN_FLIGHT = 50;

/** What an execution that waits for a person costs on disk and in the process that ran it there. */
export function parkedCost(bench) {
  return withEngine(bench, async (engine) => {
    const workflow = await engine.saveWorkflow(reviewDefinition());
    await parkMany(engine, workflow, bench.count(WARM_UP));
    const before = { memory: measureMemory(), tables: await measureTables(engine.url) };
    const count = bench.count(PARKED);
    await parkMany(engine, workflow, count);
    const after = { memory: measureMemory(), tables: await measureTables(engine.url) };
    const per = (pick) => (pick(after) - pick(before)) / count;
    const rows = [
      { label: 'tables and indexes, as the runs left them', bytes: per(({ tables }) => tables.total) },
      ...largest(after.tables).map((table) => ({
        label: `  of that ${table}`,
        bytes: per(({ tables }) => tables[table]),
      })),
      { label: 'heap of the worker, before a collection', bytes: growth(before, after, 'found', 'heapUsed') / count },
      { label: 'heap of the worker, after it', bytes: growth(before, after, 'collected', 'heapUsed') / count },
      {
        label: 'resident memory of the worker, before a collection',
        bytes: growth(before, after, 'found', 'rss') / count,
      },
      { label: 'resident memory of the worker, after it', bytes: growth(before, after, 'collected', 'rss') / count },
    ];
    return {
      title: `parked: per execution, ${count.toLocaleString('en')} of them at a checkpoint`,
      rows,
      before,
      after,
    };
  });
}

async function parkMany(engine, workflow, count) {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await engine.parkedAt(await engine.start(workflow, 'Mina'));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

/** Bytes, as found and after everything unreachable was collected. */
function measureMemory() {
  const found = process.memoryUsage();
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  collect();
  collect();
  return { found, collected: process.memoryUsage() };
}

/** Both beside what was reachable before: what was found then was garbage of the warm-up. */
function growth(before, after, when, kind) {
  return after.memory[when][kind] - before.memory.collected[kind];
}

/** Bytes with indexes and out-of-line values. */
function measureTables(url) {
  return withClient(url, async (client) => {
    const { rows } = await client.query(
      `select relname as table, pg_total_relation_size(oid)::float8 as bytes from pg_class
       where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'bare'`,
    );
    const sizes = rows.map(({ table, bytes }) => [table, bytes]);
    return { ...Object.fromEntries(sizes), total: sizes.reduce((sum, [, bytes]) => sum + bytes, 0) };
  });
}

function largest(tables) {
  const bySize = Object.entries(tables).toSorted(([, a], [, b]) => b - a);
  const names = bySize.map(([table]) => table).filter((table) => table !== 'total');
  return names.slice(0, 5);
}
