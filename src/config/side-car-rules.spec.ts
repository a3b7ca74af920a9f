import { loadSettings, SettingsError } from './load-settings.js';
import { secretNames } from './settings.js';

const SOCKET = '/run/holdpoint/sandbox.sock';
const SIDE_CAR = { HOLDPOINT_ROLES: 'sandbox', SANDBOX_SOCKET: SOCKET };
const ASKING = { SANDBOX_DRIVER: 'remote', SANDBOX_SOCKET: SOCKET };

function refusals(environment: Record<string, string | undefined>): string[] {
  try {
    loadSettings(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe('a side-car', () => {
  it.each(['development', 'production'])('starts in %s with a socket and nothing else', (NODE_ENV) => {
    expect(refusals({ ...SIDE_CAR, NODE_ENV })).toEqual([]);
  });

  it.each(['api,sandbox', 'sandbox,worker', 'sandbox,sandbox'])('does not share a process: %s', (HOLDPOINT_ROLES) => {
    expect(refusals({ ...SIDE_CAR, HOLDPOINT_ROLES })).toContainEqual(
      expect.stringContaining('HOLDPOINT_ROLES: sandbox stands alone'),
    );
  });

  it.each(secretNames)('refuses to hold %s, whatever it is, and does not repeat it', (name) => {
    const problems = refusals({ ...SIDE_CAR, [name]: 'not for your eyes' });
    expect(problems).toContain(`${name}: the role sandbox must not hold secrets; remove it`);
    expect(problems.join()).not.toContain('eyes');
  });

  it.each(secretNames)('refuses the file of %s too', (name) => {
    const problems = refusals({ ...SIDE_CAR, [`${name}_FILE`]: '/nowhere/at/all' });
    expect(problems).toContain(`${name}_FILE: the role sandbox must not hold secrets; remove it`);
  });

  it('refuses to ask another one, and to run nothing in production', () => {
    expect(refusals({ ...SIDE_CAR, SANDBOX_DRIVER: 'remote' })).toEqual([
      expect.stringContaining('SANDBOX_DRIVER: the role sandbox runs code itself'),
    ]);
    expect(refusals({ ...SIDE_CAR, NODE_ENV: 'production', SANDBOX_DRIVER: 'none' })).toEqual([
      expect.stringContaining('SANDBOX_DRIVER: production needs'),
    ]);
  });
});

describe('the socket of a side-car', () => {
  it.each([
    ['to a side-car', { HOLDPOINT_ROLES: 'sandbox' }],
    ['to who asks one', { SANDBOX_DRIVER: 'remote' }],
  ])('has to be named %s', (_, environment) => {
    expect(refusals(environment)).toEqual([expect.stringContaining('SANDBOX_SOCKET: name the socket')]);
  });

  it('is enough for a process that asks', () => {
    expect(refusals(ASKING)).toEqual([]);
  });

  it('is refused where code would run beside it, in the process with the secrets', () => {
    expect(refusals({ SANDBOX_SOCKET: SOCKET })).toEqual([expect.stringContaining('set SANDBOX_DRIVER=remote')]);
  });

  it.each([
    ['relative', 'run/sandbox.sock'],
    ['longer than a socket’s may be', `/${'x'.repeat(107)}`],
  ])('may not be %s', (_, SANDBOX_SOCKET) => {
    expect(refusals({ ...ASKING, SANDBOX_SOCKET })).toEqual([expect.stringContaining('SANDBOX_SOCKET: must')]);
  });
});
