import { durableChain, requestChain, transformChain } from './definitions.mjs';
import { runMany, withEngine } from './start-engine.mjs';
import { takeRounds } from './take-rounds.mjs';

const STEPS = 10;

/** Executions of ten steps in a row, from the call that starts one (with its audit record) to the answer of its last commit. */
export function sequentialSteps(bench) {
  return withEngine(bench, async (engine, floor) => {
    const durable = await prepareDurable(bench, engine);
    const request = await prepareRequests(bench, engine);
    const evaluate = await prepare(bench, engine, transformChain(STEPS));
    const rows = await takeRounds(bench, floor, [
      { label: 'durable steps (runner replaced), 1 execution in flight', run: () => durable(60, 1) },
      { label: 'durable steps (runner replaced), 50 in flight', run: () => durable(600, 50) },
      { label: 'requests (each waits for the commit before it), 1 in flight', run: () => request(60, 1) },
      { label: 'requests (each waits for the commit before it), 50 in flight', run: () => request(600, 50) },
      { label: 'transforms (they share a commit: evaluation), 1 in flight', run: () => evaluate(60, 1) },
      { label: 'transforms (they share a commit: evaluation), 50 in flight', run: () => evaluate(600, 50) },
    ]);
    return { title: `sequential: executions of ${STEPS} steps`, rows };
  });
}

/** Saves a chain and warms the engine up; answers what runs some of them. */
export function prepareDurable(bench, engine) {
  return prepare(bench, engine, durableChain(STEPS));
}

export function prepareRequests(bench, engine) {
  return prepare(bench, engine, requestChain(STEPS));
}

async function prepare(bench, engine, definition) {
  const workflow = await engine.saveWorkflow(definition);
  const run = (count, inFlight) => {
    engine.replaceRunner((_, { input }) => (input.body ?? input) + 1);
    return runMany(engine, workflow, { count: bench.count(count), inFlight, steps: STEPS });
  };
  await run(50, 5);
  return run;
}
