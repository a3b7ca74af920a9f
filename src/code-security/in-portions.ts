import { setImmediate } from 'node:timers/promises';

/** How long one portion holds up everything else. */
const PORTION_MS = 5;

/** When the last of those that wait goes on. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * Does work that is too long for the event loop in portions: where it yields, others get their turn if it has gone on for
 * 5 ms. Of several such works one has a portion between two turns of the event loop.
 */
export async function inPortions<T>(work: Generator<void, T>): Promise<T> {
  for (let since = performance.now(); ;) {
    const { done, value } = work.next();
    if (done) return value;
    if (performance.now() - since < PORTION_MS) continue;
    queue = queue.then(() => setImmediate());
    await queue;
    since = performance.now();
  }
}
