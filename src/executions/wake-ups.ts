import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';

/** The one channel on which instances tell each other that some executions changed: the sender, a space, and their ids. */
export const WAKE_CHANNEL = 'holdpoint_wake';

/** What arrives within this time travels together: NOTIFY takes a lock over all commits of the database. */
const GATHER_MS = 2;

/** 8,000 bytes are the limit of a payload (PostgreSQL, NOTIFY); beyond this many ids an empty one says "look". */
const IDS = 200;

type Listener = (executionIds: string[]) => void;

/**
 * Wakes workers at once, here and in other processes. It only saves time: whatever it says is in the table too, and
 * workers look there every second.
 */
@Injectable()
export class WakeUps {
  private readonly logger = new Logger(WakeUps.name);
  private readonly listeners = new Set<Listener>();
  private readonly gathered = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private readonly self = randomUUID();

  constructor(private readonly dataSource: DataSource) {}

  /** Call it after the commit; before, others would look too early. */
  wake(executionId: string): void {
    this.arrived([executionId]);
    this.gathered.add(executionId);
    this.timer ??= setTimeout(() => void this.send(), GATHER_MS);
  }

  listen(listener: Listener): void {
    this.listeners.add(listener);
  }

  /** What came over the channel, from this process too. */
  heard(payload: string): void {
    const [sender, ids = ''] = payload.split(' ');
    if (sender !== this.self) this.arrived(ids === '' ? [] : ids.split(','));
  }

  private arrived(executionIds: string[]): void {
    for (const listener of this.listeners) listener(executionIds);
  }

  private async send(): Promise<void> {
    this.timer = undefined;
    const ids = this.gathered.size > IDS ? '' : [...this.gathered].join(',');
    this.gathered.clear();
    try {
      await this.dataSource.query('select pg_notify($1, $2)', [WAKE_CHANNEL, `${this.self} ${ids}`]);
    } catch (error) {
      this.logger.warn(`could not notify other workers; they will look within a second: ${String(error)}`);
    }
  }
}
