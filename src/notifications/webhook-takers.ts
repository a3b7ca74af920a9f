import { Injectable, Logger } from '@nestjs/common';
import { Transactions } from '../platform/database/transactions.js';
import { matchingPatterns, WebhookEndpointRepository } from './webhook-endpoint.repository.js';

/** How long another process may not know of an endpoint that was just made. */
const KNOWN_MS = 10_000;

/** Organizations remembered at most. */
const MOST = 10_000;

interface Known {
  events: ReadonlySet<string>;
  until: number;
}

/** Remembers for a short time which events an organization wants, so that notices nobody wants cost nothing. */
@Injectable()
export class WebhookTakers {
  private readonly logger = new Logger(WebhookTakers.name);
  private readonly known = new Map<string, Known>();
  /** By organization; another look, or none, is under way there once it was forgotten. */
  private readonly looking = new Map<string, symbol>();

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: WebhookEndpointRepository,
  ) {}

  /** True also while it is not known; then it is looked up beside the caller's transaction, for the next time. */
  mayTake(organizationId: string, type: string): boolean {
    const known = this.known.get(organizationId);
    if (known && known.until > performance.now()) return matchingPatterns(type).some((name) => known.events.has(name));
    void this.look(organizationId);
    return true;
  }

  /** Call it after the commit that changed an endpoint. */
  forget(organizationId: string): void {
    this.known.delete(organizationId);
    this.looking.delete(organizationId); // it may have read before the commit
  }

  private async look(organizationId: string): Promise<void> {
    if (this.looking.has(organizationId)) return;
    const look = Symbol();
    this.looking.set(organizationId, look);
    try {
      const events = await this.transactions.read((tx) => this.repository.listWantedEvents(tx, organizationId));
      if (this.looking.get(organizationId) !== look) return;
      if (this.known.size >= MOST) this.known.clear();
      this.known.set(organizationId, { events: new Set(events), until: performance.now() + KNOWN_MS });
    } catch (error) {
      this.logger.debug(`could not look which events are wanted: ${String(error)}`);
    } finally {
      if (this.looking.get(organizationId) === look) this.looking.delete(organizationId);
    }
  }
}
