import type { ThrottlerStorage } from '@nestjs/throttler';

type Usage = Awaited<ReturnType<ThrottlerStorage['increment']>>;

interface Window {
  hits: number;
  resetAt: number;
}

/**
 * Fixed window per key, one process, constant cost per request. (The storage built into @nestjs/throttler 6.7 keeps
 * every hit of the window and walks them all each time.)
 */
export class MemoryThrottlerStorage implements ThrottlerStorage {
  private readonly windows = new Map<string, Window>();
  private sweepAt = 0;

  increment(key: string, ttl: number, limit: number, _blockDuration: number, name: string): Promise<Usage> {
    const now = Date.now();
    if (now >= this.sweepAt) this.sweep(now);
    const id = `${name}:${key}`;
    let window = this.windows.get(id);
    if (!window || now >= window.resetAt) {
      window = { hits: 0, resetAt: now + ttl };
      this.windows.set(id, window);
    }
    window.hits += 1;
    const left = Math.ceil((window.resetAt - now) / 1000);
    return Promise.resolve({
      totalHits: window.hits,
      timeToExpire: left,
      isBlocked: window.hits > limit,
      timeToBlockExpire: left,
    });
  }

  /** Memory follows the callers of the last minute, not all who ever called. */
  private sweep(now: number): void {
    this.sweepAt = now + 60_000;
    for (const [id, window] of this.windows) if (now >= window.resetAt) this.windows.delete(id);
  }
}
