import { Controller, Get, ServiceUnavailableException } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { HealthCheckService, TypeOrmHealthIndicator } from '@nestjs/terminus';
import { DomainError } from '../platform/errors/domain-error.js';
import { Public } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import { RateLimit } from '../platform/throttling/rate-limit.guard.js';
import { livenessView, migrationsView, readinessView } from './health.dto.js';
import { ReadinessService } from './readiness.service.js';

@ApiTags('health')
@Public()
@RateLimit('none')
@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly database: TypeOrmHealthIndicator,
    private readonly checks: ReadinessService,
  ) {}

  @ApiOperation({ summary: 'Is the process alive? Never touches the database.' })
  @Returns(livenessView)
  @Get('liveness')
  liveness() {
    return { status: 'ok', uptime_seconds: Math.floor(process.uptime()) };
  }

  @ApiOperation({ summary: 'May this instance get traffic? 503 while stopping, unmigrated or without its database.' })
  @Returns(readinessView)
  @Get('readiness')
  async readiness() {
    try {
      const { status, details } = await this.health.check([
        () => this.checks.serving('serving'),
        () => this.database.pingCheck('database', { timeout: 1_000 }),
        () => this.checks.migrated('migrations'),
        () => this.checks.sandbox('sandbox'),
        () => this.checks.mail('mail'),
      ]);
      return { status, checks: details };
    } catch (error) {
      throw error instanceof ServiceUnavailableException ? notReady(error) : error;
    }
  }

  @ApiOperation({ summary: 'Which migrations have run and which are pending' })
  @Returns(migrationsView)
  @Get('migrations')
  migrations() {
    return this.checks.migrations();
  }
}

function notReady(error: ServiceUnavailableException): DomainError {
  const { details } = error.getResponse() as { details: unknown };
  return new DomainError('unavailable', 'NOT_READY', 'This instance cannot serve now; checks says why.', {
    extensions: { checks: details },
  });
}
