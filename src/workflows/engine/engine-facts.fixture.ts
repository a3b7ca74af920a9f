import { advance } from './advance-execution.js';
import type { PlayedExecution } from './drawn-graph.fixture.js';
import { nodeOf, type Graph } from './graph.js';
import type { StepSoFar } from './marking.js';
import { comesFrom } from './slow-advance.fixture.js';

/**
 * What is true of every execution after everything that could start has started.
 * @throws Error with the story and what was found instead; `expect` is too slow for a hundred thousand times
 */
export function checkFacts(execution: PlayedExecution, story: string): void {
  const { graph, steps, marking, running } = execution;
  const { starts, cancels, ended, failure } = advance(graph, marking);
  const shouldEnd = running.length === 0 && failure === undefined;
  const faults = {
    startsAgain: starts,
    cancelsAgain: cancels,
    endsWrongly: ended === shouldEnd ? [] : [ended],
    leftAtTheEnd: ended ? marking.tokens.filter(({ node }) => nodeOf(graph, node).data.requires.length === 0) : [],
    usedTwice: twice(steps.flatMap(({ consumed }) => consumed.map((token) => JSON.stringify(token)))),
    withGaps: [...marking.started].filter(([node, count]) => count !== startsOf(steps, node).length),
    twiceInARound: steps.filter((step) => isSecondOfItsRound(graph, steps, step)),
    morePerStart: steps.filter(({ node_id, consumed }) => consumed.length > 1 && isOnceEach(graph, node_id)),
    wonTwice: twice(steps.filter(hasWon).flatMap((step) => racesOf(graph, step))),
    runBesideEachOther: twice(running.flatMap(({ node_id }) => nodeOf(graph, node_id).data.concurrency_key ?? [])),
  };
  const found = Object.entries(faults).filter(([, instances]) => instances.length > 0);
  if (found.length > 0) throw new Error(`${story}: ${JSON.stringify(Object.fromEntries(found))}`);
}

/** A join of `any` or `count` whose start does not come, in all it consumed, from the start before: the round had its. */
function isSecondOfItsRound(graph: Graph, steps: readonly StepSoFar[], step: StepSoFar): boolean {
  const { node_id, iteration, consumed } = step;
  const { join } = nodeOf(graph, node_id).data;
  if (iteration === 1 || join === 'all' || join === 'each') return false;
  return !consumed.every((token) => comesFrom(steps, [token], { node_id, iteration: iteration - 1 }));
}

function isOnceEach(graph: Graph, nodeId: string): boolean {
  const { data, incoming } = nodeOf(graph, nodeId);
  return data.join === 'each' || incoming.length <= 1;
}

function racesOf(graph: Graph, { node_id, consumed }: StepSoFar): string[] {
  const { data } = nodeOf(graph, node_id);
  if (!('race' in data) || data.race === undefined) return [];
  return [...new Set(consumed.map(({ source, source_iteration }) => `${data.race} ${source} ${source_iteration}`))];
}

const hasWon = ({ status }: StepSoFar) => status === 'completed' || status === 'failed';
const startsOf = (steps: readonly StepSoFar[], node: string) => steps.filter(({ node_id }) => node_id === node);
const twice = (texts: readonly string[]) => texts.filter((text, i) => texts.indexOf(text) < i);
