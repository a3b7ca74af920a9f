import { readdirSync, readFileSync } from 'node:fs';
import { SANDBOX_HOSTNAME } from './bubblewrap-arguments.js';

/**
 * Ends what a killed service may have left of sandboxes that were just starting, and says how many. bubblewrap 0.8 dies
 * with the service, but a child it made less than a millisecond before waits for it for ever. Such a child never had a
 * job: it is known by its arguments, by being the first process of a pid namespace, and by a parent that is not bubblewrap.
 * Only the first: a bubblewrap whose service runs in a container is in a pid namespace too, and its parent is that service.
 */
export function sweepOrphans(): number {
  const orphans = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isSandbox(pid) && isOrphaned(readStatus(pid)));
  return orphans.filter(end).length;
}

function isOrphaned(status: string): boolean {
  const parent = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]);
  return isFirstOfItsNamespace(status) && !isSandbox(parent);
}

/** The numbers of a process in its pid namespaces, from ours to its own. */
function isFirstOfItsNamespace(status: string): boolean {
  const numbers = /^NSpid:\t(.*)$/m.exec(status)?.[1]?.split('\t') ?? [];
  return numbers.length > 1 && numbers.at(-1) === '1';
}

function isSandbox(pid: number): boolean {
  return read(`/proc/${pid}/cmdline`).includes(`\0--hostname\0${SANDBOX_HOSTNAME}\0`);
}

function readStatus(pid: number): string {
  return read(`/proc/${pid}/status`);
}

/** Empty for a process that has ended or is none of our business. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function end(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false; // Another service's, run as another user.
  }
}
