import { Admission, QueueFullError, type AdmissionLimits } from './admission.js';

function admission(changes: Partial<AdmissionLimits> = {}) {
  return new Admission({ maxConcurrency: 2, maxTotalMemoryMb: 1000, maxWaiting: 2, maxPerParty: 2, ...changes });
}

const job = (memoryMb = 100, party = 'ann', mayWait?: number) => ({ party, memoryMb, mayWait });

/** Asks for a place; its name is in `order` once it has it. */
function ask(gate: Admission, order: string[], name: string, memoryMb = 100) {
  const [party = ''] = name.split(' ');
  return gate.enter({ party, memoryMb }).then((release) => {
    order.push(name);
    return release;
  });
}

describe('Admission', () => {
  it('lets in as many as there are places, the others of a party in order of arrival', async () => {
    const gate = admission();
    const order: string[] = [];
    const [first] = await Promise.all([gate.enter(job()), gate.enter(job())]);
    const third = ask(gate, order, 'ann third');
    void ask(gate, order, 'ann fourth');
    expect([gate.running, gate.queued]).toEqual([2, 2]);
    first?.();
    await third;
    expect(order).toEqual(['ann third']);
    expect([gate.running, gate.queued]).toEqual([2, 1]);
  });

  it('lets in no more memory than there is, and nobody of a party past its large job at the head', async () => {
    const gate = admission();
    const release = await gate.enter(job(600));
    const large = gate.enter(job(500));
    const small = gate.enter(job(100));
    expect([gate.running, gate.queued]).toEqual([1, 2]);
    release?.();
    await Promise.all([large, small]);
    expect([gate.running, gate.queued]).toEqual([2, 0]);
  });

  it('refuses one more than may wait, in all and of a party, and says when to come back', async () => {
    const gate = admission({ maxConcurrency: 1, maxWaiting: 3 });
    await gate.enter(job());
    void gate.enter(job(100, 'ann', 1));
    await expect(gate.enter(job(100, 'ann', 1))).rejects.toMatchObject({ waiting: 1, retryAfterSeconds: 1 });
    void gate.enter(job(100, 'bob', 1));
    void gate.enter(job(100, 'cid', 1));
    const refused = gate.enter(job(100, 'dan', 1));
    await expect(refused).rejects.toThrow(QueueFullError);
    await expect(refused).rejects.toMatchObject({ waiting: 3, retryAfterSeconds: 3 });
    expect([gate.running, gate.queued]).toEqual([1, 3]);
  });

  it('forgets who was cancelled while waiting, and lets in who waits behind', async () => {
    const gate = admission();
    const release = await gate.enter(job(600));
    const cancel = new AbortController();
    const large = gate.enter(job(500), cancel.signal);
    const small = gate.enter(job(100));
    cancel.abort();
    expect(await large).toBeNull();
    expect(await small).toBeInstanceOf(Function);
    expect([gate.running, gate.queued]).toEqual([2, 0]);
    release?.();
    expect(gate.running).toBe(1);
  });

  it('lets nobody in who was cancelled before', async () => {
    const gate = admission();
    expect(await gate.enter(job(), AbortSignal.abort())).toBeNull();
    expect(gate.running).toBe(0);
  });

  it('says when nothing runs any more', async () => {
    const gate = admission();
    const [first, second] = await Promise.all([gate.enter(job()), gate.enter(job())]);
    let idle = false;
    const whenIdle = gate.whenIdle().then(() => (idle = true));
    first?.();
    await Promise.resolve();
    expect(idle).toBe(false);
    second?.();
    await whenIdle;
    expect(idle).toBe(true);
  });
});

describe('parties', () => {
  const roomy = { maxConcurrency: 4, maxTotalMemoryMb: 4096, maxWaiting: 100, maxPerParty: 0 };

  it('leave others a place, whatever they ask for, and then take turns', async () => {
    const gate = admission(roomy);
    const order: string[] = [];
    const running = await Promise.all([1, 2, 3].map(() => gate.enter(job(512))));
    for (const name of ['ann 1', 'ann 2', 'ann 3']) void ask(gate, order, name, 512);
    expect([gate.running, gate.queued]).toEqual([3, 3]);
    running.push(await ask(gate, order, 'bob 1', 512));
    expect(order).toEqual(['bob 1']);
    const waiting = ['bob 2', 'bob 3', 'cid 1'].map((name) => ask(gate, order, name, 512));
    for (const release of running) release?.();
    await waiting[2];
    expect(order).toEqual(['bob 1', 'ann 1', 'bob 2', 'cid 1', 'ann 2']);
  });

  it('leave others the memory of a usual job, unless it is a single job that needs it', async () => {
    const gate = admission({ ...roomy, maxTotalMemoryMb: 2048 });
    const [first] = await Promise.all([gate.enter(job(1024)), gate.enter(job(512))]);
    const order: string[] = [];
    const third = ask(gate, order, 'ann 3', 64);
    await ask(gate, order, 'bob 1', 512);
    expect(order).toEqual(['bob 1']);
    first?.();
    await third;
    const alone = admission({ ...roomy, maxTotalMemoryMb: 2048 });
    expect(await alone.enter(job(2048))).toBeInstanceOf(Function);
  });

  it('may be overtaken by smaller jobs of others only so often', async () => {
    const gate = admission({ ...roomy, maxConcurrency: 2, maxTotalMemoryMb: 1024 });
    const order: string[] = [];
    const held = await gate.enter(job(300, 'cid'));
    let running = await ask(gate, order, 'bob 0', 300);
    const large = ask(gate, order, 'ann', 1024);
    for (let count = 1; count <= 11; count += 1) {
      // The first of these has its turn; the others overtake.
      const next = ask(gate, order, `bob ${count}`, 300);
      running?.();
      running = await next;
    }
    void ask(gate, order, 'bob 12', 300);
    running?.();
    expect([gate.running, gate.queued]).toEqual([1, 2]);
    held?.();
    await large;
    expect(order.slice(-2)).toEqual(['bob 11', 'ann']);
  });
});

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Guest {
  party: string;
  memoryMb: number;
  state: 'waiting' | 'running' | 'ended' | 'gone' | 'refused';
  release: (() => void) | null;
  cancel: AbortController;
}

