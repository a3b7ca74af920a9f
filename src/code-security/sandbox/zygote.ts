import { closeSync, openSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { CHANNELS } from './bubblewrap-arguments.js';
import { killProcess, OuterProcess, type OuterCommand } from './outer-process.js';
import { captureOutput, type CapturedOutput } from './capture-output.js';
import { encodeFrame, readFrames, takeFrames, type FrameReader } from './read-frames.js';
import { START_UP_MS, type KillReason, type Sandbox, type SandboxExit, type SandboxFacts } from './sandbox.js';
import { SandboxUnavailableError } from './sandbox-driver.js';

/** Children that a zygote makes before another takes its place. Each needs three pipes, made with the zygote. */
export const CHILDREN_OF_ZYGOTE = 64;
const FIRST_SLOT = 8;
const CHANNELS_OF_SLOT = 3;

export interface ZygotePlan {
  clone: number;
  confine: { syscall: number; program: string };
}

/** What a zygote tells: that it is ready, and how a child ended. Nothing of it comes from a job. */
type News = { ready: true } | { ended: number; code: number };

/** A fork server in a sandbox of its own: see python/zygote.py. It is used up after CHILDREN_OF_ZYGOTE children. */
export class Zygote {
  readonly ready: Promise<void>;
  readonly closed: Promise<SandboxExit>;
  private readonly process: OuterProcess;
  private readonly children = new Map<number, ZygoteChild>();
  private readonly stderr: CapturedOutput;
  private made = 0;
  private isUsedUp = false;

  constructor(command: OuterCommand, plan: ZygotePlan) {
    const proc = openSync('/proc', 'r');
    const slots = Array.from({ length: CHILDREN_OF_ZYGOTE * CHANNELS_OF_SLOT }, () => 'pipe' as const);
    try {
      this.process = new OuterProcess({ ...command, more: [proc, ...slots] });
    } finally {
      closeSync(proc);
    }
    this.closed = this.process.closed;
    this.stderr = captureOutput(this.process.channel(CHANNELS.stderr));
    this.process.channel(CHANNELS.stdout).resume();
    this.control.on('error', () => {});
    this.control.write(encodeFrame({ slots: CHILDREN_OF_ZYGOTE, ...plan }));
    this.process.onExit(() => this.end());
    this.ready = this.getReady();
    this.ready.catch(() => {}); // Whoever waits for it hears it all the same.
  }

  /** How many more children it can have. */
  get left(): number {
    return this.isUsedUp ? 0 : CHILDREN_OF_ZYGOTE - this.made;
  }

  fork(): Sandbox {
    const slot = this.made++;
    const child = new ZygoteChild(this.channelsOf(slot));
    this.children.set(slot, child);
    this.control.write(Buffer.from([slot]));
    // One that fails to start may hang: it ends with the zygote, which ends with the others.
    child.ready.catch(() => {
      this.isUsedUp = true;
      child.end({ code: null, signal: 'SIGKILL' });
      this.forget(slot);
    });
    void child.exited.then(() => this.forget(slot));
    return child;
  }

  kill(): void {
    this.process.kill();
  }

  private forget(slot: number): void {
    this.children.delete(slot);
    if (this.left === 0 && this.children.size === 0) this.kill();
  }

  private get control(): Duplex {
    return this.process.channel(CHANNELS.job);
  }

  private channelsOf(slot: number): Duplex[] {
    const first = FIRST_SLOT + slot * CHANNELS_OF_SLOT;
    return [0, 1, 2].map((offset) => this.process.channel(first + offset));
  }

  private async getReady(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    takeFrames(this.process.channel(CHANNELS.result), (frame) => {
      const news = JSON.parse(frame.toString()) as News;
      if ('ready' in news) resolve(true);
      else this.children.get(news.ended)?.end({ code: news.code, signal: null });
    });
    this.process.onExit(() => resolve(false));
    const tooLate = setTimeout(() => this.process.killBlindly(), START_UP_MS);
    const isReady = await promise;
    clearTimeout(tooLate);
    if (isReady) return;
    const said = this.stderr.text().trim().slice(0, 1000);
    const why = this.process.startError?.message ?? (said || 'it was not ready in time');
    throw new SandboxUnavailableError(`No zygote could be started: ${why}`, { cause: this.process.startError });
  }

  /** With it all its children ended, and their pipes, used or not, have no other side. */
  private end(): void {
    this.isUsedUp = true;
    for (const child of this.children.values()) child.end({ code: null, signal: 'SIGKILL' });
    for (let slot = this.made; slot < CHILDREN_OF_ZYGOTE; slot++)
      this.channelsOf(slot).forEach((pipe) => pipe.destroy());
  }
}

/** A sandbox forked from a zygote: the same channels, in namespaces as new as those of one that bubblewrap made. */
class ZygoteChild implements Sandbox {
  readonly stdout: CapturedOutput;
  readonly stderr: CapturedOutput;
  readonly ready: Promise<SandboxFacts>;
  readonly exited: Promise<SandboxExit>;
  private readonly channel: Duplex;
  private readonly frames: FrameReader;
  private readonly ended = Promise.withResolvers<SandboxExit>();
  private init: number | null = null;
  private isOver = false;
  private reason: KillReason | null = null;

  constructor([stdout, stderr, channel]: Duplex[]) {
    if (!stdout || !stderr || !channel) throw new Error('A slot has three channels.');
    this.channel = channel;
    this.stdout = captureOutput(stdout);
    this.stderr = captureOutput(stderr);
    this.frames = readFrames(channel, () => this.kill('flooded'));
    this.exited = this.waitForEnd([stdout, stderr, channel]);
    this.ready = this.getReady();
    this.ready.catch(() => {}); // Whoever waits for it hears it all the same.
  }

  get killedFor(): KillReason | null {
    return this.reason;
  }

  sendJob(job: unknown): void {
    this.channel.end(encodeFrame(job));
  }

  resultFrame(): Buffer | null {
    return this.frames.last();
  }

  kill(reason: KillReason): void {
    if (this.isOver) return;
    this.reason ??= reason;
    if (this.init !== null) killProcess(this.init);
  }

  /** The zygote says so, which has waited for its process. */
  end(exit: SandboxExit): void {
    this.isOver = true;
    this.stdout.drain();
    this.stderr.drain();
    this.ended.resolve(exit);
  }

  private async waitForEnd(pipes: Duplex[]): Promise<SandboxExit> {
    const closings = pipes.map((pipe) => new Promise((resolve) => pipe.once('close', resolve)));
    const exit = await this.ended.promise;
    this.channel.end(); // It is a whole pipe, and closes when both directions have.
    await Promise.all(closings);
    return exit;
  }

  private async getReady(): Promise<SandboxFacts> {
    const late = setTimeout(() => this.end({ code: null, signal: 'SIGKILL' }), START_UP_MS);
    const frame = await Promise.race([this.frames.first, this.ended.promise.then(() => null)]);
    clearTimeout(late);
    if (!frame) {
      const said = this.stderr.text().trim().slice(0, 1000);
      throw new SandboxUnavailableError(`No sandbox could be forked: ${said || 'it was not ready in time'}`);
    }
    const facts = JSON.parse(frame.toString()) as { init: number; python: number; limits_files: boolean };
    this.init = facts.init;
    if (this.reason) killProcess(this.init);
    return { init: facts.init, python: facts.python, limitsFiles: facts.limits_files };
  }
}

/** Zygotes one after another: the next is started before the present one is used up. */
export class ZygoteLine {
  private present: Promise<Zygote> | null = null;
  private next: Promise<Zygote> | null = null;
  private readonly alive = new Set<Zygote>();

  constructor(private readonly start: () => Promise<Zygote>) {}

  /** Throws SandboxUnavailableError. */
  async fork(): Promise<Sandbox> {
    for (;;) {
      this.present ??= this.next ?? this.startOne();
      const mine = this.present;
      const zygote = await mine.catch((error: unknown) => {
        if (this.present === mine) this.present = null;
        throw error;
      });
      if (zygote.left > 0) {
        const child = zygote.fork();
        if (zygote.left <= CHILDREN_OF_ZYGOTE / 4) this.startNext();
        return child;
      }
      if (this.present === mine) [this.present, this.next] = [this.next, null];
    }
  }

  async close(): Promise<void> {
    for (const zygote of this.alive) zygote.kill();
    await Promise.all([...this.alive].map(({ closed }) => closed));
  }

  private startNext(): void {
    if (this.next) return;
    const next = this.startOne();
    this.next = next;
    next.catch(() => {
      if (this.next === next) this.next = null;
    });
  }

  private async startOne(): Promise<Zygote> {
    const zygote = await this.start();
    this.alive.add(zygote);
    void zygote.closed.then(() => this.alive.delete(zygote));
    await zygote.ready;
    return zygote;
  }
}
