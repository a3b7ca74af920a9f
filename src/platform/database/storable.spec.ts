import { storable } from './storable.js';

describe('storable', () => {
  it('returns the very value when nothing is wrong with it', () => {
    const value = { text: 'a😀b\\u0000', list: [1, null, 'x'] };
    expect(storable(value)).toBe(value);
  });

  it('puts a replacement character for NUL and for half a pair, in keys too', () => {
    expect(storable({ 'k\0': ['a\0b', '\ud83d', '\ude00x', '😀'] })).toEqual({
      'k\uFFFD': ['a\uFFFDb', '\uFFFD', '\uFFFDx', '😀'],
    });
  });

  it('leaves text that only looks like an escape', () => {
    expect(storable(['\\u0000', '\\\\ud800', '\\\0'])).toEqual(['\\u0000', '\\\\ud800', '\\\uFFFD']);
  });

  it('leaves undefined alone', () => {
    expect(storable(undefined)).toBeUndefined();
  });
});
