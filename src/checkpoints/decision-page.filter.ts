import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { Response } from 'express';
import { DomainError } from '../platform/errors/domain-error.js';
import { STATUS_OF_KIND } from '../platform/http/problem.filter.js';
import { refusalPage } from './decision-page.js';
import { DECISION_PAGE_POLICY } from './style-decision-page.js';

/** Who asks for a page is answered with a page. Faults of ours go on to the filter of all routes. */
@Catch(DomainError)
export class DecisionPageFilter implements ExceptionFilter<DomainError> {
  catch({ kind, message, retryAfterSeconds }: DomainError, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    if (retryAfterSeconds) response.setHeader('Retry-After', retryAfterSeconds);
    response
      .status(STATUS_OF_KIND[kind])
      .setHeader('Content-Security-Policy', DECISION_PAGE_POLICY)
      .type('html')
      .send(refusalPage(message));
  }
}
