import { jest } from '@jest/globals';
import { SandboxPool } from './sandbox-pool.js';
import { SandboxUnavailableError } from './sandbox-driver.js';
import type { Sandbox, SandboxExit, SandboxFacts } from './sandbox.js';

/** Stands for a sandbox: gets ready, and ends, when the test says so. */
class Puppet {
  readonly readiness = Promise.withResolvers<SandboxFacts>();
  readonly end = Promise.withResolvers<SandboxExit>();
  readonly ready = this.readiness.promise;
  readonly exited = this.end.promise;
  killedFor: Sandbox['killedFor'] = null;
  /** Somebody who lives. */
  pid = process.pid;

  kill(reason: NonNullable<Sandbox['killedFor']>): void {
    this.killedFor = reason;
    this.readiness.reject(new SandboxUnavailableError('killed'));
    this.end.resolve({ code: null, signal: 'SIGKILL' });
  }

  getReady(): void {
    this.readiness.resolve({ init: this.pid, python: this.pid, limitsFiles: true });
  }
}

function stage() {
  const puppets: Puppet[] = [];
  const pool = new SandboxPool(() => {
    const puppet = new Puppet();
    puppet.ready.catch(() => {});
    puppets.push(puppet);
    return puppet as unknown as Sandbox;
  });
  const nth = (index: number) => puppets[index] as Puppet;
  return { pool, puppets, nth };
}

/** Longer than a job has before its sandbox is replaced, and shorter than any pause. */
const settle = async () => {
  await jest.advanceTimersByTimeAsync(30);
  await jest.advanceTimersByTimeAsync(1);
};

describe('SandboxPool', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('starts nothing before somebody asks, and then one for each taker', async () => {
    const { pool, puppets, nth } = stage();
    await settle();
    expect(puppets).toHaveLength(0);
    const taken = pool.take();
    await settle();
    nth(0).getReady();
    expect((await taken).sandbox).toBe(nth(0));
    await settle();
    expect(puppets).toHaveLength(1);
  });

  it('keeps as many ready as it is told, and replaces what was taken; none is handed out twice', async () => {
    const { pool, puppets, nth } = stage();
    pool.keep(2);
    await settle();
    expect(puppets).toHaveLength(2);
    puppets.forEach((puppet) => puppet.getReady());
    await settle();
    expect(pool.ready).toBe(2);
    const taken = await Promise.all([pool.take(), pool.take()]);
    await settle();
    expect(puppets).toHaveLength(4);
    nth(2).getReady();
    nth(3).getReady();
    await settle();
    taken.push(await pool.take());
    expect(new Set(taken.map(({ sandbox }) => sandbox)).size).toBe(3);
  });

  it('replaces what was taken when its job has had its head start, the last one also when it has ended', async () => {
    const { pool, puppets, nth } = stage();
    pool.keep(2);
    await settle();
    puppets.forEach((puppet) => puppet.getReady());
    await settle();
    await pool.take();
    await jest.advanceTimersByTimeAsync(29);
    expect(puppets).toHaveLength(2);
    await jest.advanceTimersByTimeAsync(2);
    expect(puppets).toHaveLength(3);
    await pool.take();
    nth(1).end.resolve({ code: 0, signal: null });
    await jest.advanceTimersByTimeAsync(1);
    expect(puppets).toHaveLength(4);
  });

  it('gives a taker the one that is just starting instead of starting another', async () => {
    const { pool, puppets, nth } = stage();
    pool.keep(1);
    await settle();
    const taken = pool.take();
    nth(0).getReady();
    expect((await taken).sandbox).toBe(nth(0));
    await settle();
    expect(puppets).toHaveLength(2);
  });

  it.each([
    ['failed', (puppet: Puppet) => puppet.kill('timed_out')],
    ['was ready and dead at once', (puppet: Puppet) => Object.assign(puppet, { pid: 2 ** 22 + 1 }).getReady()],
  ])('starts one for a taker whose sandbox was just starting and %s', async (_, end) => {
    const { pool, nth } = stage();
    pool.keep(1);
    await settle();
    const taken = pool.take();
    end(nth(0));
    await settle();
    nth(1).getReady();
    expect((await taken).sandbox).toBe(nth(1));
  });

  it('takes back what had no job, as long as there is room, and ends it otherwise', async () => {
    const { pool, nth } = stage();
    pool.keep(1);
    await settle();
    nth(0).getReady();
    const unused = await pool.take();
    pool.giveBack(unused);
    expect((await pool.take()).sandbox).toBe(nth(0));
    await settle();
    nth(1).getReady();
    await settle();
    pool.giveBack(unused);
    expect(nth(0).killedFor).toBe('cancelled');
  });

  it('replaces one that ended while it waited', async () => {
    const { pool, puppets, nth } = stage();
    pool.keep(1);
    await settle();
    nth(0).getReady();
    await settle();
    nth(0).end.resolve({ code: 137, signal: null });
    await settle();
    expect(pool.ready).toBe(0);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(puppets).toHaveLength(2);
  });

  it('hands out none that is dead already, although its end was not told yet', async () => {
    const { pool, puppets, nth } = stage();
    pool.keep(2);
    await settle();
    nth(0).pid = 2 ** 22 + 1; // beyond the largest number of a process
    puppets.forEach((puppet) => puppet.getReady());
    await settle();
    expect((await pool.take()).sandbox).toBe(nth(1));
  });

  it('pauses longer and longer between starts that fail, and never again after one that does not', async () => {
    const { pool, puppets, nth } = stage();
    const fail = async (index: number) => {
      nth(index).kill('timed_out');
      await settle();
    };
    pool.keep(1);
    await settle();
    await fail(0);
    await jest.advanceTimersByTimeAsync(900);
    expect(puppets).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(100);
    expect(puppets).toHaveLength(2);
    await fail(1);
    await jest.advanceTimersByTimeAsync(1_900);
    expect(puppets).toHaveLength(2);
    await jest.advanceTimersByTimeAsync(100);
    nth(2).getReady();
    await settle();
    await pool.take();
    await settle();
    expect(puppets).toHaveLength(4);
  });

  it('tells a taker why its sandbox did not start', async () => {
    const { pool, nth } = stage();
    const taken = pool.take();
    const why = taken.catch((error: unknown) => error);
    await settle();
    nth(0).kill('timed_out');
    expect(await why).toBeInstanceOf(SandboxUnavailableError);
  });

  it('ends those that wait, start and work when it is closed, and starts no more', async () => {
    const { pool, puppets, nth } = stage();
    pool.keep(2);
    await settle();
    nth(0).getReady();
    await pool.take();
    await settle();
    await pool.close();
    expect(puppets.map(({ killedFor }) => killedFor)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(puppets).toHaveLength(3);
  });
});
