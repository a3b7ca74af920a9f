import { DomainError } from '../platform/errors/domain-error.js';

/** Lets a few pieces of work run at once and a few more wait; what comes beyond that is refused at once. */
export class BoundedQueue {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly atOnce: number,
    private readonly maxWaiting: number,
  ) {}

  /**
   * Runs `work` in the order of arrival.
   * @throws DomainError BUSY when the queue is full.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.enter();
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  private enter(): Promise<void> {
    if (this.running < this.atOnce) {
      this.running += 1;
      return Promise.resolve();
    }
    if (this.waiting.length < this.maxWaiting) return new Promise((start) => this.waiting.push(start));
    const message = 'Too many people sign in at this moment. Try again in a second.';
    throw new DomainError('unavailable', 'BUSY', message, { retryAfterSeconds: 1 });
  }

  /** The place goes straight to the next in line, so that nobody who comes later can take it. */
  private leave(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.running -= 1;
  }
}
