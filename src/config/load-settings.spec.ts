import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings, SettingsError } from './load-settings.js';
import { secretNames } from './settings.js';

function problemsOf(environment: Record<string, string>): string[] {
  try {
    loadSettings(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe('loading the settings', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-settings-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function file(text: string): string {
    const path = join(folder, 'secret');
    writeFileSync(path, text);
    return path;
  }

  it('needs nothing outside production', () => {
    const settings = loadSettings({});
    expect(settings).toMatchObject({ NODE_ENV: 'development', HOLDPOINT_ROLES: ['api', 'worker'], BODY_LIMIT_MB: 2 });
    expect(settings.DATABASE_URL).toBeUndefined();
  });

  it('gives what nobody can change afterwards', () => {
    expect(Object.isFrozen(loadSettings({}))).toBe(true);
  });

  it('reports everything that is wrong at once, one line for each variable', () => {
    const problems = problemsOf({
      PORT: '70000',
      DATABASE_URL: 'mysql://localhost/x',
      LOG_LEVEL: 'loud',
      HOLDPOINT_ROLES: 'api,cook',
      WORKER_LEASE_SECONDS: 'soon',
      SECRET_KEY: 'short',
      SANDBOX_PYTHON: 'python3',
    });
    expect(problems.map((line) => /^\w+/.exec(line)?.[0] ?? line).toSorted()).toEqual([
      'DATABASE_URL',
      'HOLDPOINT_ROLES',
      'LOG_LEVEL',
      'PORT',
      'SANDBOX_PYTHON',
      'SECRET_KEY',
      'WORKER_LEASE_SECONDS',
    ]);
  });

  it('puts every problem into the message, which also says where each setting is explained', () => {
    const error = new SettingsError(['PORT: too big', 'LOG_LEVEL: unknown']);
    expect(error.message).toBe(
      'The settings are not usable:\n  - PORT: too big\n  - LOG_LEVEL: unknown\nSee .env.example.',
    );
  });

  it('counts an empty variable as unset', () => {
    expect(loadSettings({ PORT: '', DATABASE_URL: '', LOG_LEVEL: '', HOLDPOINT_ROLES: '' })).toEqual(loadSettings({}));
  });

  it('refuses a list of roles that names none', () => {
    expect(problemsOf({ HOLDPOINT_ROLES: ' , ' })).toEqual([
      'HOLDPOINT_ROLES: must name at least one of api, worker, sandbox',
    ]);
  });

  it('reads lists without the spaces around their items and without empty items', () => {
    const { CORS_ORIGINS } = loadSettings({ CORS_ORIGINS: 'https://a.example , https://b.example,' });
    expect(CORS_ORIGINS).toEqual(['https://a.example', 'https://b.example']);
  });

  it('reads yes and no as true, false, 1 or 0 and as nothing else', () => {
    expect(loadSettings({ DEMO_DATA: '1', PASSWORD_GRANT: 'false' })).toMatchObject({
      DEMO_DATA: true,
      PASSWORD_GRANT: false,
    });
    expect(problemsOf({ DEMO_DATA: 'yes' })).toEqual(['DEMO_DATA: must be true or false']);
  });

  it('ignores variables that are no settings', () => {
    expect(loadSettings({ HOME: '/root', PATH: '/bin' })).toEqual(loadSettings({}));
  });

  it('asks for what production needs only in production', () => {
    expect(problemsOf({ NODE_ENV: 'production' }).length).toBeGreaterThan(0);
    expect(problemsOf({ NODE_ENV: 'test' })).toEqual([]);
  });

  describe('from a file', () => {
    it('takes the text without the white space around it', () => {
      const { SECRET_KEY } = loadSettings({ SECRET_KEY_FILE: file(`${'k'.repeat(40)}\n`) });
      expect(SECRET_KEY).toBe('k'.repeat(40));
    });

    it.each(secretNames)('reads %s', (name) => {
      const problems = problemsOf({ [`${name}_FILE`]: file('not what is wanted') });
      expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
    });

    it('reads no setting that is not a secret', () => {
      expect(loadSettings({ PORT_FILE: file('4000') }).PORT).toBeUndefined();
    });

    it('names the variable, the file and why it cannot be read, beside all other problems', () => {
      const missing = join(folder, 'missing');
      expect(problemsOf({ SECRET_KEY_FILE: missing, PORT: 'x' })).toEqual([
        `SECRET_KEY_FILE: cannot read ${missing} (ENOENT)`,
        expect.stringContaining('PORT: '),
      ]);
    });

    it('does not choose between the variable and its file', () => {
      const problems = problemsOf({ SECRET_KEY: 's'.repeat(40), SECRET_KEY_FILE: file('t'.repeat(40)) });
      expect(problems).toEqual(['SECRET_KEY and SECRET_KEY_FILE are both set: keep one of them']);
    });
  });

  it('tells what production lacks together with what is wrong, each variable once', () => {
    const problems = problemsOf({ NODE_ENV: 'production', PORT: 'x', SECRET_KEY: 'short', CORS_ORIGINS: '*' });
    expect(problems.map((line) => /^\w+/.exec(line)?.[0] ?? line).toSorted()).toEqual([
      'CORS_ORIGINS',
      'DATABASE_URL',
      'JWT_PRIVATE_KEY',
      'PORT',
      'SECRET_KEY',
    ]);
  });
});
