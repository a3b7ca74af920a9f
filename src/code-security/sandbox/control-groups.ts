import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  findGroupPlace,
  readProcesses,
  SERVICE_GROUP,
  type GroupHost,
  type GroupPlace,
} from './find-control-groups.js';

const MEBIBYTE = 1 << 20;
/** A full /tmp is charged to the group, and so are page tables, pipes, sockets and names of files. */
const ROOM_MB = 64 + 8;
/** The 32 threads that a job may have, bubblewrap, and as many again. */
const MOST_PROCESSES = 64;
const REMOVAL_MS = 1000;
const HOME = /^holdpoint-(\d+)-[0-9a-f]{8}$/;

export interface FoundControlGroups {
  /** Null: sandboxes go without, and the other limits are all there is. */
  groups: ControlGroups | null;
  /** What was found, or why there is none. For the operator; names nothing of the host. */
  detail: string;
}

const THIS_HOST: GroupHost = { proc: '/proc', isRoot: process.getuid?.() === 0 };

/**
 * Makes a folder of groups for this service, if the host lets it, and sweeps away those of services that have ended. In
 * version 2 the service and its relatives move into a group of their own beside it. Never throws.
 */
export function findControlGroups(host: GroupHost = THIS_HOST): FoundControlGroups {
  const finding = findGroupPlace(host);
  if (!finding.place) return { groups: null, detail: finding.reason };
  const { place } = finding;
  try {
    if (place.version === 2) handOnControllers(place.memory);
    sweepHomes(place, host);
    return { groups: new ControlGroups(place), detail: `Control groups (version ${place.version}) limit each job.` };
  } catch (error) {
    return { groups: null, detail: `No control group could be made (${codeOf(error)}).` };
  }
}

/** One folder a service, one group in it a sandbox. */
export class ControlGroups {
  private readonly version: 1 | 2;
  private readonly homes: readonly string[];
  private readonly present = new Set<ControlGroup>();
  private made = 0;

  constructor(place: GroupPlace) {
    this.version = place.version;
    const name = `holdpoint-${process.pid}-${randomBytes(4).toString('hex')}`;
    this.homes = foldersOf(place).map((folder) => join(folder, name));
    for (const home of this.homes) mkdirSync(home);
    if (place.version === 2) for (const home of this.homes) enableControllers(home);
  }

  /** An empty group without limits. Throws when the host no longer allows it. */
  create(): ControlGroup {
    this.made += 1;
    const folders = this.homes.map((home) => join(home, String(this.made)));
    for (const folder of folders) mkdirSync(folder);
    const group = new ControlGroup(this.version, folders, () => this.present.delete(group));
    this.present.add(group);
    return group;
  }

  /** Removes every group, which ends what is in one, and the folder. */
  async close(): Promise<void> {
    await Promise.all([...this.present].map((group) => group.remove()));
    for (const home of this.homes) removeFolder(home);
  }
}

/** The group of one sandbox and its one job. */
export class ControlGroup {
  private readonly memory: string;
  private readonly pids: string;
  private removal: Promise<void> | null = null;
  /** What was read last, for when the files are gone. */
  private last = { outOfMemory: false, peakMb: 0 };

  constructor(
    private readonly version: 1 | 2,
    private readonly folders: readonly string[],
    private readonly onRemoved: () => void,
  ) {
    this.memory = folders[0] as string;
    this.pids = folders.at(-1) as string;
  }

  /**
   * Moves processes in, all threads of each. The kernel may take 15 ms for the first after a pause, so this is not for the
   * event loop to wait for. What they hold already stays charged where it was.
   */
  async add(processIds: readonly number[]): Promise<void> {
    for (const folder of this.folders) {
      for (const pid of processIds) await move(pid, folder);
    }
  }

  /** No swap: it would only make a job slow that is about to end. */
  limit({ memoryMb, pids = MOST_PROCESSES }: { memoryMb: number; pids?: number }): void {
    const bytes = String((memoryMb + ROOM_MB) * MEBIBYTE);
    writeFileSync(join(this.memory, this.version === 2 ? 'memory.max' : 'memory.limit_in_bytes'), bytes);
    if (this.version === 2) writeIfThere(join(this.memory, 'memory.swap.max'), '0');
    else writeIfThere(join(this.memory, 'memory.memsw.limit_in_bytes'), bytes);
    writeFileSync(join(this.pids, 'pids.max'), String(pids));
  }

