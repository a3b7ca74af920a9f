import { lstatSync, readlinkSync } from 'node:fs';
import type { Installation } from './find-installation.js';
import type { Interpreter } from './languages.js';
import { SandboxUnavailableError } from './sandbox-driver.js';

/** Descriptors of bubblewrap itself. Each of its options needs one of its own: it closes them after use. */
export const CHANNELS = { stdout: 1, stderr: 2, job: 3, result: 4, info: 5, setup: 6 } as const;

/**
 * What the runner is started as: `numpy` has NumPy loaded before there is a job; `zygote` makes children that each
 * run one.
 */
export type RunnerMode = 'plain' | 'numpy' | 'zygote';

/** Inside it is the host's name; outside, in the arguments, what our sandboxes are known by. */
export const SANDBOX_HOSTNAME = 'holdpoint-sandbox';

/** Of /tmp, and of bubblewrap's own root, which is then made read-only. */
export const TMPFS_BYTES = 64 * 1024 * 1024;
/**
 * Not the uid of the host's sandbox user: inside, files of host users that are not mapped look like 65534, so a job can
 * prove that it is not their owner.
 */
export const INNER_ID = '1000';

/**
 * The production arguments, which the self-test uses too. There is no /proc, no /dev but four harmless devices, and
 * nothing of /etc but what the loader of libraries needs. CAP_SYS_ADMIN, valid in the new namespaces only, lets the
 * runner mount its own /tmp; it drops it before it says that it is ready, and no job is sent before that.
 */
export function bubblewrapArguments(installation: Installation, runner: string, mode: RunnerMode): string[] {
  return [
    ownNamespaces(INNER_ID),
    ['--cap-drop', 'ALL', '--cap-add', 'CAP_SYS_ADMIN'],
    ['--seccomp', String(CHANNELS.setup)],
    ['--clearenv', ...Object.entries(ENVIRONMENT).flatMap(([name, value]) => ['--setenv', name, value])],
    systemFolders(installation.pythonFolders),
    Object.values(installation.interpreters).flatMap(bindInterpreter),
    devices(),
    ['--size', String(TMPFS_BYTES), '--tmpfs', '/tmp', '--chdir', '/tmp', '--remount-ro', '/'],
    ['--', ...pythonCommand(installation.python, runner, mode)],
  ].flat();
}

/** One file, wherever it is on the host: its folders would tell of the host. */
function bindInterpreter(interpreter: Interpreter | SandboxUnavailableError): string[] {
  if (interpreter instanceof SandboxUnavailableError || interpreter.path === interpreter.hostPath) return [];
  return ['--ro-bind', interpreter.hostPath, interpreter.path];
}

export function pythonCommand(python: string, runner: string, mode: RunnerMode): string[] {
  return [python, '-I', '-X', 'utf8', '-c', runner, mode];
}

/** Namespaces that end with the service, in which the user of the sandboxes has another number. */
export function ownNamespaces(innerId: string): string[] {
  return [
    ['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
    ['--die-with-parent', '--new-session', '--uid', innerId, '--gid', innerId, '--hostname', SANDBOX_HOSTNAME],
    ['--info-fd', String(CHANNELS.info)],
  ].flat();
}

/** What an interpreter needs of the host, read-only, below `root`. */
export function systemFolders(more: readonly string[], root = ''): string[] {
  return [
    ['--ro-bind', '/usr', `${root}/usr`],
    ['/bin', '/lib', '/lib32', '/lib64'].flatMap((path) => rootFolder(path, root)),
    ['/etc/alternatives', '/etc/ld.so.cache'].flatMap((path) => ['--ro-bind-try', path, root + path]),
    more.flatMap((path) => ['--ro-bind', path, root + path]),
  ].flat();
}

export function devices(): string[] {
  return ['null', 'zero', 'random', 'urandom'].flatMap((name) => ['--dev-bind', `/dev/${name}`, `/dev/${name}`]);
}

/** One arena and one BLAS thread: more would cost address space, which is what limits memory. */
export const ENVIRONMENT = {
  PATH: '/usr/bin',
  HOME: '/tmp',
  LANG: 'C.UTF-8',
  MALLOC_ARENA_MAX: '1',
  OPENBLAS_NUM_THREADS: '1',
  OMP_NUM_THREADS: '1',
} as const;

/** /bin, /lib … are links into /usr on merged systems and folders on others. */
function rootFolder(path: string, root: string): string[] {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return [];
  return stats.isSymbolicLink() ? ['--symlink', readlinkSync(path), root + path] : ['--ro-bind', path, root + path];
}
