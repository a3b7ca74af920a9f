import { spawn, type ChildProcess } from 'node:child_process';
import { getDefaultHighWaterMark, setDefaultHighWaterMark, type Duplex } from 'node:stream';
import { CHANNELS } from './bubblewrap-arguments.js';
import type { UnprivilegedUser } from './find-installation.js';
import type { SandboxExit } from './sandbox.js';

export interface OuterCommand {
  program: string;
  arguments: readonly string[];
  user: UnprivilegedUser | undefined;
  /** What bubblewrap reads from a descriptor of its own. Null: the program is Python itself, without bubblewrap. */
  setup: Buffer | null;
  /** Descriptors after the common channels: 'pipe', or one of ours. */
  more?: readonly ('pipe' | number)[];
}

/** bubblewrap with the namespaces that it makes, or a bare Python: started, and ended without leaving anything. */
export class OuterProcess {
  /** Settles when it is gone and every pipe is read to its end. Never rejects. */
  readonly closed: Promise<SandboxExit>;
  /** The first process of the new pid namespace; null when bubblewrap ended without having made one. Else Python. */
  readonly init: Promise<number | null>;
  /** Why the program could not even be started. */
  startError: Error | null = null;
  readonly isWrapped: boolean;
  private readonly child: ChildProcess;
  private initPid: number | null = null;
  private over = false;
  private doomed = false;

  constructor(command: OuterCommand) {
    this.isWrapped = command.setup !== null;
    this.child = withoutReadingAhead(() => start(command));
    this.closed = this.waitForEnd();
    this.init = this.learnInit();
    this.channel(CHANNELS.setup).on('error', () => {});
    this.channel(CHANNELS.setup).end(command.setup);
  }

  /** The pipe that is this descriptor on the other side. Each is a UNIX socket, so it goes both ways. */
  channel(descriptor: number): Duplex {
    return this.child.stdio[descriptor] as Duplex;
  }

  onExit(listener: () => void): void {
    this.child.once('exit', listener);
    this.child.once('error', listener);
  }

  /**
   * Waits for the sandbox's first process to be known, a few milliseconds at most: bubblewrap killed before that would
   * leave a child that waits for it for ever.
   */
  kill(): void {
    if (this.over) return;
    this.doomed = true;
    if (this.initPid === null) return;
    // With the first process of its pid namespace go all others; without one, all that stayed in its process group.
    killProcess(this.isWrapped ? this.initPid : -this.initPid);
    this.child.kill('SIGKILL');
  }

  /** For one that did not even come to make its namespaces. */
  killBlindly(): void {
    this.kill();
    this.child.kill('SIGKILL');
  }

  private async learnInit(): Promise<number | null> {
    if (!this.isWrapped) return (this.initPid = this.child.pid ?? null);
    const info = await readObject(this.channel(CHANNELS.info));
    this.initPid = Number(/"child-pid": (\d+)/.exec(info)?.[1] ?? 0) || null;
    if (this.doomed) this.kill();
    return this.initPid;
  }

  private waitForEnd(): Promise<SandboxExit> {
    const { promise, resolve } = Promise.withResolvers<SandboxExit>();
    this.child.on('error', (error) => {
      this.startError = error;
      this.over = true;
      resolve({ code: null, signal: null });
    });
    this.child.on('exit', () => {
      if (!this.isWrapped) this.kill();
      this.over = true;
    });
    this.child.on('close', (code, signal) => resolve({ code, signal }));
    return promise;
  }
}

function start({ program, arguments: args, user, more = [] }: OuterCommand): ChildProcess {
  // Its own process group: a Ctrl-C meant for the service must not kill jobs that may still finish.
  const child = spawn(program, args, {
    ...user,
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', ...more],
  });
  if (child.stdio as unknown) return child;
  child.on('error', () => {}); // It would come later, without a listener end the service, and say no more than this:
  throw new Error('the service has no descriptors left (ulimit -n).');
}

/** Pipes that stop reading where they are paused: usually they would go on for 64 KiB, and these may come byte by byte. */
function withoutReadingAhead<T>(make: () => T): T {
  const usual = getDefaultHighWaterMark(false);
  setDefaultHighWaterMark(false, 1);
  try {
    return make();
  } finally {
    setDefaultHighWaterMark(false, usual);
  }
}

/** The text up to the end of a JSON object without objects in it, or all there is. */
async function readObject(stream: Duplex): Promise<string> {
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

export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // It has ended by itself meanwhile.
  }
}
