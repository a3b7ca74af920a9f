export interface AdmissionLimits {
  maxConcurrency: number;
  /** MiB that all running jobs together may be allowed. */
  maxTotalMemoryMb: number;
  /** Jobs that may wait; one more is refused. */
  maxWaiting: number;
}

/** As many jobs wait as may. */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError';
}

interface Waiter {
  memoryMb: number;
  enter: (release: () => void) => void;
}

/**
 * Lets jobs in, first come, first served, while places and memory last. A large job at the head holds up smaller ones
 * behind it, so that it gets its turn.
 */
export class Admission {
  private readonly waiting: Waiter[] = [];
  private readonly idlers: (() => void)[] = [];
  private places: number;
  private memoryMb: number;

  constructor(private readonly limits: AdmissionLimits) {
    this.places = limits.maxConcurrency;
    this.memoryMb = limits.maxTotalMemoryMb;
  }

  get running(): number {
    return this.limits.maxConcurrency - this.places;
  }

  get queued(): number {
    return this.waiting.length;
  }

  /**
   * Waits for a place; call the answer, once, to give it back. Null: `signal` was aborted first. Throws QueueFullError.
   * A job may not ask for more memory than there is in all: it would wait for ever.
   */
  enter(memoryMb: number, signal?: AbortSignal): Promise<(() => void) | null> {
    if (signal?.aborted) return Promise.resolve(null);
    const mustWait = this.waiting.length > 0 || !this.fits(memoryMb);
    if (mustWait && this.waiting.length >= this.limits.maxWaiting) {
      return Promise.reject(new QueueFullError('All places are taken and the queue is full.'));
    }
    return this.queue(memoryMb, signal);
  }

  /** Settles when no job runs. */
  whenIdle(): Promise<void> {
    if (this.running === 0) return Promise.resolve();
    return new Promise((resolve) => this.idlers.push(resolve));
  }

  private queue(memoryMb: number, signal: AbortSignal | undefined): Promise<(() => void) | null> {
    const { promise, resolve } = Promise.withResolvers<(() => void) | null>();
    const leave = () => {
      const index = this.waiting.indexOf(waiter);
      if (index !== -1) this.waiting.splice(index, 1);
      resolve(null);
      this.admit();
    };
    const waiter: Waiter = {
      memoryMb,
      enter: (release) => {
        signal?.removeEventListener('abort', leave);
        resolve(release);
      },
    };
    signal?.addEventListener('abort', leave, { once: true });
    this.waiting.push(waiter);
    this.admit();
    return promise;
  }

  private admit(): void {
    for (let next = this.waiting[0]; next && this.fits(next.memoryMb); next = this.waiting[0]) {
      this.waiting.shift();
      next.enter(this.take(next.memoryMb));
    }
  }

  private take(memoryMb: number): () => void {
    this.places -= 1;
    this.memoryMb -= memoryMb;
    return () => {
      this.places += 1;
      this.memoryMb += memoryMb;
      this.admit();
      if (this.running === 0) for (const resolve of this.idlers.splice(0)) resolve();
    };
  }

  private fits(memoryMb: number): boolean {
    return this.places > 0 && memoryMb <= this.memoryMb;
  }
}
