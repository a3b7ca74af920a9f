import { inPortions } from './in-portions.js';

/** Says its name in each portion of about 5 ms, and how often others had a turn before. */
function* work(name: string, portions: number, said: string[], turns: () => number): Generator<void, string> {
  for (let portion = 0; portion < portions; portion++) {
    said.push(`${name}${turns()}`);
    for (const until = performance.now() + 6; performance.now() < until;);
    yield;
  }
  return name;
}

describe('work in portions', () => {
  it('lets others have the event loop after each portion, however many such works there are', async () => {
    let turns = 0;
    const count = () => {
      turns += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const said: string[] = [];
    const ends = [work('a', 3, said, () => turns), work('b', 3, said, () => turns)].map(inPortions);
    expect(said).toEqual(['a0', 'b0']);
    expect(await Promise.all(ends)).toEqual(['a', 'b']);
    clearImmediate(next);
    expect(said.slice(2).map((one) => one.slice(0, 1))).toEqual(['a', 'b', 'a', 'b']);
    expect(new Set(said.slice(2).map((one) => one.slice(1))).size).toBe(4);
  });

  it('fails as the work does', async () => {
    const broken = (function* (): Generator<void, never> {
      yield;
      throw new Error('no');
    })();
    await expect(inPortions(broken)).rejects.toThrow('no');
  });
});
