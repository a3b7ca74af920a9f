import { openText, sealText } from './seal-text.js';

const KEY = 'k'.repeat(32);
const sealed = sealText(KEY, 'purpose', 'row', 'the secret');

describe('a sealed text', () => {
  it('opens with what it was sealed with', () => {
    expect(openText(KEY, 'purpose', 'row', sealed)).toBe('the secret');
  });

  it('shows nothing, and looks different each time', () => {
    expect(Buffer.from(sealed.slice(3), 'base64url').toString('latin1')).not.toContain('secret');
    expect(sealText(KEY, 'purpose', 'row', 'the secret')).not.toBe(sealed);
  });

  it.each([
    ['another key', openText('x'.repeat(32), 'purpose', 'row', sealed)],
    ['another purpose', openText(KEY, 'other', 'row', sealed)],
    ['another row', openText(KEY, 'purpose', 'other', sealed)],
    [
      'a changed text',
      openText(KEY, 'purpose', 'row', `${sealed.slice(0, 10)}${sealed[10] === 'A' ? 'B' : 'A'}${sealed.slice(11)}`),
    ],
    ['half of it', openText(KEY, 'purpose', 'row', sealed.slice(0, 20))],
    ['something else', openText(KEY, 'purpose', 'row', 'whsec_abc')],
  ])('does not open with %s', (_, opened) => {
    expect(opened).toBeNull();
  });
});
