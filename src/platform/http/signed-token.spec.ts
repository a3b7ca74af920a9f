import type { Settings } from '../../config/settings.js';
import { SignedToken } from './signed-token.js';

const withKey = (SECRET_KEY: string) => new SignedToken({ SECRET_KEY } as Settings);
const tokens = withKey('a secret key of more than thirty-two characters');
const CLAIMS = { organization_id: 'o', title: 'Grüße' };
const soon = () => new Date(Date.now() + 60_000);

describe('SignedToken', () => {
  it('gives back what was issued', () => {
    expect(tokens.read('page', tokens.issue('page', CLAIMS, soon()))).toEqual(CLAIMS);
  });

  it('accepts none of another purpose, of another key, or past its time', () => {
    expect(tokens.read('page', tokens.issue('pages', CLAIMS, soon()))).toBeUndefined();
    expect(tokens.read('page', withKey('another key of this house'.repeat(2)).issue('page', CLAIMS, soon()))).toBe(
      undefined,
    );
    expect(tokens.read('page', tokens.issue('page', CLAIMS, new Date()))).toBeUndefined();
  });

  it('accepts none that was changed in any place', () => {
    const token = tokens.issue('page', CLAIMS, soon());
    for (let at = 0; at < token.length; at++) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      expect(tokens.read('page', changed)).toBe(undefined);
    }
    for (const text of ['', '.', 'x', `${token}.`, `${token}.x`, '..'])
      expect(tokens.read('page', text)).toBe(undefined);
  });
});
