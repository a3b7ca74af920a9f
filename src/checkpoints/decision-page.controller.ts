import { Body, Controller, Get, Headers, Param, Post, Res, UseFilters } from '@nestjs/common';
import { ApiConsumes, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { DomainError } from '../platform/errors/domain-error.js';
import { type Actor, CurrentActor } from '../platform/http/principal.js';
import { STATUS_OF_KIND } from '../platform/http/problem.filter.js';
import { Public } from '../platform/http/requires.decorator.js';
import { RateLimit } from '../platform/throttling/rate-limit.guard.js';
import { decisionForm, type DecisionForm } from './decision-links.dto.js';
import { decisionPage } from './decision-page.js';
import { DecisionPageFilter } from './decision-page.filter.js';
import { DecisionPageService, type Shown } from './decision-page.service.js';
import { DECISION_PAGE_POLICY } from './style-decision-page.js';

@ApiTags('checkpoints')
@Public()
@UseFilters(DecisionPageFilter)
@Controller('decide')
export class DecisionPageController {
  constructor(private readonly pages: DecisionPageService) {}

  @ApiOperation({ summary: 'The page of a decision link, for a browser. Asking for it changes nothing' })
  @ApiProduces('text/html')
  @ApiOkResponse({ schema: { type: 'string' } })
  @Get(':token')
  async show(
    @Param('token') token: string,
    @CurrentActor() actor: Actor,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    return answer(response, await this.pages.show(token, actor));
  }

  @ApiOperation({ summary: 'Decide by link: what the form of its page sends' })
  @ApiConsumes('application/x-www-form-urlencoded')
  @ApiProduces('text/html')
  @ApiOkResponse({ schema: { type: 'string' } })
  @RateLimit('auth')
  @Post(':token')
  async decide(
    @Param('token') token: string,
    @CurrentActor() actor: Actor,
    @Headers('sec-fetch-site') site: string | undefined,
    @Body({ schema: decisionForm }) form: DecisionForm,
    @Res({ passthrough: true }) response: Response,
  ): Promise<string> {
    mustComeFromHere(site);
    return answer(response, await this.pages.decide(token, form, actor));
  }
}

/** A page of another origin that knows the link still may not decide in somebody's browser. Old browsers do not tell. */
function mustComeFromHere(site: string | undefined): void {
  if (site === undefined || site === 'same-origin' || site === 'none') return;
  const message = 'This was sent from another site. Open the link itself and decide there.';
  throw new DomainError('forbidden', 'CROSS_SITE_FORM', message);
}

function answer(response: Response, shown: Shown): string {
  response.status(statusOf(shown));
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.setHeader('Content-Security-Policy', DECISION_PAGE_POLICY);
  return decisionPage(shown);
}

const STATUS_OF_STATE = { unknown: 404, expired: 410, revoked: 410, used: 409 } as const;

function statusOf(shown: Shown): number {
  if (shown.page === 'closed-link') return STATUS_OF_STATE[shown.state];
  if (shown.page === 'decided') return 200;
  if (shown.rebuff) return STATUS_OF_KIND[shown.rebuff.kind];
  return shown.page === 'not-a-member' ? 403 : 200;
}
