import { CheckpointsService } from '../../dist/src/checkpoints/checkpoints.service.js';
import { claimantOf } from '../../dist/src/checkpoints/deciders.service.js';
import { DecisionsService } from '../../dist/src/checkpoints/decisions.service.js';
import { SYSTEM_ACTOR } from '../../dist/src/platform/http/principal.js';
import { withClient } from './bench-database.mjs';
import { copyExecution } from './copy-execution.mjs';
import { reviewDefinition } from './definitions.mjs';
import { watchMoments } from './moments.mjs';
import { withEngine } from './start-engine.mjs';
import { median, takeRounds } from './take-rounds.mjs';

const PARKED = 10_000;

/**
 * From the call of DecisionsService.decide until the next step, whose start is written by then, is given to its runner;
 * with nothing else parked, and beside ten thousand copies of a parked execution.
 */
export function resumeLatency(bench) {
  return withEngine(bench, (alone, floor) =>
    withEngine(bench, async (crowded) => {
      const label = 'decide called → next step begins';
      const [run, amongMany] = [await prepareResume(bench, alone), await prepareResume(bench, crowded)];
      const parked = await parkMany(crowded, bench.count(PARKED));
      const rows = await takeRounds(bench, floor, [
        { label: `${label}, 0 others parked`, run },
        { label: `${label}, ${parked.toLocaleString('en')} others parked`, run: amongMany },
      ]);
      return { title: 'resume', rows };
    }),
  );
}

/** Saves the workflow and warms the engine up; answers what parks executions and then decides them, one at a time. */
export async function prepareResume(bench, engine) {
  const begun = watchMoments('the step after the decision');
  const workflow = await engine.saveWorkflow(reviewDefinition());
  const run = async () => {
    engine.replaceRunner((_, { input }, { id }) => {
      begun.arrive(id);
      return input;
    });
    const times = [];
    for (let i = 0; i < bench.count(60); i++) times.push(await resumeOne(engine, workflow, begun));
    return { p50_ms: median(times) };
  };
  await run();
  return run;
}

async function resumeOne(engine, workflow, begun) {
  const { id, checkpoint } = await park(engine, workflow);
  const called = performance.now();
  const attempt = { action: 'approve', revision: checkpoint.revision };
  await engine.app.get(DecisionsService).decide(claimantOf(engine.owner, SYSTEM_ACTOR), checkpoint.id, attempt);
  const { at } = await begun.of(id);
  await engine.endOf(id);
  return at - called;
}

async function park(engine, workflow) {
  const id = await engine.start(workflow, 'Mina');
  await engine.parkedAt(id);
  const { organization_id } = engine.owner;
  const { data } = await engine.app
    .get(CheckpointsService)
    .list({ organization_id, status: 'open', execution_id: id, order: 'asc', limit: 1 });
  return { id, checkpoint: data[0] };
}

/** One parked by running, the others its copies. */
async function parkMany(engine, count) {
  const workflow = await engine.saveWorkflow(reviewDefinition());
  const { id } = await park(engine, workflow);
  await withClient(engine.url, (client) => copyExecution(client, id, count - 1));
  return count;
}
