import jsonPatch, { type Operation } from 'fast-json-patch';
import { diffContent } from './diff-content.js';

/** By an implementation of RFC 6902 that is not ours. */
function patched(shown: unknown, patch: unknown): unknown {
  return jsonPatch.applyPatch(structuredClone(shown), patch as Operation[], true, false).newDocument;
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const KEYS = ['a', 'b/c', 'd~e', '', '0', 'constructor', 'toString', '-'];
const LEAVES = [null, true, 0, 1.5, '', 'text', [], {}];

function randomJson(random: () => number, depth: number): unknown {
  const below = () => randomJson(random, depth - 1);
  const count = Math.floor(random() * 4);
  if (depth === 0 || random() < 0.3) return LEAVES[Math.floor(random() * LEAVES.length)];
  if (random() < 0.5) return Array.from({ length: count }, below);
  return Object.fromEntries(Array.from({ length: count }, () => [KEYS[Math.floor(random() * KEYS.length)], below()]));
}

describe('the difference between what was shown and what it became', () => {
  it.each([
    ['a changed member', { a: 1, b: 2 }, { a: 1, b: 3 }, [{ op: 'replace', path: '/b', value: 3 }]],
    ['a new member', { a: 1 }, { a: 1, b: null }, [{ op: 'add', path: '/b', value: null }]],
    ['a missing member', { a: 1, b: 2 }, { b: 2 }, [{ op: 'remove', path: '/a' }]],
    [
      'escaped keys',
      { 'a/b': { 'c~d': 1 } },
      { 'a/b': { 'c~d': 2 } },
      [{ op: 'replace', path: '/a~1b/c~0d', value: 2 }],
    ],
    [
      'new items',
      [1],
      [1, 2, 3],
      [
        { op: 'add', path: '/1', value: 2 },
        { op: 'add', path: '/2', value: 3 },
      ],
    ],
    [
      'missing items',
      [1, 2, 3],
      [1],
      [
        { op: 'remove', path: '/2' },
        { op: 'remove', path: '/1' },
      ],
    ],
    ['another type', { a: [1] }, { a: { 0: 1 } }, [{ op: 'replace', path: '/a', value: { 0: 1 } }]],
    ['another whole', 'a', null, [{ op: 'replace', path: '', value: null }]],
    ['nothing but the order of members', { a: 1, b: 2 }, { b: 2, a: 1 }, []],
    [
      'a member named like one of every object',
      {},
      { constructor: 1 },
      [{ op: 'add', path: '/constructor', value: 1 }],
    ],
  ])('is, for %s, what one would write', (_, shown, edited, patch) => {
    expect(diffContent(shown, edited)).toEqual(patch);
  });

  it('leads from the one to the other, for any two', () => {
    for (let seed = 1; seed <= 2_000; seed++) {
      const random = randomNumbers(seed);
      const [shown, edited] = [randomJson(random, 4), randomJson(random, 4)];
      const patch = diffContent(shown, edited);
      expect({ seed, became: patched(shown, patch) }).toEqual({ seed, became: edited });
      expect({ seed, same: diffContent(edited, structuredClone(edited)) }).toEqual({ seed, same: [] });
    }
  });

  it('of more than a thousand operations is the whole', () => {
    const items = (count: number, value: number) => Array.from({ length: count }, () => value);
    expect(diffContent(items(1_000, 1), items(1_000, 2))).toHaveLength(1_000);
    const edited = items(1_001, 2);
    expect(diffContent(items(1_001, 1), edited)).toEqual([{ op: 'replace', path: '', value: edited }]);
  });

  it('stays small where long keys lead to many changes', () => {
    const wrapped = (leaf: number) => {
      let value: unknown = Array.from({ length: 100_000 }, () => leaf);
      for (let depth = 0; depth < 60; depth++) value = { ['key'.repeat(300)]: value };
      return value;
    };
    const edited = wrapped(2);
    expect(diffContent(wrapped(1), edited)).toEqual([{ op: 'replace', path: '', value: edited }]);
  });
});
