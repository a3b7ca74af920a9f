import type { CapturedOutput } from './capture-output.js';

/** Process ids on the host. */
export interface SandboxPids {
  /** The first process of the sandbox's pid namespace: the kernel ends all others with it. */
  init: number;
  python: number;
}

export interface SandboxFacts extends SandboxPids {
  /** Whether its /tmp refuses the 4,097th file by itself. */
  limitsFiles: boolean;
}

/** With the code's status, or 128 + the number of the signal that ended the code. */
export interface SandboxExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export type KillReason = 'timed_out' | 'cancelled' | 'out_of_memory' | 'too_many_files' | 'unobservable' | 'flooded';

/**
 * A sandbox for one job, in namespaces of its own: a bubblewrap process, or a child of a zygote. Nothing foreign is
 * inside before `sendJob`, which is called once, after `ready` has told that Python is confined.
 */
export interface Sandbox {
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
  /** Rejects with SandboxUnavailableError, and what was said, when it is not ready within 10 s. */
  readonly ready: Promise<SandboxFacts>;
  /** Settles when every process is gone and every channel is read to its end. Never rejects. */
  readonly exited: Promise<SandboxExit>;
  /** Why it was killed by us, or null. The first reason stays. */
  readonly killedFor: KillReason | null;
  sendJob(job: unknown): void;
  /** The frame that the job left, if it left exactly one. Known once `exited`. */
  resultFrame(): Buffer | null;
  kill(reason: KillReason): void;
}

/** Longer than this no sandbox takes to get ready, or something is wrong. */
export const START_UP_MS = 10_000;
