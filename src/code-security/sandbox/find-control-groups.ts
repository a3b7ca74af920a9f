import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * In version 2 a group with groups below it may hold no process, so the service moves into this one first. A service that
 * is started in a group of this name was put there on purpose (DelegateSubgroup= of systemd), or follows one that moved.
 */
export const SERVICE_GROUP = 'holdpoint-service';

/** Folders below which groups for sandboxes may be made; in version 2 both are the same. */
export interface GroupPlace {
  version: 1 | 2;
  memory: string;
  pids: string;
}

/** The reason is for the operator, and names nothing of the host. */
export type PlaceFinding = { place: GroupPlace } | { place: null; reason: string };

/** Where to look; tests have folders of their own. */
export interface GroupHost {
  proc: string;
  isRoot: boolean;
}

/**
 * Finds where the service may make control groups of its own, and changes nothing. A controller is in one version only, so
 * a host that mounts it in version 1 has not got it in version 2.
 */
export function findGroupPlace(host: GroupHost): PlaceFinding {
  try {
    const ownGroups = readFileSync(join(host.proc, 'self/cgroup'), 'utf8').trim().split('\n');
    const mounts = readFileSync(join(host.proc, 'self/mountinfo'), 'utf8').trim().split('\n').map(parseMount);
    const own = (controller: string) => findOwnFolder(ownGroups, mounts, controller);
    const [memory, pids] = [own('memory'), own('pids')];
    if (memory && pids) return judgeVersion1(memory.folder, pids.folder);
    const unified = own('');
    return unified ? judgeVersion2(host, unified) : refuse('No control groups are mounted here.');
  } catch (error) {
    return refuse(`Control groups cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`);
  }
}

interface Mount {
  /** Which part of the hierarchy is mounted. */
  root: string;
  point: string;
  type: string;
  options: string[];
}

interface OwnFolder {
  folder: string;
  /** The topmost folder that can be seen. */
  top: string;
}

function parseMount(line: string): Mount {
  const [[, , , root = '', point = ''], [type = '', , options = '']] = line
    .split(' - ')
    .map((half) => half.split(' ')) as [string[], string[]];
  return { root, point, type, options: options.split(',') };
}

/** The folder of the service's own group in the hierarchy of a controller; '' stands for version 2. */
function findOwnFolder(ownGroups: string[], mounts: Mount[], controller: string): OwnFolder | null {
  const own = ownGroups.map((line) => line.split(':')).find(([, names]) => names?.split(',').includes(controller));
  const mount = mounts.find(({ type, options }) =>
    controller === '' ? type === 'cgroup2' : type === 'cgroup' && options.includes(controller),
  );
  const path = own?.slice(2).join(':');
  if (!mount || path === undefined) return null;
  const root = mount.root === '/' ? '' : mount.root;
  if (path.includes('/..') || !`${path}/`.startsWith(`${root}/`)) return null; // Outside what is mounted.
  const below = path.slice(root.length).replace(/^\/$/, '');
  return { folder: join(mount.point, below), top: mount.point };
}

/** Here a group may hold processes and groups, so nothing of the host has to be moved. */
function judgeVersion1(memory: string, pids: string): PlaceFinding {
  if (![memory, pids].every(isWritable))
    return refuse('The control groups of the service (version 1) are not writable.');
  return { place: { version: 1, memory, pids } };
}

/** The group must be the service's own: what a system manager holds, or shares with others, is not reorganized. */
function judgeVersion2(host: GroupHost, { folder, top }: OwnFolder): PlaceFinding {
  const isPlaced = basename(folder) === SERVICE_GROUP;
  const base = isPlaced ? dirname(folder) : folder;
  // Only the root group of the host has no type.
  if (!existsSync(join(base, 'cgroup.type'))) return refuse('The service is in the root control group of the host.');
  const controllers = readFileSync(join(base, 'cgroup.controllers'), 'utf8').trim().split(' ');
  if (!['memory', 'pids'].every((name) => controllers.includes(name))) {
    return refuse('The control group of the service has no memory and pids controllers to hand on.');
  }
  const needed = ['.', 'cgroup.procs', 'cgroup.subtree_control'].map((name) => join(base, name));
  if (!needed.every(isWritable)) {
    return refuse(
      'The control group of the service is not writable. systemd: Delegate=yes; a container: a writable cgroup mount.',
    );
  }
  // The kernel tells other users what is theirs; root may write everywhere.
  if (host.isRoot && !isPlaced && base !== top) {
    return refuse(
      `Root cannot tell whether its control group is its own. Delegate=yes and DelegateSubgroup=${SERVICE_GROUP} say so.`,
    );
  }
  if (!readProcesses(base).every((pid) => isFamily(host, pid))) {
    return refuse('Other processes share the control group of the service.');
  }
  return { place: { version: 2, memory: base, pids: base } };
}

function refuse(reason: string): PlaceFinding {
  return { place: null, reason };
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Process ids in a group; 0 stands for one that cannot be seen from here. */
export function readProcesses(folder: string): number[] {
  return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
}

/** The service itself, who started it (a shell, npm), or what it started. */
function isFamily(host: GroupHost, pid: number): boolean {
  return lineOf(host, pid).includes(process.pid) || lineOf(host, process.pid).includes(pid);
}

/** A process and its ancestors. */
function lineOf(host: GroupHost, pid: number): number[] {
  if (pid === 0) return [];
  const stat = readFileSync(join(host.proc, String(pid), 'stat'), 'latin1');
  const parent = Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]);
  return [pid, ...lineOf(host, parent)];
}