  /** Whether the kernel killed a process of the group for lack of memory. Still told when the group is removed. */
  outOfMemory(): boolean {
    return this.look().outOfMemory;
  }

  /**
   * Most memory charged so far, MiB: pages, files in /tmp and of the cache, kernel memory. Still told when the group is
   * removed. 0 in version 2 before Linux 5.19.
   */
  peakMb(): number {
    return this.look().peakMb;
  }

  /** Kills what is left and removes the group, which the kernel allows once all processes are gone; tries for a second. */
  remove(): Promise<void> {
    this.look();
    this.removal ??= this.tryToRemove();
    return this.removal;
  }

  private look() {
    if (this.removal) return this.last;
    const events = read(join(this.memory, this.version === 2 ? 'memory.events' : 'memory.oom_control'));
    const peak = read(join(this.memory, this.version === 2 ? 'memory.peak' : 'memory.max_usage_in_bytes'));
    const kills = Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0);
    this.last = { outOfMemory: kills > 0, peakMb: Number(peak) / MEBIBYTE };
    return this.last;
  }

  private async tryToRemove(): Promise<void> {
    const deadline = performance.now() + REMOVAL_MS;
    while (!this.folders.map(removeFolder).every(Boolean) && performance.now() < deadline) {
      this.kill();
      await sleep(5);
    }
    this.onRemoved();
  }

  private kill(): void {
    if (this.version === 2 && writeIfThere(join(this.memory, 'cgroup.kill'), '1')) return;
    for (const pid of this.folders.flatMap(processesIn)) end(pid);
  }
}

function foldersOf({ memory, pids }: GroupPlace): string[] {
  return [...new Set([memory, pids])];
}

/** A group that hands controllers on may hold no process. New ones may be born while we move them, hence a few rounds. */
function handOnControllers(base: string): void {
  const service = join(base, SERVICE_GROUP);
  mkdirSync(service, { recursive: true });
  for (let round = 1; ; round++) {
    for (const pid of readProcesses(base)) writeFileSync(join(service, 'cgroup.procs'), String(pid));
    try {
      return enableControllers(base);
    } catch (error) {
      if (codeOf(error) !== 'EBUSY' || round === 5) throw error;
    }
  }
}

function enableControllers(folder: string): void {
  writeFileSync(join(folder, 'cgroup.subtree_control'), '+memory +pids');
}

/** Removes the folders of services that have ended; the kernel keeps those in which a process still is. */
function sweepHomes(place: GroupPlace, { proc }: GroupHost): void {
  for (const folder of foldersOf(place)) {
    const dead = readdirSync(folder).filter((name) => isHomeOfDead(name, proc));
    for (const home of dead.map((name) => join(folder, name))) {
      for (const entry of readdirSync(home, { withFileTypes: true })) {
        if (entry.isDirectory()) removeFolder(join(home, entry.name));
      }
      removeFolder(home);
    }
  }
}

function isHomeOfDead(name: string, proc: string): boolean {
  const pid = HOME.exec(name)?.[1];
  return pid !== undefined && !existsSync(join(proc, pid));
}

function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return codeOf(error) === 'ENOENT';
  }
}

async function move(pid: number, folder: string): Promise<void> {
  try {
    await appendFile(join(folder, 'cgroup.procs'), String(pid));
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error; // It has ended meanwhile: nothing to limit.
  }
}

/** Whether the host has the file: some controllers come without a part of theirs. */
function writeIfThere(file: string, text: string): boolean {
  try {
    writeFileSync(file, text);
    return true;
  } catch {
    return false;
  }
}

function processesIn(folder: string): number[] {
  try {
    return readProcesses(folder).filter((pid) => pid > 0);
  } catch {
    return []; // This half of the group is removed already.
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // It has ended by itself meanwhile.
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
}
