import { loadSettings } from '../../config/load-settings.js';
import { completeSettings } from '../../config/complete-settings.js';
import { chooseDriver, chooseUser } from './choose-driver.js';
import { judgeUser } from './find-installation.js';

const ROOT = 0;
const SOMEBODY = 1000;

describe('the driver', () => {
  it.each(['bubblewrap', 'gvisor', 'dev-unsafe', 'none'])('is %s when that was chosen', (name) => {
    const settings = completeSettings(loadSettings({ SANDBOX_DRIVER: name, SECRET_KEY: 'x'.repeat(40) }), '');
    expect(chooseDriver(settings).name).toBe(name);
  });
});

describe('the user of sandboxes', () => {
  const userFor = (environment: Record<string, string>, own: number) =>
    judgeUser(chooseUser(loadSettings(environment), own), own);

  it('is nobody when the service is root outside production, and the one that was named', () => {
    expect(userFor({}, ROOT)).toEqual({ uid: 65_534, gid: 65_534 });
    expect(userFor({ SANDBOX_UID: '4000' }, ROOT)).toEqual({ uid: 4000, gid: 4000 });
    expect(userFor({ SANDBOX_UID: '4000', SANDBOX_GID: '4001' }, ROOT)).toEqual({ uid: 4000, gid: 4001 });
  });

  it('is the user of the service when that is not root', () => {
    expect(userFor({}, SOMEBODY)).toBeUndefined();
    expect(userFor({ SANDBOX_UID: String(SOMEBODY) }, SOMEBODY)).toBeUndefined();
  });

  it('has to be named in production when the service is root', () => {
    const user = chooseUser({ NODE_ENV: 'production', SANDBOX_UID: undefined, SANDBOX_GID: undefined }, ROOT);
    expect(() => judgeUser(user, ROOT)).toThrow('set SANDBOX_UID and SANDBOX_GID');
    expect(chooseUser({ NODE_ENV: 'production', SANDBOX_UID: 4000, SANDBOX_GID: undefined }, ROOT)).toMatchObject({
      uid: 4000,
    });
  });

  it('is never root', () => {
    expect(() => loadSettings({ SANDBOX_UID: '0' })).toThrow('SANDBOX_UID');
    expect(() => loadSettings({ SANDBOX_GID: '0' })).toThrow('SANDBOX_GID');
    expect(() => judgeUser({ uid: 4000, gid: 0 }, ROOT)).toThrow('must not run as root');
  });

  it('cannot be another than that of a service that is not root, which is said instead of ignored', () => {
    expect(() => userFor({ SANDBOX_UID: '4000' }, SOMEBODY)).toThrow(/service is uid 1000: unset SANDBOX_UID/);
  });
});
