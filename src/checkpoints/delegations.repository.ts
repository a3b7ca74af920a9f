import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { Delegation } from './delegation.entity.js';

@Injectable()
export class DelegationsRepository {
  async insert(tx: Transaction, delegation: Partial<Delegation>): Promise<void> {
    await tx.insert(Delegation, delegation);
  }

  get(tx: Transaction, organizationId: string, id: string): Promise<Delegation | null> {
    return tx.findOneBy(Delegation, { id, organization_id: organizationId });
  }

  /** Given or received by the person, the newest first; those of everybody where null. */
  list(
    tx: Transaction,
    organizationId: string,
    userId: string | null,
    page: { before: string | undefined; limit: number },
  ): Promise<Delegation[]> {
    const query = tx
      .createQueryBuilder(Delegation, 'delegation')
      .where('delegation.organization_id = :organizationId', { organizationId })
      .orderBy('delegation.id', 'DESC')
      .limit(page.limit);
    if (userId) query.andWhere('(delegation.from_user = :userId OR delegation.to_user = :userId)', { userId });
    if (page.before) query.andWhere('delegation.id < :before', { before: page.before });
    return query.getMany();
  }

  /** Whom the person stands in for now, the earliest delegation first. */
  async listDelegators(tx: Transaction, organizationId: string, userId: string): Promise<string[]> {
    const rows: { from_user: string }[] = await tx.query(
      `select from_user, min(id::text) as first from delegations
       where organization_id = $1 and to_user = $2 and revoked_at is null
         and starts_at <= clock_timestamp() and ends_at > clock_timestamp()
       group by from_user order by first`,
      [organizationId, userId],
    );
    return rows.map(({ from_user }) => from_user);
  }

  /** False when it was already. */
  async revoke(tx: Transaction, id: string): Promise<boolean> {
    const [, count]: [unknown, number] = await tx.query(
      `update delegations set revoked_at = clock_timestamp() where id = $1 and revoked_at is null`,
      [id],
    );
    return count === 1;
  }
}
