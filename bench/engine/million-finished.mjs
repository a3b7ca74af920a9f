import { withClient } from './bench-database.mjs';
import { copyExecution } from './copy-execution.mjs';
import { twoSteps } from './definitions.mjs';
import { prepareFanOut } from './fan-out.mjs';
import { prepareResume } from './resume-latency.mjs';
import { prepareDurable, prepareRequests } from './sequential-steps.mjs';
import { withEngine } from './start-engine.mjs';
import { prepareStart } from './start-latency.mjs';
import { takeRounds } from './take-rounds.mjs';

const FINISHED = 1_000_000;

/** Steps in a row and side by side, starting and resuming, with empty tables and with a million finished executions of two steps and five events. */
export function millionFinished(bench) {
  return withEngine(bench, (empty, floor) =>
    withEngine(bench, async (full) => {
      const { count, seconds } = await fill(full, bench.count(FINISHED));
      const besides = `${count.toLocaleString('en')} finished`;
      const rows = await takeRounds(bench, floor, [
        ...(await measurements(bench, empty, 'empty tables')),
        ...(await measurements(bench, full, besides)),
      ]);
      return { title: 'million: with a long history', rows, note: `Filling took ${seconds.toFixed(0)} s.` };
    }),
  );
}

async function measurements(bench, engine, beside) {
  const durable = await prepareDurable(bench, engine);
  const resume = await prepareResume(bench, engine);
  const request = await prepareRequests(bench, engine);
  return [
    { label: `${beside}: 10 durable steps, 1 in flight`, run: () => durable(60, 1) },
    { label: `${beside}: 10 durable steps, 50 in flight`, run: () => durable(600, 50) },
    { label: `${beside}: 10 requests, 1 in flight`, run: () => request(60, 1) },
    { label: `${beside}: fan-out of 100 with a join`, run: await prepareFanOut(bench, engine) },
    { label: `${beside}: start called → first step begins`, run: await prepareStart(bench, engine) },
    { label: `${beside}: decide called → next step begins`, run: resume },
  ];
}

/** One that the product has run, the others its copies. */
async function fill(engine, count) {
  const began = performance.now();
  engine.replaceRunner((_, { input }) => input);
  const id = await engine.start(await engine.saveWorkflow(twoSteps()));
  await engine.endOf(id);
  await withClient(engine.url, (client) => copyExecution(client, id, count - 1));
  return { count, seconds: (performance.now() - began) / 1000 };
}
