import type { StepSoFar, Token } from './marking.js';

type Key = Pick<StepSoFar, 'node_id' | 'iteration'>;

/**
 * The steps that an execution keeps which repeats another from a step on: those that ended well and that do not come
 * from that step, nor from one that did not end well. What they put on edges and only dropped steps consumed waits there
 * again, so the engine goes on from it.
 * @param steps all of the first execution, without compensations
 * @param endedWell completed, or failed with a way on
 */
export function stepsBefore<S extends StepSoFar>(steps: readonly S[], from: Key, endedWell: (step: S) => boolean): S[] {
  const after = Map.groupBy(
    steps.flatMap((step) => step.consumed.map((token) => ({ source: sourceKey(token), step }))),
    ({ source }) => source,
  );
  const dropped = new Set(steps.filter((step) => keyOf(step) === keyOf(from) || !endedWell(step)).map(keyOf));
  for (const key of dropped) for (const { step } of after.get(key) ?? []) dropped.add(keyOf(step));
  return steps.filter((step) => !dropped.has(keyOf(step)));
}

const keyOf = ({ node_id, iteration }: Key) => `${node_id}#${iteration}`;

const sourceKey = ({ source, source_iteration }: Token) =>
  keyOf({ node_id: source ?? '', iteration: source_iteration });
