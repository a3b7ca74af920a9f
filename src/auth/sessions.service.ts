import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { Settings } from '../config/settings.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError, notFound } from '../platform/errors/domain-error.js';
import { type Permission, ROLE_PERMISSIONS, ROLES } from '../platform/http/permissions.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { signAccessToken, type TokenSubject } from './access-token.js';
import { readRefreshToken, type RefreshToken, writeRefreshToken } from './refresh-token.js';
import { type EndReason, type LockedSession, SessionsRepository } from './sessions.repository.js';
import { SigningKeys } from './signing-keys.js';

export interface Tokens {
  access_token: string;
  token_type: 'Bearer';
  /** Seconds until the access token expires. */
  expires_in: number;
  refresh_token: string;
}

/** A session and the number of its refresh token: all that tokens are made of. */
type Grant = RefreshToken & { user_id: string };

type Refreshed = { grant: Grant } | { refused: DomainError };

const PERMISSIONS_OF = new Map(
  ROLES.map((role) => [role, new Set(ROLE_PERMISSIONS[role]) as ReadonlySet<Permission>] as const),
);

@Injectable()
export class SessionsService {
  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: SessionsRepository,
    private readonly audit: AuditService,
    private readonly keys: SigningKeys,
    private readonly cursors: SignedCursor,
  ) {}

  /** Call it last in the transaction, as it writes the audit record; then `issueTokens` after the commit. */
  async start(tx: Transaction, actor: Actor, person: { user_id: string; organization_id: string }): Promise<Grant> {
    const { user_agent, address } = actor;
    const session = { id: uuidv7(), ...person, user_agent, address };
    await this.repository.insert(tx, session, this.settings.REFRESH_TOKEN_SECONDS);
    await this.record(tx, { ...actor, id: person.user_id }, 'session.started', { id: session.id, ...person });
    return { session_id: session.id, counter: 1, user_id: person.user_id };
  }

  async issueTokens(grant: Grant): Promise<Tokens> {
    const seconds = this.settings.ACCESS_TOKEN_SECONDS;
    return {
      access_token: await signAccessToken(this.keys, grant, seconds),
      token_type: 'Bearer',
      expires_in: seconds,
      refresh_token: writeRefreshToken(this.settings.SECRET_KEY, grant),
    };
  }

  /**
   * Exchanges a refresh token for its successor.
   * @throws DomainError REFRESH_TOKEN_INVALID, SESSION_ENDED, REFRESH_TOKEN_REUSED
   */
  async refresh(actor: Actor, text: string): Promise<Tokens> {
    const token = readRefreshToken(this.settings.SECRET_KEY, text);
    if (!token) throw unusable('REFRESH_TOKEN_INVALID', 'The refresh token is not one of this server.');
    // A refusal is a value until the commit: thrown inside, it would undo the end of the session.
    const outcome = await this.transactions.run((tx) => this.exchange(tx, actor, token));
    if ('refused' in outcome) throw outcome.refused;
    return this.issueTokens(outcome.grant);
  }

  /** Does nothing when it has ended already, as two logouts at once do. */
  async logOut(actor: Actor, principal: Principal): Promise<void> {
    if (principal.session_id === null) return; // the route lets no API key in
    await this.end(actor, principal, principal.session_id, 'logout');
  }

  /** @throws DomainError NOT_FOUND unless it is a session of this person that has not been ended. */
  async revoke(actor: Actor, principal: Principal, id: string): Promise<void> {
    const ended = await this.end(actor, principal, id, 'revoked');
    if (!ended) throw notFound('session', id);
  }

  async list(principal: Principal, page: { cursor?: string | undefined; limit: number }) {
    const list = `sessions:${principal.user_id}`;
    const before = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read((tx) =>
      this.repository.listLive(tx, principal.user_id, before, page.limit + 1),
    );
    const { data, next_cursor } = this.cursors.page(list, rows, page.limit, (session) => session.id);
    return {
      data: data.map((session) => Object.assign(session, { current: session.id === principal.session_id })),
      next_cursor,
    };
  }

  /** Null when the session has ended or expired, or its person is no longer a member. */
  async findPrincipal(subject: TokenSubject): Promise<Principal | null> {
    const row = await this.transactions.read((tx) =>
      this.repository.findPrincipal(tx, subject.session_id, subject.user_id),
    );
    if (!row) return null;
    const permissions = PERMISSIONS_OF.get(row.role) ?? new Set();
    return { ...row, api_key_id: null, permissions, authenticated_by: 'access_token' };
  }

  /**
   * 1. The current token is replaced by the next.
   * 2. The one before it gets the same successor again for ten seconds: its first answer may have been lost.
   * 3. Any older one was copied, by its owner or from them; the session ends for both.
   */
  private async exchange(tx: Transaction, actor: Actor, token: RefreshToken): Promise<Refreshed> {
    const session = await this.repository.lock(tx, token.session_id);
    if (!session?.live) return { refused: unusable('SESSION_ENDED', 'The session has ended.') };
    const grant = { session_id: token.session_id, user_id: session.user_id };
    if (token.counter === session.counter) {
      await this.repository.rotate(tx, token.session_id, token.counter, this.settings.REFRESH_TOKEN_SECONDS);
      return { grant: { ...grant, counter: token.counter + 1 } };
    }
    if (token.counter === session.counter - 1 && session.just_rotated) {
      return { grant: { ...grant, counter: session.counter } };
    }
    await this.endReused(tx, actor, token, session);
    const message = 'The refresh token had been used before, so the session was ended for safety.';
    return { refused: unusable('REFRESH_TOKEN_REUSED', message) };
  }

  /** Nobody is signed in here: whether the owner or a thief came second is not known. */
  private async endReused(tx: Transaction, actor: Actor, token: RefreshToken, session: LockedSession): Promise<void> {
    await this.repository.end(tx, token.session_id, session.user_id, 'reuse');
    const details = { counter: token.counter, current_counter: session.counter };
    await this.record(tx, actor, 'session.reuse_detected', { id: token.session_id, ...session }, details);
  }

  private end(actor: Actor, principal: Principal, id: string, reason: EndReason): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      const ended = await this.repository.end(tx, id, principal.user_id, reason);
      if (!ended) return false;
      const session = { id, user_id: principal.user_id, organization_id: ended.organization_id };
      await this.record(tx, actor, 'session.ended', session, { reason });
      return true;
    });
  }

  private record(
    tx: Transaction,
    actor: Actor,
    action: string,
    session: { id: string; user_id: string; organization_id: string },
    details: Record<string, unknown> = {},
  ): Promise<void> {
    const { id, user_id, organization_id } = session;
    const subject = { type: 'session', id };
    return this.audit.record(tx, actor, { organization_id, action, subject, details: { user_id, ...details } });
  }
}

function unusable(code: string, what: string): DomainError {
  return new DomainError('unauthenticated', code, `${what} Sign in again.`);
}
