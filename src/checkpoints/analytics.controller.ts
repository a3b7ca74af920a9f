import { Controller, Get, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../platform/http/principal.js';
import { Requires } from '../platform/http/requires.decorator.js';
import { Returns } from '../platform/http/returns.decorator.js';
import { analyticsQuery, type AnalyticsQuery, analyticsView } from './analytics.dto.js';
import { AnalyticsService } from './analytics.service.js';

@ApiTags('checkpoints')
@Controller('api/checkpoint-analytics')
export class AnalyticsController {
  constructor(private readonly analytics: AnalyticsService) {}

  @ApiOperation({
    summary: 'What was asked and decided, how fast, and how often it was edited or rejected; with a page of charts',
  })
  @Requires('checkpoint:read')
  @Returns(analyticsView)
  @Get()
  async read(
    @CurrentPrincipal() { organization_id }: Principal,
    @Query({ schema: analyticsQuery }) query: AnalyticsQuery,
  ) {
    const analytics = await this.analytics.read(organization_id, query);
    return { ...analytics, ...this.analytics.chartOf(organization_id, analytics) };
  }
}
