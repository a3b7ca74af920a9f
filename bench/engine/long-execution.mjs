import { loopDefinition } from './definitions.mjs';
import { watchMoments } from './moments.mjs';
import { withEngine } from './start-engine.mjs';
import { median, takeRounds } from './take-rounds.mjs';

const SHORT = 10;
const LONG = 10_000;

/** A loop of durable steps, ten or ten thousand times, from its first step's beginning to the answer of its last commit. */
export function longExecution(bench) {
  return withEngine(bench, async (engine, floor) => {
    const run = await prepareLoop(engine);
    const long = bench.count(LONG, SHORT);
    await run(bench.count(20), SHORT);
    const rows = await takeRounds(bench, floor, [
      { label: `executions of ${SHORT} durable steps`, run: () => run(bench.count(100), SHORT) },
      { label: `one execution of ${long.toLocaleString('en')} durable steps`, run: () => run(1, long) },
    ]);
    return { title: 'long: time of a step in short and long executions', rows };
  });
}

/** What it answers runs some loops and says what one step took. */
async function prepareLoop(engine) {
  const begun = watchMoments('the first round');
  engine.replaceRunner((_, { iteration }, { id }) => {
    if (iteration === 1) begun.arrive(id);
    return iteration;
  });
  const workflow = await engine.saveWorkflow(loopDefinition());
  return async (count, steps) => {
    const times = [];
    for (let i = 0; i < count; i++) times.push((await timeOfLoop(engine, workflow, begun, steps)) / steps);
    const p50_ms = median(times);
    return { p50_ms, steps_per_second: 1000 / p50_ms };
  };
}

async function timeOfLoop(engine, workflow, begun, steps) {
  const id = await engine.start(workflow, steps);
  const [first, end] = [await begun.of(id), await engine.endOf(id)];
  return end - first.at;
}
