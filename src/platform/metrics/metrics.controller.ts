import { createHash, timingSafeEqual } from 'node:crypto';
import { Controller, Get, Headers, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Registry } from 'prom-client';
import { Settings } from '../../config/settings.js';
import { DomainError } from '../errors/domain-error.js';
import { Public } from '../http/requires.decorator.js';
import { RateLimit } from '../throttling/rate-limit.guard.js';

@ApiTags('metrics')
@Public()
@RateLimit('none')
@Controller('metrics')
export class MetricsController {
  constructor(
    private readonly settings: Settings,
    private readonly registry: Registry,
  ) {}

  @ApiOperation({
    summary: 'Metrics of this process for Prometheus; with METRICS_TOKEN as bearer token where it is set',
  })
  @ApiProduces('text/plain')
  @ApiOkResponse({ schema: { type: 'string' } })
  @Get()
  async read(
    @Headers('authorization') authorization: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    this.admit(authorization);
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Content-Type', this.registry.contentType);
    return this.registry.metrics();
  }

  /** @throws DomainError unauthenticated, or not found where production has no token. */
  private admit(authorization: string | undefined): void {
    const { METRICS_TOKEN: token, NODE_ENV } = this.settings;
    if (token === undefined && NODE_ENV !== 'production') return;
    if (token === undefined) {
      throw new DomainError(
        'not_found',
        'ROUTE_NOT_FOUND',
        'In production metrics are told only with METRICS_TOKEN set.',
      );
    }
    if (!isSame(/^Bearer (.*)$/i.exec(authorization ?? '')?.[1] ?? '', token)) {
      throw new DomainError('unauthenticated', 'UNAUTHENTICATED', 'Send METRICS_TOKEN as Authorization: Bearer.');
    }
  }
}

/** In constant time, also for texts of different lengths. */
function isSame(given: string, expected: string): boolean {
  return timingSafeEqual(digestOf(given), digestOf(expected));
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
