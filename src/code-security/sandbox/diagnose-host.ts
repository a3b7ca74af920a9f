import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { chooseUser, type SandboxSettings } from './choose-driver.js';
import { findGroupPlace } from './find-control-groups.js';
import { INSTALL_COMMAND, judgeUser, type UnprivilegedUser } from './find-installation.js';
import { hostArchitecture } from './seccomp/syscall-numbers.js';

/** One layer of what a sandbox stands on. `optional` ones may be missing; `unknown` ones need a layer that failed. */
export interface Finding {
  layer: string;
  state: 'ok' | 'failing' | 'optional' | 'unknown';
  /** What was seen. */
  seen: string;
  /** What to do about it, to be pasted where it is a command; null when there is nothing to do. */
  fix: string | null;
}

/** What is read of the machine, apart from what is tried: a test can put another one in its place. */
export interface Host {
  platform: NodeJS.Platform;
  nodeVersion: string;
  uid: number | undefined;
  /** The text of a file of /proc or /sys, or null where there is none. */
  read(path: string): string | null;
  container: 'Docker' | 'Kubernetes' | null;
}

type Verdict = Omit<Finding, 'layer'>;

const ok = (seen: string): Verdict => ({ state: 'ok', seen, fix: null });
const failing = (seen: string, fix: string): Verdict => ({ state: 'failing', seen, fix });
const optional = (seen: string, fix: string | null = null): Verdict => ({ state: 'optional', seen, fix });

export function readHost(environment: Record<string, string | undefined>): Host {
  const inDocker = readText('/.dockerenv') !== null || readText('/run/.containerenv') !== null;
  return {
    platform: process.platform,
    nodeVersion: process.versions.node,
    uid: process.getuid?.(),
    read: readText,
    container: environment['KUBERNETES_SERVICE_HOST'] ? 'Kubernetes' : inDocker ? 'Docker' : null,
  };
}

/**
 * Looks at each layer, from the platform up to where the self-test begins, and tries what can be tried. Every failing
 * layer says its fix. Never throws.
 */
export async function diagnoseHost(settings: SandboxSettings, host: Host): Promise<Finding[]> {
  const findings: Finding[] = [];
  const add = (layer: string, verdict: Verdict) => findings.push({ layer, ...verdict });
  const works = (...layers: string[]) =>
    findings.every(({ layer, state }) => state !== 'failing' || !layers.includes(layer));
  const [user, userVerdict] = findUser(settings, host);
  const { SANDBOX_BWRAP: bwrap, SANDBOX_PYTHON: python } = settings;

  add('platform', judgePlatform(host));
  add('node', judgeNode(host));
  add('user', userVerdict);
  add('bubblewrap', await judgeBubblewrap(bwrap));
  add('python', await judgePython(python, user));
  add('numpy', works('python') ? await judgeNumpy(python, user) : needs('python'));
  add('user namespaces', works('bubblewrap') ? await judgeNamespaces(bwrap, user, host) : needs('bubblewrap'));
  const canMount = works('bubblewrap', 'python', 'user namespaces');
  add('own /tmp', canMount ? await judgeOwnTmp(bwrap, python, user) : needs('user namespaces'));
  add('control groups', judgeControlGroups(host));
  add('gVisor', judgeGvisor(settings));
  return findings;
}

function needs(layer: string): Verdict {
  return { state: 'unknown', seen: `not looked at: it needs ${layer}`, fix: null };
}

function judgePlatform({ platform }: Host): Verdict {
  const architecture = hostArchitecture();
  if (platform === 'linux' && architecture) return ok(`${platform} on ${architecture}`);
  return failing(
    `${platform} on ${process.arch}`,
    'Run code on Linux, x86_64 or aarch64: the whole service, or a virtual machine that has it.',
  );
}

function judgeNode({ nodeVersion }: Host): Verdict {
  if (Number(nodeVersion.split('.')[0]) >= 24) return ok(nodeVersion);
  return failing(nodeVersion, 'Use the Node 24 that npm ci installs: start through npm, or run npm rebuild node.');
}

function findUser(settings: SandboxSettings, { uid }: Host): [UnprivilegedUser | undefined, Verdict] {
  try {
    const user = judgeUser(chooseUser(settings, uid), uid);
    return [
      user,
      ok(user ? `root; sandboxes run as uid ${user.uid}, gid ${user.gid}` : `uid ${uid}, as sandboxes do too`),
    ];
  } catch (error) {
    const fix =
      uid === 0 ? 'SANDBOX_UID=65534, or another user that owns nothing and runs nothing else' : 'Unset SANDBOX_UID.';
    return [undefined, failing((error as Error).message, fix)];
  }
}

async function judgeBubblewrap(bwrap: string): Promise<Verdict> {
  if (!isExecutable(bwrap)) return failing(`${bwrap} (SANDBOX_BWRAP) is not there, or not executable`, INSTALL_COMMAND);
  const path = realpathSync(bwrap);
  if (statSync(path).mode & 0o4000) {
    return failing(
      `${path} is setuid root, so that it gives nobody the one capability that a start needs`,
      `chmod u-s ${path}`,
    );
  }
  const tried = await tryCommand(bwrap, ['--version'], undefined);
  return tried.works ? ok(`${bwrap}, ${tried.said}`) : failing(`${bwrap}: ${tried.said}`, INSTALL_COMMAND);
}

async function judgePython(python: string, user: UnprivilegedUser | undefined): Promise<Verdict> {
  const tried = await tryCommand(python, ['-I', '-c', 'import sys; print(sys.version.split()[0])'], user);
  if (tried.works) return ok(`${python}, ${tried.said}`);
  if (tried.code === 'ENOENT') return failing(`${python} (SANDBOX_PYTHON) is not there`, INSTALL_COMMAND);
  const who = user ? `uid ${user.uid}` : 'this user';
  return failing(
    `${python} (SANDBOX_PYTHON) does not run for ${who}: ${tried.said}`,
    `Name a Python that ${who} may read, best one below /usr: SANDBOX_PYTHON=/usr/bin/python3, after ${INSTALL_COMMAND}`,
  );
}

