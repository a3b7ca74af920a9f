import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { loadSettings, SettingsError } from './load-settings.js';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const SOUND = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://holdpoint@127.0.0.1/holdpoint',
  SECRET_KEY: randomBytes(48).toString('base64url'),
  JWT_PRIVATE_KEY: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
};

function refusals(changes: Record<string, string | undefined>): string[] {
  try {
    loadSettings({ ...SOUND, ...changes });
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe('production', () => {
  it('starts with a database, its secrets and the isolating sandbox', () => {
    expect(refusals({})).toEqual([]);
  });

  it.each([
    ['the embedded database', { DATABASE_URL: undefined }, 'DATABASE_URL: production does not run on the embedded'],
    ['a generated SECRET_KEY', { SECRET_KEY: undefined }, 'SECRET_KEY: set it'],
    ['a generated signing key', { JWT_PRIVATE_KEY: undefined }, 'JWT_PRIVATE_KEY: set it to a P-256 key'],
    ['a SECRET_KEY of few different characters', { SECRET_KEY: 'abcabcabc'.repeat(5) }, 'SECRET_KEY: is too regular'],
    ['every origin', { CORS_ORIGINS: 'https://a.example,*' }, 'CORS_ORIGINS: name the origins'],
    ['the demo accounts', { DEMO_DATA: 'true' }, 'DEMO_DATA: demo accounts have published passwords'],
    [
      'a sandbox that is switched off',
      { SANDBOX_DRIVER: 'none' },
      'SANDBOX_DRIVER: production needs an isolating driver',
    ],
    [
      'a sandbox that isolates nothing',
      { SANDBOX_DRIVER: 'dev-unsafe' },
      'SANDBOX_DRIVER: dev-unsafe isolates nothing',
    ],
  ])('refuses %s and says what to set', (_what, change, line) => {
    expect(refusals(change)).toEqual([expect.stringContaining(line)]);
  });

  it('reports all of it at once', () => {
    const all = { DATABASE_URL: undefined, SECRET_KEY: undefined, JWT_PRIVATE_KEY: undefined, CORS_ORIGINS: '*' };
    expect(refusals({ ...all, DEMO_DATA: '1', SANDBOX_DRIVER: 'none' })).toHaveLength(6);
  });

  it('lets demo data be named as off', () => {
    expect(refusals({ DEMO_DATA: 'false' })).toEqual([]);
  });
});
