import { type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerRequest } from '@nestjs/throttler';
import type { Response } from 'express';
import { DomainError } from '../errors/domain-error.js';
import type { PrincipalRequest } from '../http/principal.js';

/** Which budget a route draws from; `none` is for probes. */
export type Budget = 'default' | 'auth' | 'code' | 'none';

const BUDGET = 'holdpoint:rate-limit-budget';

/** Gives a route another budget than the default one. All routes of one budget share it. */
export const RateLimit = (budget: Budget) => SetMetadata(BUDGET, budget);

export function budgetOf(context: ExecutionContext): Budget {
  return (
    (Reflect.getMetadata(BUDGET, context.getHandler()) as Budget | undefined) ??
    (Reflect.getMetadata(BUDGET, context.getClass()) as Budget | undefined) ??
    'default'
  );
}

/**
 * Counts by signed-in user, else by address, and tells the caller with the `RateLimit` and `RateLimit-Policy` fields
 * (draft-ietf-httpapi-ratelimit-headers). Runs after authentication and before the permission check, so that refused
 * requests count too.
 */
@Injectable()
export class RateLimitGuard extends ThrottlerGuard {
  protected override shouldSkip(context: ExecutionContext): Promise<boolean> {
    return Promise.resolve(context.getType() !== 'http' || budgetOf(context) === 'none');
  }

  protected override async handleRequest({ context, limit, ttl, throttler }: ThrottlerRequest): Promise<boolean> {
    const name = throttler.name ?? 'default';
    const request = context.switchToHttp().getRequest<PrincipalRequest>();
    const tracker = request.user?.user_id ?? (await this.getTracker(request));
    const key = `${budgetOf(context)}:${tracker}`;
    const usage = await this.storageService.increment(key, ttl, limit, 0, name);
    const response = context.switchToHttp().getResponse<Response>();
    const remaining = Math.max(0, limit - usage.totalHits);
    response.append('RateLimit-Policy', `"${name}";q=${limit};w=${ttl / 1000}`);
    response.append('RateLimit', `"${name}";r=${remaining};t=${usage.timeToExpire}`);
    if (!usage.isBlocked) return true;
    throw new DomainError(
      'too_many',
      'RATE_LIMITED',
      `More than ${limit} requests in ${ttl / 1000} seconds. Wait ${usage.timeToBlockExpire} seconds and send it again.`,
      { retryAfterSeconds: usage.timeToBlockExpire },
    );
  }
}
