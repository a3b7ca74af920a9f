import { Injectable, Logger } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError, notFound } from '../platform/errors/domain-error.js';
import { type Permission, ROLE_PERMISSIONS } from '../platform/http/permissions.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { hashApiKey, makeApiKey } from './api-key.js';
import type { CreateApiKeyBody } from './api-keys.dto.js';
import { ApiKeysRepository, type Holder } from './api-keys.repository.js';

/** Keys of a person in an organization that could still be used. */
export const MAX_LIVE_KEYS = 50;

@Injectable()
export class ApiKeysService {
  private readonly logger = new Logger('ApiKeys');

  /** Keys whose use is being written: requests that come together need not queue for connections to write the same. */
  private readonly recording = new Set<string>();

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ApiKeysRepository,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
  ) {}

  /**
   * Who asks by this key: its person, with those permissions of their present role that are among its scopes.
   * @throws DomainError API_KEY_INVALID
   */
  async authenticate(key: string): Promise<Principal> {
    const hash = hashApiKey(key);
    const row = hash && (await this.transactions.read((tx) => this.repository.findPrincipal(tx, hash)));
    if (!row) throw invalidKey();
    const { scopes, use_is_due, ...person } = row;
    if (use_is_due) void this.recordUse(row.api_key_id);
    const permissions = new Set(ROLE_PERMISSIONS[row.role].filter((permission) => scopes.includes(permission)));
    return { ...person, session_id: null, permissions, authenticated_by: 'api_key' };
  }

  /**
   * A new key, which is in this answer and nowhere else.
   * @throws DomainError SCOPE_NOT_HELD, EXPIRY_PASSED, TOO_MANY_API_KEYS
   */
  async create(actor: Actor, principal: Principal, body: CreateApiKeyBody) {
    const scopes = [...new Set(body.scopes)];
    refuseScopesNotHeld(principal, body.scopes);
    const expires_at = body.expires_at === undefined ? null : new Date(body.expires_at);
    const { key, prefix, hash } = makeApiKey();
    const shown = { id: uuidv7(), name: body.name, prefix, scopes, expires_at };
    const { created_at } = await this.transactions.run(async (tx) => {
      await this.claimPlace(tx, principal, expires_at);
      const { organization_id, user_id } = principal;
      const inserted = await this.repository.insert(tx, { ...shown, organization_id, user_id, hash });
      const { name } = body;
      await this.record(tx, actor, principal, 'api_key.created', shown.id, { name, prefix, scopes, expires_at });
      return inserted;
    });
    return { ...shown, created_at, last_used_at: null, revoked_at: null, key };
  }

  /** @throws DomainError NOT_FOUND unless it is a key of this person in this organization that has not been revoked. */
  async revoke(actor: Actor, principal: Principal, id: string): Promise<void> {
    const done = await this.transactions.run(async (tx) => {
      const revoked = await this.repository.revoke(tx, id, principal);
      if (revoked) await this.record(tx, actor, principal, 'api_key.revoked', id, revoked);
      return revoked;
    });
    if (!done) throw notFound('API key', id);
  }

  async list(principal: Principal, page: { cursor?: string | undefined; limit: number }) {
    const list = `api-keys:${principal.organization_id}:${principal.user_id}`;
    const before = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read((tx) => this.repository.list(tx, principal, before, page.limit + 1));
    return this.cursors.page(list, rows, page.limit, (key) => key.id);
  }

  private async claimPlace(tx: Transaction, holder: Holder, expiresAt: Date | null): Promise<void> {
    const place = await this.repository.lockHolder(tx, holder, expiresAt);
    if (!place) throw notFound('member', holder.user_id);
    if (!place.expiry_is_ahead) throw expiryPassed();
    if (place.live_keys < MAX_LIVE_KEYS) return;
    const message = `You have ${MAX_LIVE_KEYS} API keys that work, which is as many as there can be. Revoke one that you no longer need.`;
    throw new DomainError('conflict', 'TOO_MANY_API_KEYS', message);
  }

  /** Beside the request, which neither waits for it nor fails with it. */
  private async recordUse(id: string): Promise<void> {
    if (this.recording.has(id)) return;
    this.recording.add(id);
    try {
      await this.transactions.read((tx) => this.repository.recordUse(tx, id));
    } catch (error) {
      this.logger.warn(`The use of API key ${id} could not be recorded: ${String(error)}`);
    } finally {
      this.recording.delete(id);
    }
  }

  private record(
    tx: Transaction,
    actor: Actor,
    { organization_id, user_id }: Holder,
    action: string,
    id: string,
    details: Record<string, unknown>,
  ): Promise<void> {
    const subject = { type: 'api_key', id };
    return this.audit.record(tx, actor, { organization_id, action, subject, details: { user_id, ...details } });
  }
}

/** A scope beyond the role would lie in wait for a promotion that was not meant for the key. */
function refuseScopesNotHeld({ role, permissions }: Principal, scopes: readonly Permission[]): void {
  const errors = scopes.flatMap((scope, index) => {
    if (permissions.has(scope)) return [];
    return { pointer: `/scopes/${index}`, code: 'SCOPE_NOT_HELD', message: `The role ${role} does not have ${scope}.` };
  });
  if (errors.length === 0) return;
  const message = 'A key cannot have permissions that you do not have. Leave those scopes out.';
  throw new DomainError('forbidden', 'SCOPE_NOT_HELD', message, { errors });
}

function invalidKey(): DomainError {
  const message = 'There is no such API key, or it was revoked or has expired. Make another at /api/auth/api-keys.';
  return new DomainError('unauthenticated', 'API_KEY_INVALID', message);
}

function expiryPassed(): DomainError {
  const message = 'The key would have expired already. Choose a moment ahead, or leave expires_at out.';
  return new DomainError('invalid', 'EXPIRY_PASSED', message, {
    errors: [{ pointer: '/expires_at', code: 'EXPIRY_PASSED', message: 'must be ahead' }],
  });
}
