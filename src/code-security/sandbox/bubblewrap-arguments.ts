import { lstatSync, readlinkSync } from 'node:fs';
import type { Installation } from './find-installation.js';

/** Descriptors of bubblewrap itself. Each of its options needs one of its own: it closes them after use. */
export const CHANNELS = { stdout: 1, stderr: 2, job: 3, result: 4, info: 5, filter: 6 } as const;

/** Inside it is the host's name; outside, in the arguments, what our sandboxes are known by. */
export const SANDBOX_HOSTNAME = 'holdpoint-sandbox';

/** Of /tmp, and of bubblewrap's own root, which is then made read-only. */
const TMPFS_BYTES = 64 * 1024 * 1024;
/**
 * Not the uid of the host's sandbox user: inside, files of host users that are not mapped look like 65534, so a job can
 * prove that it is not their owner.
 */
const INNER_ID = '1000';

/**
 * The production arguments, which the self-test uses too. There is no /proc, no /dev but four harmless devices, and
 * nothing of /etc but what the loader of libraries needs. CAP_SYS_ADMIN, valid in the new namespaces only, lets the
 * runner mount its own /tmp; it drops it before it says that it is ready, and no job is sent before that.
 */
export function bubblewrapArguments(installation: Installation, runner: string): string[] {
  return [
    ['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'],
    ['--die-with-parent', '--new-session', '--uid', INNER_ID, '--gid', INNER_ID, '--hostname', SANDBOX_HOSTNAME],
    ['--cap-drop', 'ALL', '--cap-add', 'CAP_SYS_ADMIN'],
    ['--info-fd', String(CHANNELS.info), '--seccomp', String(CHANNELS.filter)],
    ['--clearenv', ...environment()],
    ['--ro-bind', '/usr', '/usr', ...['/bin', '/lib', '/lib32', '/lib64'].flatMap(rootFolder)],
    ['/etc/alternatives', '/etc/ld.so.cache'].flatMap((path) => ['--ro-bind-try', path, path]),
    installation.pythonFolders.flatMap((path) => ['--ro-bind', path, path]),
    ['null', 'zero', 'random', 'urandom'].flatMap((name) => ['--dev-bind', `/dev/${name}`, `/dev/${name}`]),
    ['--size', String(TMPFS_BYTES), '--tmpfs', '/tmp', '--chdir', '/tmp', '--remount-ro', '/'],
    ['--', installation.python, '-I', '-X', 'utf8', '-c', runner],
  ].flat();
}

/** One arena and one BLAS thread: more would cost address space, which is what limits memory. */
function environment(): string[] {
  const variables = {
    PATH: '/usr/bin',
    HOME: '/tmp',
    LANG: 'C.UTF-8',
    MALLOC_ARENA_MAX: '1',
    OPENBLAS_NUM_THREADS: '1',
    OMP_NUM_THREADS: '1',
  };
  return Object.entries(variables).flatMap(([name, value]) => ['--setenv', name, value]);
}

/** /bin, /lib … are links into /usr on merged systems and folders on others. */
function rootFolder(path: string): string[] {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return [];
  return stats.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path];
}
