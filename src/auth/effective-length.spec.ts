import { randomInt } from 'node:crypto';
import { effectiveLength } from './effective-length.js';

describe('effective length of a password', () => {
  it.each([
    ['', 0],
    ['x7', 2],
    ['aaaaaaaaaaaaaaaa', 2], // a, and then what has been there
    ['abcdefghijklmnopqrstuvwxyz', 1], // one alphabet
    ['zyxwvutsrqponmlk', 1], // backwards
    ['123456789012345678', 1],
    ['qwertyuiopasdfghjkl', 2], // two rows of keys
    ['1qaz2wsx3edc4rfv', 4],
    ['passwordpassword', 2], // a word twice
    ['PassWordPASSWORD', 2],
    ['P@ssw0rdP4$$word', 2], // signs for letters
    ['xkvxkvxkvxkvxkv', 4], // x, k, v, and then what has been there
    ['summer2026winter2025', 4],
    ['ilovetrains', 8], // i, love, t, r, a, i, n, s
    ['mississippi', 8], // issi has been there
    ['correct horse battery', 21],
  ])('of "%s" is %i', (password, length) => {
    expect(effectiveLength(password)).toBe(length);
  });

  it('counts a given word as one character wherever it stands', () => {
    expect(effectiveLength('gaudí-x-GAUDÍ')).toBe(9);
    expect(effectiveLength('gaudí-x-GAUDÍ', ['Gaudí'])).toBe(5);
  });

  it('does not count words of one or two letters', () => {
    expect(effectiveLength('bohqzk', ['bo', 'q', ''])).toBe(6);
  });

  it('is at least half of what random characters have', () => {
    const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_';
    const random = () => Array.from({ length: 16 }, () => alphabet[randomInt(alphabet.length)]).join('');
    const shortest = Math.min(...Array.from({ length: 2_000 }, () => effectiveLength(random())));
    expect(shortest).toBeGreaterThanOrEqual(8);
  });

  it('takes no more than a second for the longest password', () => {
    const text = Array.from({ length: 1_024 }, () => 'ab'[randomInt(2)]).join('');
    const began = performance.now();
    expect(effectiveLength(text)).toBeLessThan(400);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
