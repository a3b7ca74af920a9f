import { readRefreshToken, writeRefreshToken } from './refresh-token.js';

const SECRET = 'a secret of more than thirty-two characters';
const token = { session_id: '0198c9a4-7a3e-7c11-8f56-3b1f0c2d4e5f', counter: 41 };
const text = writeRefreshToken(SECRET, token);

describe('refresh token', () => {
  it('names its session and its number', () => {
    expect(readRefreshToken(SECRET, text)).toEqual(token);
  });

  it('is the same text each time, so that a lost answer can be repeated', () => {
    expect(writeRefreshToken(SECRET, token)).toBe(text);
  });

  it.each([
    ['made with another secret', writeRefreshToken(`${SECRET}!`, token)],
    ['with the number raised', text.replace('.41.', '.42.')],
    ['with the number written differently', text.replace('.41.', '.041.')],
    ['of another session', text.replace('0198c9a4', '0198c9a5')],
    ['with the session in capitals', text.replace('0198c9a4', '0198C9A4')],
    ['with more behind it', `${text}A`],
    ['with a line break behind it', `${text}\n`],
    ['without its signature', text.slice(0, -43)],
    ['with padding', `${text.slice(0, -1)}=`],
    ['without its prefix', text.slice(4)],
    ['that is empty', ''],
    ['that is a number too long', text.replace('.41.', '.10000000000.')],
  ])('%s is not accepted', (_, forged) => {
    expect(forged).not.toBe(text);
    expect(readRefreshToken(SECRET, forged)).toBeUndefined();
  });

  it('is not accepted with any one character changed', () => {
    const changed = Array.from(
      text,
      (character, at) => text.slice(0, at) + (character === 'A' ? 'B' : 'A') + text.slice(at + 1),
    );
    expect(changed.filter((forged) => readRefreshToken(SECRET, forged))).toEqual([]);
  });
});
