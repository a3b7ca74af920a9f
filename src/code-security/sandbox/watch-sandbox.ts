import { readFileSync, statfsSync } from 'node:fs';
import type { KillReason, SandboxPids } from './sandbox-process.js';

const INTERVAL_MS = 100;
const MOST_FILES = 4096;
/** Above the limit of the address space inside, which acts first unless it was evaded. */
const SLACK_MB = 16;
/** A job whose main thread ended while others go on shows no memory: it may not stay invisible for longer. */
const MOST_BLIND_LOOKS = 5;

export interface Watch {
  /** Largest resident size seen so far, MiB. */
  peakMb(): number;
  stop(): void;
}

export interface WatchLimits {
  maxMemoryMb: number;
  /** When /tmp itself does not limit their number. */
  countFiles: boolean;
}

/** Looks at a sandbox from outside every 100 ms and asks for its end when it uses more memory or files than it may. */
export function watchSandbox(pids: SandboxPids, limits: WatchLimits, kill: (reason: KillReason) => void): Watch {
  let peak = 0;
  let blindLooks = 0;
  const look = () => {
    const memory = readPeakMb(pids.python);
    const files = limits.countFiles ? countFiles(pids.init) : 0;
    peak = Math.max(peak, memory ?? 0);
    blindLooks = memory === null || files === null ? blindLooks + 1 : 0;
    if (peak > limits.maxMemoryMb + SLACK_MB) kill('out_of_memory');
    else if (files !== null && files > MOST_FILES) kill('too_many_files');
    else if (blindLooks >= MOST_BLIND_LOOKS) kill('unobservable');
  };
  look();
  const timer = setInterval(look, INTERVAL_MS);
  return { peakMb: () => peak, stop: () => clearInterval(timer) };
}

/** The kernel's own high-water mark, so nothing is missed between two looks. Null when the process shows none. */
function readPeakMb(pid: number): number | null {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) / 1024;
  } catch {
    return null;
  }
}

/** Through the sandbox's first process, which runs no foreign code and lives as long as its /tmp. */
function countFiles(initPid: number): number | null {
  try {
    const { files, ffree } = statfsSync(`/proc/${initPid}/root/tmp`);
    return files - ffree;
  } catch {
    return null;
  }
}
