import type { KillReason } from './sandbox.js';
import { watchSandbox } from './watch-sandbox.js';

/** What the watch asked for during twice the looks that an invisible job has. */
async function watch(...sights: (number | null)[]): Promise<KillReason[]> {
  const asked = new Set<KillReason>();
  const tenthLook = Promise.withResolvers<void>();
  let looks = 0;
  const readMb = () => {
    if (looks === 10) tenthLook.resolve();
    return sights[Math.min(looks++, sights.length - 1)] as number | null;
  };
  const limits = { maxMemoryMb: 64, countFiles: false, readMb };
  const watching = watchSandbox({ init: process.pid, python: process.pid }, limits, (reason) => asked.add(reason));
  await tenthLook.promise;
  watching.stop();
  return [...asked];
}

describe('the look at a sandbox', () => {
  it.each([
    ['leaves alone a job that ends slowly, and so shows nothing any more', [10, null], []],
    ['ends one that never shows its memory', [null], ['unobservable']],
    ['ends one that holds more than it may', [10, 100], ['out_of_memory']],
  ])('%s', async (_, sights, asked) => {
    expect(await watch(...sights)).toEqual(asked);
  });
});
