import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Public } from '../platform/http/requires.decorator.js';
import { chartPageQuery, type ChartPageQuery } from './analytics.dto.js';
import { analyticsPage, linkExpiredPage } from './analytics-page.js';
import { AnalyticsService, CHART_PATH } from './analytics.service.js';
import { PAGE_POLICY } from './style-analytics-page.js';

@ApiTags('checkpoints')
@Controller(CHART_PATH.slice(1))
export class AnalyticsPageController {
  constructor(private readonly analytics: AnalyticsService) {}

  @ApiOperation({ summary: 'The charts to which chart_url leads, for a browser; the token is all that is needed' })
  @ApiProduces('text/html')
  @ApiOkResponse({ schema: { type: 'string' } })
  @Public()
  @Get()
  async show(
    @Query({ schema: chartPageQuery }) { token }: ChartPageQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    const analytics = await this.analytics.readByToken(token);
    if (!analytics) response.status(403);
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.setHeader('Content-Security-Policy', PAGE_POLICY);
    response.setHeader('Cache-Control', 'no-store');
    return analytics ? analyticsPage(analytics) : linkExpiredPage();
  }
}
