import pg from 'pg';

export interface Claim {
  id: string;
  epoch: number;
  worker: number | null;
  last_event: number;
  due: boolean;
  ended: boolean;
}

const INTERVAL_MS = 20;

/**
 * Looks at all executions again and again while a run goes on, and keeps what the rows cannot tell afterwards: when an
 * epoch was first seen, who held it, and whether anything went backwards.
 */
export class ClaimWatch {
  readonly breaches: string[] = [];
  /** Which epochs each execution was seen under, and when first: milliseconds since 1970. */
  private readonly epochs = new Map<string, { epoch: number; since: number }[]>();
  private readonly holders = new Map<string, number>();
  private readonly listeners = new Set<() => void>();
  private claims = new Map<string, Claim>();
  private stopped = false;
  private over: Promise<void> = Promise.resolve();

  constructor(private readonly url: string) {}

  start(): void {
    this.over = this.watch();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.over;
  }

  /** Events of all executions so far: how far the run has come. */
  get progress(): number {
    return [...this.claims.values()].reduce((sum, claim) => sum + claim.last_event, 0);
  }

  /** What this worker holds, as last seen. */
  heldBy(worker: number): Claim[] {
    return [...this.claims.values()].filter((claim) => claim.worker === worker);
  }

  get count(): number {
    return this.claims.size;
  }

  get open(): Claim[] {
    return [...this.claims.values()].filter((claim) => !claim.ended);
  }

  /** When it was first seen under a later epoch; undefined while it was not. */
  takenOver({ id, epoch }: Claim): number | undefined {
    return this.epochs.get(id)?.find((seen) => seen.epoch > epoch)?.since;
  }

  /** Nobody took it over, and nobody has to: whoever held it has let go of it or ended it. */
  wasLetGo({ id, epoch, worker }: Claim): boolean {
    const now = this.claims.get(id);
    return now?.epoch === epoch && (now.ended || (now.worker !== worker && !now.due));
  }

  /** Until what was seen satisfies. */
  async until(what: string, satisfied: () => boolean, seconds = 60): Promise<void> {
    const deadline = Date.now() + seconds * 1_000;
    while (!satisfied()) {
      if (Date.now() > deadline) {
        throw new Error(`waited ${seconds} s in vain for ${what}; open: ${JSON.stringify(this.open)}`);
      }
      await this.nextLook();
    }
  }

  nextLook(): Promise<void> {
    return new Promise((resolve) => this.listeners.add(resolve));
  }

  /** The database may be away for a while. */
  private async watch(): Promise<void> {
    const pool = new pg.Pool({ connectionString: this.url, max: 1, application_name: 'claim watch' });
    pool.on('error', () => undefined);
    while (!this.stopped) {
      await this.look(pool).catch(() => undefined);
      for (const ring of this.listeners) ring();
      this.listeners.clear();
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
    await pool.end();
  }

  private async look(pool: pg.Pool): Promise<void> {
    const { rows } = await pool.query<Claim>(
      'select id, epoch, worker, last_event, coalesce(wake_at <= now(), false) as due, ended_at is not null as ended from executions',
    );
    const now = Date.now();
    for (const claim of rows) this.take(claim, now);
    this.claims = new Map(rows.map((claim) => [claim.id, claim]));
  }

  private take(claim: Claim, now: number): void {
    const { id, epoch, worker } = claim;
    const key = `${id} ${epoch}`;
    const before = this.claims.get(id);
    if (worker !== null) {
      const other = this.holders.get(key) ?? worker;
      if (other !== worker)
        this.breaches.push(`execution ${id} had workers ${other} and ${worker} under epoch ${epoch}`);
      this.holders.set(key, worker);
    }
    if (epoch !== before?.epoch) this.epochs.set(id, [...(this.epochs.get(id) ?? []), { epoch, since: now }]);
    if (!before) return;
    if (epoch < before.epoch) this.breaches.push(`execution ${id} went from epoch ${before.epoch} back to ${epoch}`);
    if (claim.last_event < before.last_event) this.breaches.push(`execution ${id} lost events`);
    if (before.ended && (!claim.ended || epoch !== before.epoch || claim.last_event !== before.last_event)) {
      this.breaches.push(`execution ${id} changed after its end`);
    }
  }
}
