import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { HealthIndicatorService } from '@nestjs/terminus';
import { DataSource } from 'typeorm';
import { CodeSecurityService } from '../code-security/code-security.service.js';
import { NotificationsService } from '../notifications/notifications.service.js';
import { readMigrations } from '../platform/database/migrate.js';

/** What readiness asks beyond the database's ping. Only the sandbox may be missing without taking the instance out. */
@Injectable()
export class ReadinessService implements BeforeApplicationShutdown {
  private stopping = false;
  private upToDate = false;

  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly dataSource: DataSource,
    private readonly codeSecurity: CodeSecurityService,
    private readonly notifications: NotificationsService,
  ) {}

  /** From here on load balancers should look elsewhere; requests under way are still served. */
  beforeApplicationShutdown(): void {
    this.stopping = true;
  }

  serving(key: string) {
    const indicator = this.indicators.check(key);
    return this.stopping ? indicator.down('the instance is shutting down') : indicator.up();
  }

  async migrated(key: string) {
    const indicator = this.indicators.check(key);
    const { pending } = this.upToDate ? { pending: [] } : await this.migrations();
    this.upToDate = pending.length === 0;
    return this.upToDate ? indicator.up() : indicator.down({ message: 'run: npm run db -- up', pending });
  }

  sandbox(key: string) {
    const indicator = this.indicators.check(key);
    const health = this.codeSecurity.health();
    return health.available ? indicator.up() : indicator.degraded({ message: health.reason ?? 'not available' });
  }

  /** Nobody has to send mail, so that there is none takes nothing away. */
  mail(key: string) {
    const { mailGoesTo } = this.notifications;
    const message = mailGoesTo === null ? 'mail is off: set SMTP_URL' : `mail goes to ${mailGoesTo}`;
    return this.indicators.check(key).up({ message });
  }

  migrations(): Promise<{ applied: string[]; pending: string[] }> {
    return readMigrations(this.dataSource);
  }
}
