import { STATUS_CODES } from 'node:http';
import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Logger,
  NotFoundException,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { DomainError, type ErrorKind } from '../errors/domain-error.js';
import { allowedMethods } from './allowed-methods.js';
import { readableProblems } from './readable-problems.js';

/** The one table from what went wrong to an HTTP status. */
export const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  malformed: 400,
  invalid: 422,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  not_allowed: 405,
  conflict: 409,
  stale: 412,
  precondition_required: 428,
  unsupported: 415,
  too_large: 413,
  too_many: 429,
  timed_out: 408,
  out_of_memory: 507,
  failed: 500,
  unavailable: 503,
};

/** Answers of the framework and of the body parser, in our words. */
const FRAMEWORK_ERRORS: Readonly<Record<number, [kind: ErrorKind, code: string, detail: string]>> = {
  400: ['malformed', 'MALFORMED_REQUEST', 'The request cannot be read. Check that the body is valid JSON in UTF-8.'],
  401: ['unauthenticated', 'UNAUTHENTICATED', 'Sign in and send the access token.'],
  403: ['forbidden', 'FORBIDDEN', 'This is not allowed.'],
  404: ['not_found', 'ROUTE_NOT_FOUND', 'There is no such route. The routes are listed at /docs.'],
  413: ['too_large', 'BODY_TOO_LARGE', 'The body is larger than this server accepts (BODY_LIMIT_MB).'],
  415: [
    'unsupported',
    'UNSUPPORTED_MEDIA_TYPE',
    'Send the body as application/json in UTF-8, at most compressed by gzip.',
  ],
  429: ['too_many', 'RATE_LIMITED', 'Too many requests. Wait for the seconds in Retry-After.'],
  503: ['unavailable', 'SHUTTING_DOWN', 'This instance is shutting down. Send the request again.'],
};

interface Problem {
  status: number;
  code: string;
  detail: string;
  errors?: DomainError['errors'];
  extensions?: DomainError['extensions'];
  retryAfterSeconds?: number | undefined;
}

/** Turns whatever is thrown into `application/problem+json` (RFC 9457). Faults of ours are logged and not described. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Problem');

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request & { id?: string }>();
    const response = host.switchToHttp().getResponse<Response>();
    const allowed = error instanceof NotFoundException ? allowedMethods(request.app, request.path) : [];
    const problem = allowed.length > 0 ? methodNotAllowed(request.method, allowed) : this.toProblem(error);
    if (response.headersSent) {
      response.end();
      return;
    }
    if (problem.retryAfterSeconds) response.setHeader('Retry-After', problem.retryAfterSeconds);
    if (allowed.length > 0) response.setHeader('Allow', allowed.join(', '));
    if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    response
      .status(problem.status)
      .type('application/problem+json')
      .send(JSON.stringify(bodyOf(problem, request.originalUrl, request.id)));
  }

  private toProblem(error: unknown): Problem {
    if (error instanceof DomainError) {
      const { code, message, errors, extensions, retryAfterSeconds } = error;
      return { status: STATUS_OF_KIND[error.kind], code, detail: message, errors, extensions, retryAfterSeconds };
    }
    const known = frameworkProblem(error);
    if (known) return known;
    this.logger.error(error instanceof Error ? error : String(error));
    return {
      status: 500,
      code: 'INTERNAL_ERROR',
      detail: 'Something went wrong on our side. Nothing is known to have changed; the log has the request_id.',
    };
  }
}

function methodNotAllowed(method: string, allowed: string[]): Problem {
  const detail = `This path has no ${method}. It has ${allowed.join(', ')}.`;
  return { status: STATUS_OF_KIND.not_allowed, code: 'METHOD_NOT_ALLOWED', detail };
}

/** Errors of Nest and of Express middleware carry a numeric status; only statuses we expect are passed on. */
function frameworkProblem(error: unknown): Problem | undefined {
  const status = error instanceof HttpException ? error.getStatus() : (error as { status?: unknown } | null)?.status;
  const known = typeof status === 'number' ? FRAMEWORK_ERRORS[status] : undefined;
  if (!known) return undefined;
  const [kind, code, detail] = known;
  return { status: STATUS_OF_KIND[kind], code, detail };
}

function bodyOf(problem: Problem, instance: string, requestId: string | undefined): object {
  return {
    ...problem.extensions,
    type: `/docs/errors#${problem.code.toLowerCase().replaceAll('_', '-')}`,
    title: STATUS_CODES[problem.status],
    status: problem.status,
    detail: problem.detail,
    instance: instance.split('?')[0],
    code: problem.code,
    request_id: requestId ?? null,
    ...(problem.errors ? { errors: readableProblems(problem.errors) } : {}),
  };
}
