export interface AdmissionLimits {
  maxConcurrency: number;
  /** MiB that all running jobs together may be allowed. */
  maxTotalMemoryMb: number;
  /** Jobs that may wait; one more is refused. */
  maxWaiting: number;
  /** Places that one party may hold; 0 stands for all but one. At least one in any case. */
  maxPerParty: number;
}

export interface Entrant {
  /** Whose job it is. */
  party: string;
  /** Not more than there is in all: it would wait for ever. */
  memoryMb: number;
  /** Jobs of the party that may wait; one more is refused. Without it only the whole queue is bounded. */
  mayWait?: number | undefined;
}

/** As many jobs wait as may, in all or of this party. */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError';

  constructor(
    readonly waiting: number,
    readonly retryAfterSeconds: number,
  ) {
    super(`${waiting} jobs are waiting already.`);
  }
}

type Release = () => void;

interface Waiter {
  memoryMb: number;
  /** How many went in before it for which there was memory while there was none for this one. */
  overtaken: number;
  enter: (release: Release) => void;
}

interface Party {
  name: string;
  running: number;
  memoryMb: number;
  waiting: Waiter[];
}

/** What a job gets that does not say what it needs. As much is left to others. */
const USUAL_MEMORY_MB = 512;

/** So often may smaller jobs go in before a larger one whose turn it is. */
const MOST_OVERTAKEN = 10;

/** Weight of the newest job in the mean time that places are held. */
const NEWEST = 0.2;

/** Lets jobs in while places and memory last; parties take turns. The rules are in the README. */
export class Admission {
  /** Those with a job here, running or waiting; their order is that of turns. */
  private readonly parties = new Map<string, Party>();
  private readonly idlers: (() => void)[] = [];
  private readonly shareOfPlaces: number;
  private readonly shareOfMemoryMb: number;
  private places: number;
  private memoryMb: number;
  private waiting = 0;
  private meanSeconds = 1;

  constructor(private readonly limits: AdmissionLimits) {
    const { maxConcurrency, maxTotalMemoryMb, maxPerParty } = limits;
    this.places = maxConcurrency;
    this.memoryMb = maxTotalMemoryMb;
    this.shareOfPlaces = Math.max(1, maxPerParty === 0 ? maxConcurrency - 1 : Math.min(maxPerParty, maxConcurrency));
    const isEnoughForTwo = maxTotalMemoryMb >= 2 * USUAL_MEMORY_MB;
    this.shareOfMemoryMb = isEnoughForTwo ? maxTotalMemoryMb - USUAL_MEMORY_MB : maxTotalMemoryMb;
  }

  get running(): number {
    return this.limits.maxConcurrency - this.places;
  }

  get queued(): number {
    return this.waiting;
  }

  /** Waits for a place; call the answer, once, to give it back. Null: `signal` was aborted first. Throws QueueFullError. */
  enter({ party: name, memoryMb, mayWait = Infinity }: Entrant, signal?: AbortSignal): Promise<Release | null> {
    if (signal?.aborted) return Promise.resolve(null);
    const party = this.partyOf(name);
    const { promise, resolve } = Promise.withResolvers<Release | null>();
    const goAway = () => {
      this.leave(party, waiter);
      resolve(null);
      this.admit();
    };
    const waiter: Waiter = {
      memoryMb,
      overtaken: 0,
      enter: (release) => {
        signal?.removeEventListener('abort', goAway);
        resolve(release);
      },
    };
    party.waiting.push(waiter);
    this.waiting += 1;
    this.admit();
    if (!party.waiting.includes(waiter)) return promise;
    const refusal = this.refusal(party, mayWait);
    if (!refusal) {
      signal?.addEventListener('abort', goAway, { once: true });
      return promise;
    }
    this.leave(party, waiter);
    return Promise.reject(refusal);
  }

  /** Settles when no job runs. */
  whenIdle(): Promise<void> {
    if (this.running === 0) return Promise.resolve();
    return new Promise((resolve) => this.idlers.push(resolve));
  }

  private partyOf(name: string): Party {
    const party = this.parties.get(name) ?? { name, running: 0, memoryMb: 0, waiting: [] };
    this.parties.set(name, party);
    return party;
  }

  /** Null while the newest of those that wait may stay. */
  private refusal(party: Party, mayWait: number): QueueFullError | null {
    const others = party.waiting.length - 1;
    if (others >= mayWait) return new QueueFullError(others, this.secondsFor(others, this.shareOfPlaces));
    const all = this.waiting - 1;
    if (all < this.limits.maxWaiting) return null;
    return new QueueFullError(all, this.secondsFor(all, this.limits.maxConcurrency));
  }

  /** How long so many jobs may take on so many places, as things went lately: 1 to 60 s. */
  private secondsFor(jobs: number, places: number): number {
    return Math.min(60, Math.max(1, Math.ceil((this.meanSeconds * jobs) / places)));
  }

  private leave(party: Party, waiter: Waiter): void {
    party.waiting.splice(party.waiting.indexOf(waiter), 1);
    this.waiting -= 1;
    this.forgetIfGone(party);
  }

  private forgetIfGone(party: Party): void {
    if (party.running === 0 && party.waiting.length === 0) this.parties.delete(party.name);
  }

  private admit(): void {
    for (let party = this.nextParty(); party; party = this.nextParty()) {
      const waiter = party.waiting.shift();
      if (!waiter) return;
      this.waiting -= 1;
      this.parties.delete(party.name); // to the end of the turns
      this.parties.set(party.name, party);
      waiter.enter(this.take(party, waiter.memoryMb));
    }
  }

  /** The first in turn whose first job may go in now. One that was overtaken often enough is waited for. */
  private nextParty(): Party | null {
    if (this.places === 0) return null;
    const overtaken: Waiter[] = [];
    for (const party of this.parties.values()) {
      const [first] = party.waiting;
      if (!first || !this.isWithinShare(party, first)) continue;
      if (first.memoryMb <= this.memoryMb) {
        for (const waiter of overtaken) waiter.overtaken += 1;
        return party;
      }
      if (first.overtaken >= MOST_OVERTAKEN) return null;
      overtaken.push(first);
    }
    return null;
  }

  /** A job alone always is: otherwise the largest could never run. */
  private isWithinShare({ running, memoryMb }: Party, waiter: Waiter): boolean {
    if (running === 0) return true;
    return running < this.shareOfPlaces && memoryMb + waiter.memoryMb <= this.shareOfMemoryMb;
  }

  private take(party: Party, memoryMb: number): Release {
    const since = performance.now();
    this.change(party, memoryMb, 1);
    return () => {
      this.change(party, memoryMb, -1);
      this.meanSeconds += NEWEST * ((performance.now() - since) / 1000 - this.meanSeconds);
      this.forgetIfGone(party);
      this.admit();
      if (this.running === 0) for (const resolve of this.idlers.splice(0)) resolve();
    };
  }

  private change(party: Party, memoryMb: number, jobs: 1 | -1): void {
    this.places -= jobs;
    this.memoryMb -= jobs * memoryMb;
    party.running += jobs;
    party.memoryMb += jobs * memoryMb;
  }
}
