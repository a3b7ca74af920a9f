interface Waiting {
  origin: string;
  start: () => void;
}

/** Lets so many connections be open at once in all, and so many to one origin. The others wait in their order. */
export class ConnectionSlots {
  private readonly taken = new Map<string, number>();
  private total = 0;
  private waiting: Waiting[] = [];

  constructor(
    private readonly most: number,
    private readonly mostToOrigin: number,
  ) {}

  /** Rejects with the reason of the signal if that ends the wait. */
  async run<T>(origin: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.isFree(origin)) this.take(origin);
    else await this.wait(origin, signal);
    try {
      return await work();
    } finally {
      this.leave(origin);
    }
  }

  private wait(origin: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.waiting = this.waiting.filter((one) => one !== waiting);
        reject(signal.reason as Error);
      };
      const start = () => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const waiting = { origin, start };
      this.waiting.push(waiting);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** The slot goes straight to the first who may have it, so that nobody who comes later can take it. */
  private leave(origin: string): void {
    this.total -= 1;
    const left = (this.taken.get(origin) ?? 0) - 1;
    if (left > 0) this.taken.set(origin, left);
    else this.taken.delete(origin);
    const index = this.waiting.findIndex((one) => this.isFree(one.origin));
    const [next] = index === -1 ? [] : this.waiting.splice(index, 1);
    if (next === undefined) return;
    this.take(next.origin);
    next.start();
  }

  private isFree(origin: string): boolean {
    return this.total < this.most && (this.taken.get(origin) ?? 0) < this.mostToOrigin;
  }

  private take(origin: string): void {
    this.total += 1;
    this.taken.set(origin, (this.taken.get(origin) ?? 0) + 1);
  }
}