/** Many jobs of a few parties that come, end and go away in any order. Everything is settled when it is looked at. */
class Crowd {
  readonly guests: Guest[] = [];
  readonly limits: AdmissionLimits;
  readonly gate: Admission;
  private readonly pick: (below: number) => number;

  constructor(seed: number) {
    const next = chance(seed);
    this.pick = (below) => Math.floor(next() * below);
    this.limits = {
      maxConcurrency: 1 + this.pick(6),
      maxTotalMemoryMb: 256 + 64 * this.pick(60),
      maxWaiting: 1 + this.pick(20),
      maxPerParty: this.pick(5),
    };
    this.gate = new Admission(this.limits);
  }

  async step(): Promise<void> {
    const act = this.pick(10);
    if (act < 5) this.arrive();
    else if (act < 9) this.end(this.any('running'));
    else this.any(this.pick(2) === 0 ? 'running' : 'waiting')?.cancel.abort();
    await settled();
  }

  with(state: Guest['state']): Guest[] {
    return this.guests.filter((guest) => guest.state === state);
  }

  end(guest: Guest | undefined): void {
    if (!guest) return;
    guest.state = 'ended';
    guest.release?.();
  }

  private any(state: Guest['state']): Guest | undefined {
    const those = this.with(state);
    return those[this.pick(those.length)];
  }

  private arrive(): void {
    const memoryMb = Math.min(this.limits.maxTotalMemoryMb, 64 * (1 + this.pick(32)));
    const party = `party ${this.pick(4)}`;
    const guest: Guest = { party, memoryMb, state: 'waiting', release: null, cancel: new AbortController() };
    this.guests.push(guest);
    this.gate.enter({ party, memoryMb, mayWait: 5 }, guest.cancel.signal).then(
      (release) => Object.assign(guest, { release, state: release ? 'running' : 'gone' }),
      () => (guest.state = 'refused'),
    );
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

const memoryOf = (guests: readonly Guest[]) => guests.reduce((sum, { memoryMb }) => sum + memoryMb, 0);

/** What the README promises at every moment; empty when all of it holds. */
function broken({ gate, limits, ...crowd }: Pick<Crowd, 'gate' | 'limits'> & { running: Guest[]; waiting: Guest[] }) {
  const { running, waiting } = crowd;
  const { maxConcurrency: places, maxTotalMemoryMb: memory, maxPerParty } = limits;
  const most = Math.max(1, maxPerParty === 0 ? places - 1 : Math.min(maxPerParty, places));
  const parties = [...Map.groupBy(running, ({ party }) => party).values()];
  const promises: Record<string, boolean> = {
    counts: gate.running === running.length && gate.queued === waiting.length,
    places: running.length <= places,
    memory: memoryOf(running) <= memory,
    queue: waiting.length <= limits.maxWaiting,
    queueOfParty: [...Map.groupBy(waiting, ({ party }) => party).values()].every(({ length }) => length <= 5),
    placesOfParty: parties.every(({ length }) => length <= most),
    memoryOfParty: parties.every((those) => memory < 1024 || those.length === 1 || memoryOf(those) <= memory - 512),
    idle: waiting.length === 0 || running.length > 0,
  };
  return Object.keys(promises).filter((name) => !promises[name]);
}

describe('a crowd', () => {
  it.each(Array.from({ length: 20 }, (_, index) => index + 1))(
    'of random jobs (seed %d) keeps within all limits, is served, and leaves nothing behind',
    async (seed) => {
      const crowd = new Crowd(seed);
      const { gate, limits } = crowd;
      for (let step = 0; step < 200; step += 1) {
        await crowd.step();
        const [running, waiting] = [crowd.with('running'), crowd.with('waiting')];
        expect([step, ...broken({ gate, limits, running, waiting })]).toEqual([step]);
      }
      for (let [next] = crowd.with('running'); next; [next] = crowd.with('running')) {
        crowd.end(next);
        await settled();
      }
      expect([crowd.with('waiting').length, gate.running, gate.queued]).toEqual([0, 0, 0]);
      expect(gate['parties'].size).toBe(0);
      expect(crowd.with('ended').length).toBeGreaterThan(20);
      const whole = { party: 'late', memoryMb: limits.maxTotalMemoryMb };
      expect(await gate.enter(whole)).toBeInstanceOf(Function);
    },
  );
});
