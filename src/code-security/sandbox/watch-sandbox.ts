import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import type { KillReason, SandboxPids } from './sandbox.js';

const INTERVAL_MS = 100;
const MOST_FILES = 4096;
/** Above the limit of the address space inside, which acts first unless it was evaded. */
const SLACK_MB = 16;
/** A job that never showed its memory, or whose main thread ended while others go on, may not stay invisible for longer. */
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
  /** MiB that the job holds, where its memory is not that of the Python process; null when nothing is to be seen. */
  readMb?: () => number | null;
}

/** Looks at a sandbox from outside every 100 ms and asks for its end when it uses more memory or files than it may. */
export function watchSandbox(pids: SandboxPids, limits: WatchLimits, kill: (reason: KillReason) => void): Watch {
  let peak = 0;
  let blindLooks = 0;
  let wasSeen = false;
  const look = () => {
    const memory = limits.readMb ? limits.readMb() : readPeakMb(pids.python);
    const files = limits.countFiles ? countFiles(pids.init) : 0;
    peak = Math.max(peak, memory ?? 0);
    const isSeen = memory !== null && files !== null;
    wasSeen ||= isSeen;
    // One that was seen and shows nothing any more is ending, which takes its time where much has to be freed.
    blindLooks = isSeen || (wasSeen && !goesOnWithoutMainThread(pids.python)) ? 0 : blindLooks + 1;
    if (peak > limits.maxMemoryMb + SLACK_MB) kill('out_of_memory');
    else if (files !== null && files > MOST_FILES) kill('too_many_files');
    else if (blindLooks >= MOST_BLIND_LOOKS) kill('unobservable');
  };
  look();
  const timer = setInterval(look, INTERVAL_MS);
  return { peakMb: () => peak, stop: () => clearInterval(timer) };
}

/** The kernel's own high-water mark, so nothing is missed between two looks. Null when the process shows none. */
export function readPeakMb(pid: number): number | null {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) / 1024;
  } catch {
    return null;
  }
}

/** Each thread shows the memory that all share for as long as it runs itself. */
function goesOnWithoutMainThread(pid: number): boolean {
  try {
    const threads = readdirSync(`/proc/${pid}/task`).map(Number);
    return readPeakMb(pid) === null && threads.some((thread) => readPeakMb(thread) !== null);
  } catch {
    return false; // It is gone.
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
