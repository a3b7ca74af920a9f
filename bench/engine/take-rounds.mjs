/**
 * Takes every measurement in every round, each right after the floor, so that both meet the same machine. A measurement's
 * `run` answers
 *
 * - `p50_ms`, what one of its executions (or waits) took;
 * - `steps_per_second`, where steps are what is counted;
 * - `work_ms` and `steps`, where the steps have work to do: what the work takes without an engine.
 *
 * Answers a row for the floor and one for each measurement, with the medians and the figures of each round.
 */
export async function takeRounds({ rounds }, floor, measurements) {
  const floors = [];
  const taken = measurements.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of measurements.entries()) {
      const commitMs = await floor.commitMs();
      floors.push({ steps_per_second: 1000 / commitMs, p50_ms: commitMs, ratio: 1, commits: 1 });
      taken[i].push(besideFloor(await run(), commitMs));
    }
  }
  const rows = measurements.map(({ label }, i) => rowOf(label, taken[i]));
  return [rowOf('bare loop, one commit a step', floors), ...rows];
}

/** `ratio` is how fast it is, the floor being 1; `commits` how many commits of the floor would have fitted into its time. */
function besideFloor(figures, commitMs) {
  const { p50_ms, steps_per_second, work_ms, steps } = figures;
  const byRate = steps_per_second === undefined ? {} : { ratio: (steps_per_second * commitMs) / 1000 };
  const byWork = work_ms === undefined ? {} : { ratio: (work_ms + steps * commitMs) / p50_ms };
  return { ...figures, floor_commit_ms: commitMs, commits: p50_ms / commitMs, ...byRate, ...byWork };
}

function rowOf(label, rounds) {
  const names = Object.keys(rounds[0]);
  const medians = names.map((name) => [name, median(rounds.map((round) => round[name]))]);
  return { label, ...Object.fromEntries(medians), rounds };
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}
