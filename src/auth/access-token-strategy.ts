import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-jwt';
import { Settings } from '../config/settings.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { Principal } from '../platform/http/principal.js';
import { readClaims, strictOptions } from './access-token.js';
import { SessionsService } from './sessions.service.js';
import { SigningKeys } from './signing-keys.js';

@Injectable()
export class AccessTokenStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    private readonly settings: Settings,
    keys: SigningKeys,
    private readonly sessions: SessionsService,
  ) {
    super(strictOptions(keys, settings.ACCESS_TOKEN_SECONDS));
  }

  /**
   * A good token only names a session; whether it still lives, and what its person may do, is read at each request.
   * @throws DomainError SESSION_ENDED
   */
  async validate(payload: unknown): Promise<Principal | undefined> {
    const subject = readClaims(payload, this.settings.ACCESS_TOKEN_SECONDS);
    if (!subject) return undefined;
    const principal = await this.sessions.findPrincipal(subject);
    if (principal) return principal;
    throw new DomainError('unauthenticated', 'SESSION_ENDED', 'The session of this token has ended. Sign in again.');
  }
}
