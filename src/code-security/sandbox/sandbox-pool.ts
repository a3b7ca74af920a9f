import { readFileSync, writeFileSync } from 'node:fs';
import type { ControlGroup, ControlGroups } from './control-groups.js';
import { SandboxUnavailableError } from './sandbox-driver.js';
import type { Sandbox, SandboxFacts } from './sandbox.js';

export interface ReadySandbox {
  sandbox: Sandbox;
  facts: SandboxFacts;
  /** Null where there are none. It is removed when the sandbox has ended. */
  group: ControlGroup | null;
}

/** After a start that failed nothing is refilled for so long, doubled with each further failure. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/**
 * So long a job has the machine to itself before the sandbox it took is replaced: starting one would slow it down, and
 * what is done with its result.
 */
const HEAD_START_MS = 30;

/**
 * Keeps sandboxes of one kind that are ready and have had no job. One serves a single job and is never put back after
 * that; what was taken is replaced in the background. When none is ready, a taker waits for one that is just starting.
 */
export class SandboxPool {
  private readonly idle: ReadySandbox[] = [];
  /** Starting for nobody yet; a taker claims the oldest. */
  private readonly starting: Promise<ReadySandbox>[] = [];
  private readonly alive = new Set<Sandbox>();
  private size = 0;
  private failures = 0;
  private refill: NodeJS.Timeout | NodeJS.Immediate | null = null;
  private closed = false;

  constructor(
    private readonly start: () => Promise<Sandbox> | Sandbox,
    private readonly controlGroups: () => ControlGroups | null = () => null,
  ) {}

  /** From now on so many are kept ready. */
  keep(size: number): void {
    this.size = size;
    this.refillSoon();
  }

  get ready(): number {
    return this.idle.length;
  }

  /** Throws SandboxUnavailableError. */
  async take(): Promise<ReadySandbox> {
    const ready = this.takeIdle() ?? (await this.takeStarting()) ?? (await this.startOne());
    const isLast = this.idle.length === 0;
    void Promise.race([headStart(), ...(isLast ? [ready.sandbox.exited] : [])]).then(() => this.refillSoon());
    return ready;
  }

  /** Takes back one that was given no job. */
  giveBack(unused: ReadySandbox): void {
    if (this.closed || this.idle.length >= this.size) return unused.sandbox.kill('cancelled');
    this.keepReady(unused);
  }

  /** Kills all, those with a job too; settles when they are gone. */
  async close(): Promise<void> {
    this.closed = true;
    for (const sandbox of this.alive) sandbox.kill('cancelled');
    while (this.alive.size > 0) await Promise.all([...this.alive].map(({ exited }) => exited));
  }

  /** One may have been killed a moment ago, and its end not been told yet. */
  private takeIdle(): ReadySandbox | undefined {
    let ready = this.idle.shift();
    while (ready && !isAlive(ready.facts.python)) ready = this.idle.shift();
    return ready;
  }

  /** One that ended in its start, with its zygote perhaps, had no job: the taker gets one of its own. */
  private async takeStarting(): Promise<ReadySandbox | undefined> {
    const ready = await this.starting.shift()?.catch(() => undefined);
    return ready && isAlive(ready.facts.python) ? ready : undefined;
  }

  private async startOne(): Promise<ReadySandbox> {
    const sandbox = await this.start();
    this.alive.add(sandbox);
    void sandbox.exited.then(() => this.alive.delete(sandbox));
    if (this.closed) sandbox.kill('cancelled');
    const facts = await sandbox.ready;
    preferAsVictim(facts.python);
    const group = await this.enclose(sandbox, facts);
    this.failures = 0;
    return { sandbox, facts, group };
  }

  /** A host that had control groups and refuses one now gets no sandbox: it would be limited less than is said. */
  private async enclose(sandbox: Sandbox, { init, python }: SandboxFacts): Promise<ControlGroup | null> {
    const groups = this.controlGroups();
    if (!groups) return null;
    try {
      const group = groups.create();
      void sandbox.exited.then(() => group.remove());
      await group.add([init, python]);
      return group;
    } catch (cause) {
      sandbox.kill('unobservable');
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new SandboxUnavailableError(`A sandbox could not be given a control group: ${why}`, { cause });
    }
  }

  private refillSoon(): void {
    if (this.refill || this.closed) return;
    const refill = () => {
      this.refill = null;
      while (!this.closed && this.idle.length + this.starting.length < this.size) this.startAhead();
    };
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.failures - 1));
    this.refill = this.failures > 0 ? setTimeout(refill, pause).unref() : setImmediate(refill);
  }

  private startAhead(): void {
    const start = this.startOne();
    this.starting.push(start);
    start.then(
      (ready) => {
        if (this.unclaim(start)) this.keepReady(ready);
      },
      () => {
        this.unclaim(start);
        this.failures += 1;
        this.refillSoon();
      },
    );
  }

  /** Whether it was still starting for nobody. */
  private unclaim(start: Promise<ReadySandbox>): boolean {
    const index = this.starting.indexOf(start);
    if (index !== -1) void this.starting.splice(index, 1);
    return index !== -1;
  }

  /** One that ends by itself, or by the host's shortage of memory, is replaced. */
  private keepReady(ready: ReadySandbox): void {
    this.idle.push(ready);
    void ready.sandbox.exited.then(() => {
      const index = this.idle.indexOf(ready);
      if (index === -1) return;
      this.idle.splice(index, 1);
      this.failures += 1;
      this.refillSoon();
    });
  }
}

function headStart(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, HEAD_START_MS).unref());
}

function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
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
