import { readdirSync, readFileSync } from 'node:fs';

/** Every process below `ancestor`, zombies left out: init may reap them late. */
export function descendantsOf(ancestor: number): number[] {
  const parents = new Map(livingProcesses().map(({ pid, parent }) => [pid, parent]));
  const isBelow = (pid: number | undefined): boolean =>
    pid !== undefined && (parents.get(pid) === ancestor || isBelow(parents.get(pid)));
  return [...parents.keys()].filter(isBelow);
}

export function areGone(pids: readonly number[]): boolean {
  const living = new Set(livingProcesses().map(({ pid }) => pid));
  return pids.every((pid) => !living.has(pid));
}

function livingProcesses(): { pid: number; parent: number }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [state, parent] = readFileSync(`/proc/${name}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
        return state === 'Z' ? [] : [{ pid: Number(name), parent: Number(parent) }];
      } catch {
        return []; // It ended between the listing and the look.
      }
    });
}
