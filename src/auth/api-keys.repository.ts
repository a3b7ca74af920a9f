import { Injectable } from '@nestjs/common';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import type { Permission, Role } from '../platform/http/permissions.js';
import { ApiKey } from './api-key.entity.js';

/** How exact `last_used_at` is: a busy key is not written at each request. */
const USE_SECONDS = 60;

export interface Holder {
  organization_id: string;
  user_id: string;
}

interface PrincipalRow extends Holder {
  api_key_id: string;
  scopes: Permission[];
  email: string;
  name: string;
  role: Role;
  /** The last use on record is over a minute old. */
  use_is_due: boolean;
}

@Injectable()
export class ApiKeysRepository {
  /** The one query of a request: all that must hold now, so that every change acts on the next request. */
  async findPrincipal(tx: Transaction, hash: string): Promise<PrincipalRow | null> {
    const { rows } = await runPrepared<PrincipalRow>(
      tx,
      'find_api_key_principal',
      `select k.id as api_key_id, k.organization_id, k.scopes, u.id as user_id, u.email, u.name, m.role,
         coalesce(k.last_used_at < now() - make_interval(secs => $2), true) as use_is_due
       from api_keys k
       join users u on u.id = k.user_id
       join memberships m on m.organization_id = k.organization_id and m.user_id = k.user_id
       where k.hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())`,
      [hash, USE_SECONDS],
    );
    return rows[0] ?? null;
  }

  /** Of requests that come together on several instances, one writes. */
  async recordUse(tx: Transaction, id: string): Promise<void> {
    await tx.query(
      `update api_keys set last_used_at = now()
       where id = $1 and coalesce(last_used_at < now() - make_interval(secs => $2), true)`,
      [id, USE_SECONDS],
    );
  }

  /**
   * Puts those who make a key for this member in line, and tells what the next may rely on until the commit. Null when
   * the person is no member any more.
   */
  async lockHolder(
    tx: Transaction,
    { organization_id, user_id }: Holder,
    expiresAt: Date | null,
  ): Promise<{ live_keys: number; expiry_is_ahead: boolean } | null> {
    const locked: unknown[] = await tx.query(
      'select 1 from memberships where organization_id = $1 and user_id = $2 for no key update',
      [organization_id, user_id],
    );
    if (locked.length === 0) return null;
    const [row] = (await tx.query(
      `select count(*)::int as live_keys, coalesce($3::timestamptz > now(), true) as expiry_is_ahead
       from api_keys
       where organization_id = $1 and user_id = $2 and revoked_at is null and (expires_at is null or expires_at > now())`,
      [organization_id, user_id, expiresAt],
    )) as [{ live_keys: number; expiry_is_ahead: boolean }];
    return row;
  }

  async insert(
    tx: Transaction,
    key: Omit<ApiKey, 'created_at' | 'last_used_at' | 'revoked_at'>,
  ): Promise<{ created_at: Date }> {
    const [row] = (await tx.query(
      `insert into api_keys (id, organization_id, user_id, name, prefix, hash, scopes, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8) returning created_at`,
      [key.id, key.organization_id, key.user_id, key.name, key.prefix, key.hash, key.scopes, key.expires_at],
    )) as [{ created_at: Date }];
    return row;
  }

  /** Null when this member has no such key, or it was revoked already. */
  async revoke(
    tx: Transaction,
    id: string,
    { organization_id, user_id }: Holder,
  ): Promise<{ name: string; prefix: string } | null> {
    const [rows] = (await tx.query(
      `update api_keys set revoked_at = now()
       where id = $1 and organization_id = $2 and user_id = $3 and revoked_at is null returning name, prefix`,
      [id, organization_id, user_id],
    )) as [{ name: string; prefix: string }[], number];
    return rows[0] ?? null;
  }

  /** All keys of a member, newest first, from just before the id `before`. */
  list(tx: Transaction, holder: Holder, before: string | undefined, limit: number): Promise<ApiKey[]> {
    const { organization_id, user_id } = holder;
    const query = tx
      .createQueryBuilder(ApiKey, 'key')
      .where('key.organization_id = :organization_id AND key.user_id = :user_id', { organization_id, user_id })
      .orderBy('key.id', 'DESC')
      .limit(limit);
    if (before !== undefined) query.andWhere('key.id < :before', { before });
    return query.getMany();
  }
}
