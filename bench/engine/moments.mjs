/** Longer than any execution of the suite takes; whoever waits longer waits for something that will not come. */
const PATIENCE_MS = 300_000;

/**
 * Keeps what happened under a key until it is asked for, and tells whoever asked before. Each key is for one to ask once,
 * so that nothing is kept for long.
 */
export function watchMoments(what) {
  const happened = new Map();
  const waiting = new Map();
  const arrive = (key, value) => {
    const moment = { at: performance.now(), value };
    if (!waiting.has(key)) happened.set(key, moment);
    else waiting.get(key)(moment);
  };
  const of = (key) => {
    const moment = happened.get(key);
    if (!moment) return waitFor(waiting, key, what);
    happened.delete(key);
    return Promise.resolve(moment);
  };
  return { arrive, of };
}

function waitFor(waiting, key, what) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} of ${key} did not come`)), PATIENCE_MS);
    waiting.set(key, (moment) => {
      clearTimeout(timer);
      waiting.delete(key);
      resolve(moment);
    });
  });
}
