import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completeSettings } from './complete-settings.js';
import { settingsSchema } from './settings.js';

const DATABASE = 'postgres://127.0.0.1/started-for-us';

describe('completing the settings', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-complete-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const complete = (given: Record<string, string>) =>
    completeSettings(settingsSchema.parse({ DATA_DIR: folder, ...given }), DATABASE);

  it('fills in the address, the database and secrets of our own', () => {
    expect(complete({})).toMatchObject({
      HOST: '127.0.0.1',
      PORT: 3000,
      DATABASE_URL: DATABASE,
      SECRET_KEY: expect.stringMatching(/^.{64}$/),
      JWT_PRIVATE_KEY: expect.stringContaining('BEGIN PRIVATE KEY'),
    });
  });

  it.each([
    ['development', { HOST: '127.0.0.1', PASSWORD_GRANT: true, DEMO_DATA: true }],
    ['test', { HOST: '127.0.0.1', PASSWORD_GRANT: true, DEMO_DATA: false }],
    ['production', { HOST: '0.0.0.0', PASSWORD_GRANT: false, DEMO_DATA: false }],
  ])('has its own defaults for %s', (NODE_ENV, defaults) => {
    expect(complete({ NODE_ENV })).toMatchObject(defaults);
  });

  it('changes nothing that was given', () => {
    const given = {
      HOST: '0.0.0.0',
      PORT: '8080',
      PASSWORD_GRANT: 'false',
      DEMO_DATA: 'false',
      SECRET_KEY: 'k'.repeat(40),
    };
    expect(complete(given)).toMatchObject({
      HOST: '0.0.0.0',
      PORT: 8080,
      PASSWORD_GRANT: false,
      DEMO_DATA: false,
      SECRET_KEY: 'k'.repeat(40),
    });
  });

  it('keeps a port of 0, which asks for any free one', () => {
    expect(complete({ PORT: '0' }).PORT).toBe(0);
  });

  it('writes no secrets where both are given', () => {
    complete({ SECRET_KEY: 'k'.repeat(40), JWT_PRIVATE_KEY: '-----BEGIN PRIVATE KEY-----\nx' });
    expect(existsSync(join(folder, 'secrets.json'))).toBe(false);
  });

  it('gives what nobody can change afterwards', () => {
    expect(Object.isFrozen(complete({}))).toBe(true);
  });
});