async function judgeNumpy(python: string, user: UnprivilegedUser | undefined): Promise<Verdict> {
  const tried = await tryCommand(python, ['-I', '-c', 'import numpy; print(numpy.__version__)'], user);
  return tried.works ? ok(tried.said) : failing(lastLine(tried.said), INSTALL_COMMAND);
}

/** What a sandbox is made of, with nothing of ours in it. */
const ALL_NAMESPACES = ['--unshare-user', '--unshare-all', '--die-with-parent', '--ro-bind', '/', '/'];

async function judgeNamespaces(bwrap: string, user: UnprivilegedUser | undefined, host: Host): Promise<Verdict> {
  const tried = await tryCommand(bwrap, [...ALL_NAMESPACES, '/bin/true'], user);
  if (tried.works) return ok('user, mount, pid, network, ipc, uts and cgroup namespaces can be made');
  return failing(tried.said, fixNamespaces(host));
}

/** From what is surely in the way to what may be. */
function fixNamespaces(host: Host): string {
  const setting = (name: string) => host.read(`/proc/sys/${name}`)?.trim();
  if (setting('user/max_user_namespaces') === '0') return 'sysctl -w user.max_user_namespaces=15000';
  if (setting('kernel/unprivileged_userns_clone') === '0') return 'sysctl -w kernel.unprivileged_userns_clone=1';
  if (host.container === 'Kubernetes') {
    return 'In the container: seccompProfile Localhost with deploy/seccomp/holdpoint-sandbox.json and hostUsers: false, as in deploy/kubernetes/holdpoint.yaml; or runtimeClassName: gvisor.';
  }
  const isFiltered = /^Seccomp:\t2$/m.test(host.read('/proc/self/status') ?? '');
  if (host.container === 'Docker' || isFiltered) {
    return 'A seccomp or AppArmor profile forbids it, as those of containers do: run a side-car as in deploy/compose.yaml, with --security-opt seccomp=deploy/seccomp/holdpoint-sandbox.json and --security-opt apparmor=holdpoint-sandbox; or --runtime=runsc.';
  }
  if (setting('kernel/apparmor_restrict_unprivileged_userns') === '1') {
    return 'cp deploy/apparmor/bwrap /etc/apparmor.d/bwrap && apparmor_parser -r /etc/apparmor.d/bwrap';
  }
  return 'Allow this user to make namespaces: see "The sandbox" in docs/operations.md.';
}

/** The runner does the same at each start; where it may not, files in /tmp are counted from outside. */
async function judgeOwnTmp(bwrap: string, python: string, user: UnprivilegedUser | undefined): Promise<Verdict> {
  const confinement = readFileSync(new URL('./python/confinement.py', import.meta.url), 'utf8');
  const code = `${confinement}\nraise SystemExit(not mount_own_tmp())`;
  const inside = [...ALL_NAMESPACES, '--cap-add', 'CAP_SYS_ADMIN', '--tmpfs', '/tmp', python, '-I', '-c', code];
  const tried = await tryCommand(bwrap, inside, user);
  if (tried.works) return ok('limits its files by itself');
  return optional('may not be mounted by the sandbox; its files are counted ten times a second instead');
}

function judgeControlGroups({ uid }: Host): Verdict {
  const finding = findGroupPlace({ proc: '/proc', isRoot: uid === 0 });
  return finding.place ? ok(`version ${finding.place.version} limits each run as a whole`) : optional(finding.reason);
}

function judgeGvisor({ SANDBOX_DRIVER: driver, SANDBOX_RUNSC: runsc }: SandboxSettings): Verdict {
  if (isExecutable(runsc)) return ok(runsc);
  const seen = `${runsc} (SANDBOX_RUNSC) is not there, or not executable`;
  return driver === 'gvisor' ? failing(seen, 'apt-get install --no-install-recommends runsc') : optional(seen);
}

interface Tried {
  works: boolean;
  code: unknown;
  said: string;
}

async function tryCommand(file: string, arguments_: string[], user: UnprivilegedUser | undefined): Promise<Tried> {
  try {
    const options = { ...user, cwd: '/', env: {}, timeout: 10_000 };
    const { stdout } = await promisify(execFile)(file, arguments_, options);
    return { works: true, code: 0, said: stdout.trim() };
  } catch (error) {
    const { stderr, message, code } = error as Error & { stderr?: string; code?: unknown };
    return { works: false, code, said: (stderr?.trim() || message).slice(0, 500) };
  }
}

function lastLine(text: string): string {
  return text.split('\n').at(-1) ?? '';
}

function isExecutable(path: string): boolean {
  return isAccessible(path, constants.X_OK);
}

function isWritable(path: string): boolean {
  return isAccessible(path, constants.W_OK);
}

function isAccessible(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** What to do when nobody answers at the socket of a side-car. */
export function explainMissingSocket(socket: string): string {
  const folder = dirname(socket);
  if (!isAccessible(folder, constants.X_OK)) return `Make ${folder} and share it between both processes.`;
  if (!isAccessible(socket, constants.F_OK)) {
    return `Start the side-car: HOLDPOINT_ROLES=sandbox SANDBOX_SOCKET=${socket} npm run start:prod`;
  }
  if (!isWritable(socket)) return `Let this user write to ${socket}: give both processes one user or one group.`;
  return 'The process that made the socket is gone: start the side-car again; it replaces the socket.';
}
