import {
  CHANNELS,
  devices,
  ENVIRONMENT,
  INNER_ID,
  ownNamespaces,
  pythonCommand,
  SANDBOX_HOSTNAME,
  systemFolders,
  TMPFS_BYTES,
} from './bubblewrap-arguments.js';
import type { Installation } from './find-installation.js';
import type { Readiness } from './sandbox-kind.js';

/** Where things are in the namespaces around gVisor. */
const ROOT = '/rootfs';
const BUNDLE = '/bundle';
const STATE = '/run';
const RUNSC = '/runsc';
const STATE_BYTES = 16 * 1024 * 1024;
/** Flags that both the oldest packaged runsc (2022) and today's know. The platform is the default of each. */
const RUNSC_FLAGS = ['--rootless', '--network=none', '--ignore-cgroups', '--overlay2=none', `--root=${STATE}`];

/**
 * bubblewrap, and gVisor in it. runsc needs to be root of a user namespace and a /proc; it gets both from namespaces of
 * its own, in which there is no network and nothing of the host but what jobs may see anyway. So it needs no root of
 * the host, all of it ends with the first process of its pid namespace, and its state with its mounts. Of descriptors
 * runsc passes on only 0 to 2, so the socket of jobs becomes its standard input.
 */
export function gvisorArguments(installation: Installation, runsc: string): string[] {
  return [
    ownNamespaces('0'),
    ['--cap-add', 'ALL'],
    ['--clearenv', '--setenv', 'PATH', '/usr/bin'],
    systemFolders([]),
    devices(),
    ['--proc', '/proc', '--ro-bind', runsc, RUNSC],
    ['--size', String(STATE_BYTES), '--tmpfs', STATE, '--tmpfs', '/tmp'],
    ['', '/usr', '/etc', '/tmp', '/proc', '/sys', '/dev'].flatMap((path) => ['--dir', ROOT + path]),
    systemFolders(installation.pythonFolders, ROOT),
    ['--dir', BUNDLE, '--ro-bind-data', String(CHANNELS.setup), `${BUNDLE}/config.json`, '--remount-ro', '/'],
    ['--', '/usr/bin/sh', '-c', `exec "$@" 0<&${CHANNELS.job} ${CHANNELS.job}<&-`, 'sh'],
    [RUNSC, ...RUNSC_FLAGS, 'run', '--bundle', BUNDLE, 'job'],
  ].flat();
}

/**
 * config.json of the OCI bundle. CAP_SYS_ADMIN is one of gVisor's kernel, not of the host's: with it the runner takes
 * /proc and /sys away before it drops it.
 */
export function gvisorBundle(python: string, runner: string, readiness: Readiness) {
  const ids = { uid: Number(INNER_ID), gid: Number(INNER_ID) };
  const capabilities = ['CAP_SYS_ADMIN'];
  return {
    ociVersion: '1.0.0',
    process: {
      user: ids,
      args: pythonCommand(python, runner, readiness),
      env: Object.entries(ENVIRONMENT).map(([name, value]) => `${name}=${value}`),
      cwd: '/',
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 64, hard: 64 }],
      noNewPrivileges: true,
    },
    root: { path: ROOT, readonly: true },
    hostname: SANDBOX_HOSTNAME,
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['ro', 'nosuid', 'nodev', 'noexec'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro', 'nosuid', 'nodev', 'noexec'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['ro', 'nosuid', 'noexec', 'mode=755'] },
      {
        destination: '/tmp',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'nodev', 'noexec', 'mode=1777', `size=${TMPFS_BYTES}`],
      },
    ],
    linux: { namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })) },
  };
}
