import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { CHANNELS } from './bubblewrap-arguments.js';
import { captureOutput, type CapturedOutput } from './capture-output.js';
import type { UnprivilegedUser } from './find-installation.js';
import { encodeFrame, readFrames, type FrameReader } from './read-frames.js';
import { SandboxUnavailableError } from './sandbox-driver.js';

export interface SandboxCommand {
  bwrap: string;
  arguments: readonly string[];
  user: UnprivilegedUser | undefined;
  filter: Buffer;
}

/** Process ids on the host. */
export interface SandboxPids {
  /** The first process of the sandbox's pid namespace: the kernel ends all others with it. */
  init: number;
  python: number;
}

export interface ReadySandbox extends SandboxPids {
  /** Whether its /tmp refuses the 4,097th file by itself. */
  limitsFiles: boolean;
}

/** How bubblewrap ended: with the code's status, or 128 + the number of the signal that ended the code. */
export interface SandboxExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export type KillReason = 'timed_out' | 'cancelled' | 'out_of_memory' | 'too_many_files' | 'unobservable' | 'flooded';

const START_UP_MS = 10_000;

/** One sandbox: bubblewrap, its namespaces and the Python in them, from start to the end of its single job. */
export class SandboxProcess {
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
  /** Settles when every process is gone and every channel is read to its end. Never rejects. */
  readonly exited: Promise<SandboxExit>;
  private readonly child: ChildProcess;
  private readonly frames: FrameReader;
  /** Null when bubblewrap ended without having made a sandbox. */
  private readonly init: Promise<number | null>;
  private initPid: number | null = null;
  private over = false;
  private startError: Error | null = null;
  private reason: KillReason | null = null;

  constructor(command: SandboxCommand) {
    // Its own process group: a Ctrl-C meant for the service must not kill jobs that may still finish.
    this.child = spawn(command.bwrap, command.arguments, {
      ...command.user,
      cwd: '/',
      env: {},
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
    });
    this.exited = this.waitForEnd();
    this.stdout = captureOutput(this.readable(CHANNELS.stdout));
    this.stderr = captureOutput(this.readable(CHANNELS.stderr));
    this.frames = readFrames(this.readable(CHANNELS.result), () => this.kill('flooded'));
    this.init = this.learnInit();
    this.writable(CHANNELS.job).on('error', () => {});
    this.writable(CHANNELS.filter).on('error', () => {});
    this.writable(CHANNELS.filter).end(command.filter);
  }

  /** Why it was killed by us, or null. The first reason stays. */
  get killedFor(): KillReason | null {
    return this.reason;
  }

  /**
   * Waits until Python is inside, confined and without capabilities. From then on every process dies with its parent.
   * Throws SandboxUnavailableError, with what bubblewrap said, when that does not happen within 10 s.
   */
  async waitUntilReady(): Promise<ReadySandbox> {
    const tooLate = setTimeout(() => {
      this.kill('timed_out');
      this.child.kill('SIGKILL');
    }, START_UP_MS);
    try {
      const [frame, init] = await Promise.all([this.frames.first, this.init]);
      if (!frame || init === null) throw await this.describeFailedStart();
      const { counts_files: limitsFiles } = JSON.parse(frame.toString()) as { counts_files: boolean };
      return { init, python: findChild(init), limitsFiles };
    } catch (cause) {
      this.kill('unobservable');
      if (cause instanceof SandboxUnavailableError) throw cause;
      throw new SandboxUnavailableError('A sandbox started in an unexpected way.', { cause });
    } finally {
      clearTimeout(tooLate);
    }
  }

  sendJob(job: unknown): void {
    this.writable(CHANNELS.job).end(encodeFrame(job));
  }

  /** The frame that the job left, if it left exactly one. Known once `exited`. */
  resultFrame(): Buffer | null {
    return this.frames.last();
  }

  /**
   * Waits for the sandbox's first process to be known, a few milliseconds at most: bubblewrap killed before that would
   * leave a child that waits for it for ever.
   */
  kill(reason: KillReason): void {
    if (this.over) return;
    this.reason ??= reason;
    this.writable(CHANNELS.job).destroy();
    if (this.initPid === null) return;
    killProcess(this.initPid);
    this.child.kill('SIGKILL');
  }

  private async learnInit(): Promise<number | null> {
    const info = await readObject(this.readable(CHANNELS.info));
    this.initPid = Number(/"child-pid": (\d+)/.exec(info)?.[1] ?? 0) || null;
    if (this.reason) this.kill(this.reason);
    return this.initPid;
  }

  private async waitForEnd(): Promise<SandboxExit> {
    const { promise, resolve } = Promise.withResolvers<SandboxExit>();
    this.child.on('error', (error) => {
      this.startError = error;
      this.over = true;
      resolve({ code: null, signal: null });
    });
    this.child.on('exit', () => {
      this.stdout.drain();
      this.stderr.drain();
    });
    this.child.on('close', (code, signal) => {
      this.over = true;
      resolve({ code, signal });
    });
    return promise;
  }

  private async describeFailedStart(): Promise<SandboxUnavailableError> {
    const { code, signal } = await this.exited;
    const said = this.stderr.text().trim().slice(0, 1000);
    const why =
      this.startError?.message ??
      (said || (this.reason === 'timed_out' ? `not ready after ${START_UP_MS / 1000} s` : `exit ${signal ?? code}`));
    return new SandboxUnavailableError(`No sandbox could be started: ${why}`, { cause: this.startError });
  }

  private readable(channel: number): Readable {
    return this.child.stdio[channel] as Readable;
  }

  private writable(channel: number): Writable {
    return this.child.stdio[channel] as Writable;
  }
}

/** The text up to the end of a JSON object without objects in it, or all there is. */
async function readObject(stream: Readable): Promise<string> {
  let text = '';
  stream.setEncoding('utf8');
  const { promise, resolve } = Promise.withResolvers<string>();
  stream.on('data', (chunk: string) => {
    text += chunk;
    if (text.includes('}')) resolve(text);
  });
  stream.on('error', () => stream.destroy());
  stream.on('close', () => resolve(text));
  return promise;
}

/** The only child of a process. /proc/…/children needs a kernel option, so there is a slower way. */
function findChild(parent: number): number {
  const listed = readChildren(parent) ?? scanForChildren(parent);
  const [child] = listed;
  if (child === undefined) throw new Error(`Process ${parent} has no child.`);
  return child;
}

function readChildren(parent: number): number[] | null {
  try {
    const text = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8');
    return text.trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return null;
  }
}

function scanForChildren(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent);
}

function parentOf(pid: number): number | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]);
  } catch {
    return null;
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // It has ended by itself meanwhile.
  }
}

/** The first to go when the host runs out of memory. Raising one's own score needs no right. */
export function preferAsVictim(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch {
    return; // A host without the file loses a preference, not a limit.
  }
}
