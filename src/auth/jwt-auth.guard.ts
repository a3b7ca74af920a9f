import { type ExecutionContext, Injectable, UnauthorizedException } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { DomainError } from '../platform/errors/domain-error.js';
import { requirementOf } from '../platform/http/permission.guard.js';
import type { PrincipalRequest } from '../platform/http/principal.js';
import { bearerToken } from './access-token.js';
import { API_KEY_START } from './api-key.js';
import { ApiKeysService } from './api-keys.service.js';

/**
 * Establishes who is asking, by an access token or an API key, and refuses nobody: the rate limit, which runs next, must count bad tokens too. What was
 * wrong with a token stays on the request for the permission guard. Public routes do not look at tokens, so that
 * probes never wait for the database.
 */
@Injectable()
export class JwtAuthGuard extends AuthGuard('jwt') {
  constructor(
    private readonly reflector: Reflector,
    private readonly apiKeys: ApiKeysService,
  ) {
    super();
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    if (requirementOf(this.reflector, context) === 'public') return true;
    const request = context.switchToHttp().getRequest<PrincipalRequest>();
    try {
      const token = bearerToken(request.headers.authorization);
      if (token?.startsWith(API_KEY_START)) request.user = await this.apiKeys.authenticate(token);
      else await super.canActivate(context);
    } catch (error) {
      const refusal = refusalOf(error, request.authInfo);
      if (request.headers.authorization !== undefined) request.authenticationError = refusal;
    }
    return true;
  }
}

/** The signature of an expired token was good, so its sender may know; any other fault of a token is not described. */
function refusalOf(error: unknown, cause: unknown): DomainError {
  if (error instanceof DomainError) return error;
  if (!(error instanceof UnauthorizedException)) throw error;
  if (cause instanceof Error && cause.name === 'TokenExpiredError') {
    return new DomainError('unauthenticated', 'TOKEN_EXPIRED', 'The access token has expired. Refresh it.', { cause });
  }
  const message = 'The access token is not valid. Send `Authorization: Bearer` with a token from this server.';
  return new DomainError('unauthenticated', 'TOKEN_INVALID', message, { cause });
}
