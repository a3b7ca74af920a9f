import { Injectable } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';
import { EXPIRY_ACTIONS, type ExpiryAction } from '../workflows/engine/checkpoint-policy.js';

/** Actions that every installation has; those of definitions are one series together, so that users make none. */
const ACTIONS = new Set(['approve', 'edit', 'reject', 'request_changes']);

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** People take seconds or weeks. */
const SECONDS = [1, 5, 15, 30, MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, 8 * HOUR].concat(
  [1, 2, 4, 7, 14, 30].map((days) => days * DAY),
);

/**
 * What this process did with checkpoints since it started, for Prometheus. Called after the commit of what is counted.
 * Nothing here names an organization, a workflow or a person.
 */
@Injectable()
export class CheckpointMetrics {
  private readonly created: Counter;
  private readonly closed: Counter<'action'>;
  private readonly expiries: Counter<'on_expiry'>;
  private readonly seconds: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    this.created = new Counter({ name: 'holdpoint_checkpoints_created_total', help: 'Checkpoints opened', registers });
    this.closed = new Counter({
      name: 'holdpoint_checkpoints_decided_total',
      help: 'Checkpoints that a decision closed; custom: an action of the definition’s own',
      labelNames: ['action'],
      registers,
    });
    this.expiries = new Counter({
      name: 'holdpoint_checkpoints_expired_total',
      help: 'Checkpoints whose due moment passed, by what was done then',
      labelNames: ['on_expiry'],
      registers,
    });
    this.seconds = new Histogram({
      name: 'holdpoint_checkpoint_time_to_decide_seconds',
      help: 'From the opening of a checkpoint to the decision that closed it',
      buckets: SECONDS,
      registers,
    });
    // From 0 on, so that the first one is seen as an increase.
    for (const action of [...ACTIONS, 'custom']) this.closed.inc({ action }, 0);
    for (const on_expiry of EXPIRY_ACTIONS) this.expiries.inc({ on_expiry }, 0);
  }

  opened(): void {
    this.created.inc();
  }

  /** A person's decision closed one, so many seconds after it was opened. */
  decided(action: string, seconds: number): void {
    this.closed.inc({ action: ACTIONS.has(action) ? action : 'custom' });
    this.seconds.observe(seconds);
  }

  /** The clock found one overdue. */
  expired(onExpiry: ExpiryAction): void {
    this.expiries.inc({ on_expiry: onExpiry });
  }
}
