import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import type { Role } from '../platform/http/permissions.js';
import { DecisionLink } from './decision-link.entity.js';

/** A link with what its page tells of it, by the database's clock. */
export interface KnownLink extends DecisionLink {
  now: Date;
  /** Of the member as whom it decides; null without one. */
  user_name: string | null;
  email: string | null;
  /** They belong to the organization now. */
  is_member: boolean;
  /** Of whoever made it, now; null: nobody did, or they left. */
  maker_role: Role | null;
  organization_name: string;
  /** Who started the execution; null: nobody with an account. */
  requester_name: string | null;
}

@Injectable()
export class DecisionLinksRepository {
  async insert(tx: Transaction, link: Omit<DecisionLink, 'created_at' | 'used_at' | 'revoked_at'>): Promise<void> {
    await tx.insert(DecisionLink, link);
  }

  get(tx: Transaction, organizationId: string, id: string): Promise<DecisionLink | null> {
    return tx.findOneBy(DecisionLink, { id, organization_id: organizationId });
  }

  async find(tx: Transaction, id: string): Promise<KnownLink | null> {
    const rows: KnownLink[] = await tx.query(
      `select l.*, date_trunc('milliseconds', clock_timestamp()) as now, u.name as user_name, u.email,
              m.user_id is not null as is_member, maker.role as maker_role, o.name as organization_name, r.name as requester_name
       from decision_links l
       join organizations o on o.id = l.organization_id
       join checkpoints c on c.id = l.checkpoint_id
       left join users u on u.id = l.user_id
       left join memberships m on m.organization_id = l.organization_id and m.user_id = l.user_id
       left join memberships maker on maker.organization_id = l.organization_id and maker.user_id = l.created_by
       left join users r on r.id = c.requested_by
       where l.id = $1`,
      [id],
    );
    return rows[0] ?? null;
  }

  /** Of a checkpoint, the newest first; with a person, those that are for them or that they made. */
  list(
    tx: Transaction,
    checkpointId: string,
    userId: string | null,
    page: { before: string | undefined; limit: number },
  ): Promise<DecisionLink[]> {
    const query = tx
      .createQueryBuilder(DecisionLink, 'link')
      .where('link.checkpoint_id = :checkpointId', { checkpointId })
      .orderBy('link.id', 'DESC')
      .limit(page.limit);
    if (userId) query.andWhere('(link.user_id = :userId OR link.created_by = :userId)', { userId });
    if (page.before) query.andWhere('link.id < :before', { before: page.before });
    return query.getMany();
  }

  /** One that came with an earlier notice and is good for another hour. */
  async findOfNotice(tx: Transaction, checkpointId: string, userId: string): Promise<DecisionLink | null> {
    const rows: DecisionLink[] = await tx.query(
      `select * from decision_links
       where checkpoint_id = $1 and user_id = $2 and created_by is null and used_at is null and revoked_at is null
         and expires_at > clock_timestamp() + interval '1 hour'
       order by id desc limit 1`,
      [checkpointId, userId],
    );
    return rows[0] ?? null;
  }

  /** True for exactly one caller, and only while it is good. */
  async use(tx: Transaction, id: string): Promise<boolean> {
    const [, count]: [unknown, number] = await tx.query(
      `update decision_links set used_at = clock_timestamp()
       where id = $1 and used_at is null and revoked_at is null and expires_at > clock_timestamp()`,
      [id],
    );
    return count === 1;
  }

  /** False when it was used or revoked already. */
  async revoke(tx: Transaction, id: string): Promise<boolean> {
    const [, count]: [unknown, number] = await tx.query(
      `update decision_links set revoked_at = clock_timestamp()
       where id = $1 and used_at is null and revoked_at is null`,
      [id],
    );
    return count === 1;
  }
}
