import { fanOutDefinition } from './definitions.mjs';
import { runMany, withEngine } from './start-engine.mjs';
import { takeRounds } from './take-rounds.mjs';

const WIDTH = 100;

/** A hundred durable steps at once and their join: the whole execution. They all answer at once, and may share commits. */
export function fanOut(bench) {
  return withEngine(bench, async (engine, floor) => {
    const run = await prepareFanOut(bench, engine);
    const label = `${WIDTH} durable steps (runner replaced) and a join, 1 in flight`;
    return { title: 'fan-out: parallel steps', rows: await takeRounds(bench, floor, [{ label, run }]) };
  });
}

/** Warms the engine up; answers what runs some. */
export async function prepareFanOut(bench, engine) {
  const workflow = await engine.saveWorkflow(fanOutDefinition(WIDTH));
  const run = () => {
    engine.replaceRunner((_, { input }) => input);
    return runMany(engine, workflow, { count: bench.count(30), inFlight: 1, steps: WIDTH });
  };
  await run();
  return run;
}
