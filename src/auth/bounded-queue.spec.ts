import { BoundedQueue } from './bounded-queue.js';

/** Work that goes on until it is told to end. */
function work(log: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return {
    end: () => resolve(name),
    fail: () => reject(new Error(name)),
    run: () => {
      log.push(name);
      return promise;
    },
  };
}

/** All that can go on without outside help has done so. */
const settled = () => new Promise(setImmediate);

describe('bounded queue', () => {
  it('starts as many as it may at once, the others in the order of arrival', async () => {
    const queue = new BoundedQueue(2, 2);
    const log: string[] = [];
    const works = ['a', 'b', 'c', 'd'].map((name) => work(log, name));
    const results = works.map(({ run }) => queue.run(run));
    await settled();
    expect(log).toEqual(['a', 'b']);
    works[1]?.end();
    await settled();
    expect(log).toEqual(['a', 'b', 'c']);
    for (const { end } of works) end();
    expect(await Promise.all(results)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('refuses at once what neither runs nor waits', async () => {
    const queue = new BoundedQueue(1, 1);
    const log: string[] = [];
    const [first, second] = [work(log, 'a'), work(log, 'b')];
    const results = [queue.run(first.run), queue.run(second.run)];
    await expect(queue.run(work(log, 'c').run)).rejects.toMatchObject({ kind: 'unavailable', code: 'BUSY' });
    first.end();
    second.end();
    await Promise.all(results);
    expect(log).toEqual(['a', 'b']);
  });

  it('gives the place of failed work to the next', async () => {
    const queue = new BoundedQueue(1, 1);
    const log: string[] = [];
    const [first, second] = [work(log, 'a'), work(log, 'b')];
    const failing = queue.run(first.run);
    const waiting = queue.run(second.run);
    first.fail();
    second.end();
    await expect(failing).rejects.toThrow('a');
    await expect(waiting).resolves.toBe('b');
    await expect(queue.run(() => Promise.resolve('free again'))).resolves.toBe('free again');
  });
});
