import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ServiceWithJob } from './run-forever.fixture.js';

/** Finds the files below src although imports name what they compile to. */
const RESOLVE_SOURCES = `data:text/javascript,
  import { registerHooks } from 'node:module';
  const source = (name) => name.startsWith('.') ? name.replace(/[.]js$/, '.ts') : name;
  registerHooks({ resolve: (name, context, next) => next(source(name), context) });`;

/** A service of its own, to be killed, with one job that never ends; of bubblewrap two more sandboxes wait. */
export function startServiceWithJob(driver: ServiceWithJob): ChildProcess {
  const script = fileURLToPath(new URL('./run-forever.fixture.ts', import.meta.url));
  const options = ['--experimental-transform-types', '--no-warnings', '--import', RESOLVE_SOURCES];
  return spawn(process.execPath, [...options, script, driver], { stdio: ['ignore', 'inherit', 'inherit'] });
}

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
