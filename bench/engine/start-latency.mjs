import { durableChain } from './definitions.mjs';
import { watchMoments } from './moments.mjs';
import { withEngine } from './start-engine.mjs';
import { median, takeRounds } from './take-rounds.mjs';

/** From the call of ExecutionsService.start until the first step is given to its runner; the execution is stored by then. */
export function startLatency(bench) {
  return withEngine(bench, async (engine, floor) => {
    const run = await prepareStart(bench, engine);
    const label = 'start called → first step begins, 1 in flight';
    return { title: 'start', rows: await takeRounds(bench, floor, [{ label, run }]) };
  });
}

/** Warms the engine up; answers what starts some. */
export async function prepareStart(bench, engine) {
  const begun = watchMoments('the first step');
  const workflow = await engine.saveWorkflow(durableChain(1));
  const run = async () => {
    engine.replaceRunner((_, { input }, { id }) => {
      begun.arrive(id);
      return input;
    });
    const times = [];
    for (let i = 0; i < bench.count(150); i++) times.push(await startOne(engine, workflow, begun));
    return { p50_ms: median(times) };
  };
  await run();
  return run;
}

async function startOne(engine, workflow, begun) {
  const called = performance.now();
  const id = await engine.start(workflow);
  const { at } = await begun.of(id);
  await engine.endOf(id);
  return at - called;
}
