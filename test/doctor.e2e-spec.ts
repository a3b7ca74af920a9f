import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { diagnoseHost, readHost, type Finding, type Host } from '../src/code-security/sandbox/diagnose-host.js';
import { INSTALL_COMMAND } from '../src/code-security/sandbox/find-installation.js';
import { loadSettings } from '../src/config/load-settings.js';
import { makeSocketFolder, spawnSideCar, underSeccomp } from './spawn-side-car.js';

const folder = mkdtempSync(join(tmpdir(), 'holdpoint-doctor-'));
const NEITHER_ROOT_NOR_OWNER = 0o700;

beforeAll(() => chmodSync(folder, 0o755));
afterAll(() => rmSync(folder, { recursive: true }));

interface Report {
  exit: number | null;
  text: string;
  findings: Finding[];
  /** Layers that fail, with what to do. */
  failing: Record<string, string | null>;
}

/** The compiled doctor with exactly these settings, in a folder without .env. */
async function askDoctor(settings: Record<string, string> = {}, command: string[] = []): Promise<Report> {
  const [file, ...options] = [...command, process.execPath, resolve('dist/src/doctor.js'), '--json'];
  const child = spawn(file ?? '', options, { env: settings, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exit = await new Promise<number | null>((ended) => child.once('close', ended));
  if (!text.startsWith('{')) throw new Error(text);
  const { findings } = JSON.parse(text) as { findings: Finding[] };
  const failed = findings.filter(({ state }) => state === 'failing');
  return { exit, text, findings, failing: Object.fromEntries(failed.map(({ layer, fix }) => [layer, fix])) };
}

function script(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
}

/** A Python that only root may read; for who is not root, one that nobody may. */
function unreadablePython(): string {
  const closed = join(folder, 'closed');
  mkdirSync(closed);
  copyFileSync('/usr/bin/python3', join(closed, 'python3'));
  chmodSync(join(closed, 'python3'), 0o755);
  chmodSync(closed, process.getuid?.() === 0 ? NEITHER_ROOT_NOR_OWNER : 0);
  return join(closed, 'python3');
}

describe('npm run doctor', () => {
  it('finds nothing on a host that can isolate, and ends with 0', async () => {
    const { exit, failing, findings } = await askDoctor();
    expect([exit, failing]).toEqual([0, {}]);
    expect(
      findings.filter(({ layer, state }) => layer.startsWith('self-test: ') && state === 'ok').length,
    ).toBeGreaterThan(12);
  });

  it('says how to get a bubblewrap that is missing, and looks at nothing that needs it', async () => {
    const { exit, failing, findings } = await askDoctor({ SANDBOX_BWRAP: '/nowhere/bwrap' });
    expect([exit, failing]).toEqual([1, { bubblewrap: INSTALL_COMMAND }]);
    const skipped = findings.filter(({ state }) => state === 'unknown').map(({ layer }) => layer);
    expect(skipped).toEqual(['user namespaces', 'own /tmp']);
    expect(findings.some(({ layer }) => layer.startsWith('self-test'))).toBe(false);
  });

  it('tells a Python that is missing from one that the sandboxes may not read', async () => {
    const missing = await askDoctor({ SANDBOX_PYTHON: '/nowhere/python3' });
    expect([missing.exit, missing.failing]).toEqual([1, { python: INSTALL_COMMAND }]);
    const unreadable = await askDoctor({ SANDBOX_PYTHON: unreadablePython() });
    expect([unreadable.exit, unreadable.failing]).toEqual([
      1,
      { python: expect.stringContaining('SANDBOX_PYTHON=/usr/bin/python3') as string },
    ]);
  });

  it('says how to get NumPy for a Python without it', async () => {
    const python = script('python-without-numpy', 'exec /usr/bin/python3 -S "$@"');
    expect((await askDoctor({ SANDBOX_PYTHON: python })).failing).toMatchObject({ numpy: INSTALL_COMMAND });
  });

  it('names the profile to load where that of a container refuses new namespaces', async () => {
    const profile = JSON.parse(readFileSync('deploy/seccomp/holdpoint-sandbox.json', 'utf8')) as {
      syscalls: { names: string[]; action: string; args?: object[] }[];
    };
    const makesNamespaces = ['clone', 'unshare', 'mount', 'umount2', 'pivot_root', 'sethostname'];
    const refusing = profile.syscalls.filter(({ names }) => !names.some((name) => makesNamespaces.includes(name)));
    const CLONE_NEW_ANYTHING = 0x7e020000;
    const withoutNamespaces = { index: 0, value: CLONE_NEW_ANYTHING, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' };
    refusing.push({ names: ['clone'], action: 'SCMP_ACT_ALLOW', args: [withoutNamespaces] });
    const path = join(folder, 'refusing.json');
    writeFileSync(path, JSON.stringify({ ...profile, syscalls: refusing }));
    const { exit, failing } = await askDoctor({}, underSeccomp(path, []));
    expect([exit, failing]).toEqual([
      1,
      { 'user namespaces': expect.stringContaining('seccomp=deploy/seccomp/holdpoint-sandbox.json') as string },
    ]);
  });

  it('says that settings are wrong without repeating a secret', async () => {
    const secret = 'hunter2hunter2hunter2hunter2hunter2';
    const wrong = { HOLDPOINT_ROLES: 'sandbox', SANDBOX_SOCKET: '/run/x.sock', SECRET_KEY: secret };
    const { exit, text, findings } = await askDoctor(wrong);
    expect(exit).toBe(1);
    expect(findings[0]).toMatchObject({
      layer: 'settings',
      state: 'failing',
      seen: expect.stringContaining('SECRET_KEY') as string,
    });
    expect(text).not.toContain(secret);
  });

  it('looks with the settings that can be read when others are wrong', async () => {
    const { socket, remove } = makeSocketFolder();
    const lacking = { NODE_ENV: 'production', SANDBOX_DRIVER: 'remote', SANDBOX_SOCKET: socket };
    expect(Object.keys((await askDoctor(lacking)).failing)).toEqual(['settings', 'side-car']);
    const wrong = { NODE_ENV: 'bogus', SANDBOX_PYTHON: '/nowhere/python3', SANDBOX_DRIVER: 'remote' };
    expect(Object.keys((await askDoctor(wrong)).failing)).toEqual(['settings']);
    const alone = { PORT: 'bogus', SANDBOX_PYTHON: '/nowhere/python3' };
    expect(Object.keys((await askDoctor(alone)).failing)).toEqual(['settings', 'python']);
    remove();
  });

  it('says of a driver without walls that it has none, and that code runs', async () => {
    const { exit, findings } = await askDoctor({ SANDBOX_DRIVER: 'dev-unsafe', SANDBOX_BWRAP: '/nowhere/bwrap' });
    expect(exit).toBe(0);
    expect(findings[0]).toMatchObject({ layer: 'driver', seen: expect.stringContaining('Nothing isolates') as string });
    expect(findings.find(({ layer }) => layer === 'self-test: no_proc')?.state).toBe('optional');
  });

  it('says that code is switched off', async () => {
    expect((await askDoctor({ SANDBOX_DRIVER: 'none' })).failing).toEqual({
      driver: 'SANDBOX_DRIVER=bubblewrap, or remote with a side-car',
    });
  });

  it('asks the side-car that the settings name, and says how to start one that is missing', async () => {
    const { socket, remove } = makeSocketFolder();
    const settings = { SANDBOX_DRIVER: 'remote', SANDBOX_SOCKET: socket };
    const missing = await askDoctor(settings);
    expect([missing.exit, missing.failing]).toEqual([
      1,
      { 'side-car': expect.stringContaining(`HOLDPOINT_ROLES=sandbox SANDBOX_SOCKET=${socket}`) as string },
    ]);
    const sideCar = await spawnSideCar(socket);
    const found = await askDoctor(settings);
    expect([found.exit, found.failing]).toEqual([0, {}]);
    expect(found.findings.map(({ layer }) => layer)).toContain('self-test: loopback_unreachable');
    await sideCar.end('SIGKILL');
    expect((await askDoctor(settings)).failing).toEqual({
      'side-car': expect.stringContaining('start the side-car again') as string,
    });
    remove();
  });
});

describe('the doctor’s advice', () => {
  const host = { ...readHost({}), container: null };
  const files = (given: Record<string, string>) => (path: string) => given[path.replace('/proc/sys/', '')] ?? null;

  async function fixOf(layer: string, changes: Partial<Host>, bwrap = '/usr/bin/bwrap') {
    const settings = loadSettings({ SANDBOX_BWRAP: bwrap });
    return (await diagnoseHost(settings, { ...host, ...changes })).find((finding) => finding.layer === layer)?.fix;
  }

  it.each<[what: string, changes: Partial<Host>, fix: string]>([
    [
      'no namespaces at all',
      { read: files({ 'user/max_user_namespaces': '0\n' }) },
      'sysctl -w user.max_user_namespaces',
    ],
    [
      'none for users',
      { read: files({ 'kernel/unprivileged_userns_clone': '0\n' }) },
      'sysctl -w kernel.unprivileged_userns_clone=1',
    ],
    [
      'Ubuntu’s AppArmor',
      { read: files({ 'kernel/apparmor_restrict_unprivileged_userns': '1\n' }) },
      'apparmor_parser -r /etc/apparmor.d/bwrap',
    ],
    ['Docker', { read: files({}), container: 'Docker' }, 'deploy/compose.yaml'],
    ['Kubernetes', { read: files({}), container: 'Kubernetes' }, 'hostUsers: false'],
    ['something else', { read: files({}), container: null }, 'docs/operations.md'],
  ])('for namespaces that are refused by %s names what to do', async (_, changes, fix) => {
    const refused = script(
      'refused',
      '[ "$1" = --version ] && exit 0; echo "No permissions to create new namespace" >&2; exit 1',
    );
    expect(await fixOf('user namespaces', changes, refused)).toContain(fix);
  });

  it('is about the platform, Node and a setuid bubblewrap too', async () => {
    expect(await fixOf('platform', { platform: 'darwin' })).toContain('Linux');
    expect(await fixOf('node', { nodeVersion: '20.1.0' })).toContain('Node 24');
    const setuid = script('setuid', 'exit 0');
    chmodSync(setuid, 0o4755);
    expect(await fixOf('bubblewrap', {}, setuid)).toBe(`chmod u-s ${setuid}`);
  });
});
