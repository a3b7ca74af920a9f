import { readdirSync, readFileSync } from 'node:fs';
import { OuterProcess, type OuterCommand } from './outer-process.js';
import { CHANNELS } from './bubblewrap-arguments.js';
import { captureOutput, type CapturedOutput } from './capture-output.js';
import { encodeFrame, readFrames, type FrameReader } from './read-frames.js';
import { START_UP_MS, type KillReason, type Sandbox, type SandboxExit, type SandboxFacts } from './sandbox.js';
import { SandboxUnavailableError } from './sandbox-driver.js';

export interface SandboxCommand extends OuterCommand {
  /** Where frames come from when not from the channel of their own. Each channel is a socket, which goes both ways. */
  resultChannel?: number;
}

/** One sandbox: bubblewrap, its namespaces and the Python in them, from start to the end of its single job. */
export class SandboxProcess implements Sandbox {
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
  readonly ready: Promise<SandboxFacts>;
  readonly exited: Promise<SandboxExit>;
  private readonly process: OuterProcess;
  private readonly frames: FrameReader;
  private reason: KillReason | null = null;

  constructor(command: SandboxCommand) {
    this.process = new OuterProcess(command);
    this.exited = this.process.closed;
    this.stdout = captureOutput(this.process.channel(CHANNELS.stdout));
    this.stderr = captureOutput(this.process.channel(CHANNELS.stderr));
    this.frames = readFrames(this.process.channel(command.resultChannel ?? CHANNELS.result), () =>
      this.kill('flooded'),
    );
    this.process.channel(CHANNELS.job).on('error', () => {});
    this.process.onExit(() => {
      this.stdout.drain();
      this.stderr.drain();
    });
    this.ready = this.getReady();
    this.ready.catch(() => {}); // Whoever waits for it hears it all the same.
  }

  get killedFor(): KillReason | null {
    return this.reason;
  }

  sendJob(job: unknown): void {
    this.process.channel(CHANNELS.job).end(encodeFrame(job));
  }

  resultFrame(): Buffer | null {
    return this.frames.last();
  }

  kill(reason: KillReason): void {
    this.reason ??= reason;
    this.process.channel(CHANNELS.job).destroy();
    this.process.kill();
  }

  /** Python is inside, confined and without capabilities; from then on every process dies with its parent. */
  private async getReady(): Promise<SandboxFacts> {
    const tooLate = setTimeout(() => {
      this.reason ??= 'timed_out';
      this.process.killBlindly();
    }, START_UP_MS);
    try {
      const [frame, init] = await Promise.all([this.frames.first, this.process.init]);
      if (!frame || init === null) throw await this.describeFailedStart();
      const { limits_files: limitsFiles } = JSON.parse(frame.toString()) as { limits_files: boolean };
      return { init, python: this.process.isWrapped ? findChild(init) : init, limitsFiles };
    } catch (cause) {
      this.kill('unobservable');
      if (cause instanceof SandboxUnavailableError) throw cause;
      throw new SandboxUnavailableError('A sandbox started in an unexpected way.', { cause });
    } finally {
      clearTimeout(tooLate);
    }
  }

  private async describeFailedStart(): Promise<SandboxUnavailableError> {
    const { code, signal } = await this.exited;
    const { startError } = this.process;
    const said = this.stderr.text().trim().slice(0, 1000);
    const late = this.reason === 'timed_out' ? `not ready after ${START_UP_MS / 1000} s` : `exit ${signal ?? code}`;
    const why = startError?.message ?? (said || late);
    return new SandboxUnavailableError(`No sandbox could be started: ${why}`, { cause: startError });
  }
}

function findChild(parent: number): number {
  const [child] = childrenOf(parent);
  if (child === undefined) throw new Error(`Process ${parent} has no child.`);
  return child;
}

/** /proc/…/children needs a kernel option, so there is a slower way. */
export function childrenOf(parent: number): number[] {
  return readChildren(parent) ?? scanForChildren(parent);
}

/** Each thread lists its own. */
function readChildren(parent: number): number[] | null {
  try {
    const threads = readdirSync(`/proc/${parent}/task`);
    const texts = threads.map((thread) => readFileSync(`/proc/${parent}/task/${thread}/children`, 'utf8'));
    return texts.join('').split(' ').filter(Boolean).map(Number);
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
