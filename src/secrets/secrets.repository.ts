import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import { Secret } from './secret.entity.js';

/** All an organization may have. */
export const MOST_SECRETS = 100;

export type ListedSecret = Omit<Secret, 'organization_id' | 'sealed_value'>;

export type SealedSecret = Pick<Secret, 'name' | 'sealed_value'> & {
  /** It is an hour since its use was noted, or longer. */
  is_use_stale: boolean;
};

const LISTED = 'name, set_by, set_at, last_used_at';

const IS_USE_STALE = `(last_used_at is null or last_used_at < now() - interval '1 hour')`;

@Injectable()
export class SecretsRepository {
  /** Null when the organization has as many others as it may; two at the same time may make one more. */
  async put(
    tx: Transaction,
    secret: Pick<Secret, 'organization_id' | 'name' | 'sealed_value' | 'set_by'>,
  ): Promise<ListedSecret | null> {
    const { organization_id, name, sealed_value, set_by } = secret;
    const rows: ListedSecret[] = await tx.query(
      `insert into secrets (organization_id, name, sealed_value, set_by)
       select $1::uuid, $2::text, $3, $4::uuid
       where (select count(*) from secrets where organization_id = $1 and name <> $2) < $5
       on conflict (organization_id, name) do update
         set sealed_value = excluded.sealed_value, set_by = excluded.set_by, set_at = now()
       returning ${LISTED}`,
      [organization_id, name, sealed_value, set_by, MOST_SECRETS],
    );
    return rows[0] ?? null;
  }

  /** By name; starts just after the name `after`. */
  list(tx: Transaction, organizationId: string, after: string | undefined, limit: number): Promise<ListedSecret[]> {
    return tx.query(
      `select ${LISTED} from secrets where organization_id = $1 and ($2::text is null or name collate "C" > $2)
       order by name collate "C" limit $3`,
      [organizationId, after ?? null, limit],
    );
  }

  /** @throws not found, also for a secret of another organization. */
  async delete(tx: Transaction, organizationId: string, name: string): Promise<void> {
    const { affected } = await tx.delete(Secret, { organization_id: organizationId, name });
    if (affected !== 1) throw notFound('secret', name);
  }

  /** Those of the names that there are. */
  findSealed(tx: Transaction, organizationId: string, names: readonly string[]): Promise<SealedSecret[]> {
    return tx.query(
      `select name, sealed_value, ${IS_USE_STALE} as is_use_stale from secrets
       where organization_id = $1 and name = any($2::text[])`,
      [organizationId, names],
    );
  }

  /** Where another notes the same at this moment, that is enough. */
  async noteUse(tx: Transaction, organizationId: string, names: readonly string[]): Promise<void> {
    await tx.query(
      `with used as materialized (
         select name from secrets where organization_id = $1 and name = any($2::text[]) and ${IS_USE_STALE}
         for update skip locked
       )
       update secrets set last_used_at = now() from used where organization_id = $1 and secrets.name = used.name`,
      [organizationId, names],
    );
  }
}
