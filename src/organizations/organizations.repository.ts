import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import type { Role } from '../platform/http/permissions.js';
import { Membership } from './membership.entity.js';
import { Organization } from './organization.entity.js';

/** An organization as one of its members sees it. */
interface OwnOrganization {
  id: string;
  name: string;
  role: Role;
  joined_at: Date;
}

@Injectable()
export class OrganizationsRepository {
  async insert(tx: Transaction, organization: Pick<Organization, 'id' | 'name'>): Promise<void> {
    await tx.insert(Organization, organization);
  }

  async insertMembership(tx: Transaction, membership: Omit<Membership, 'created_at'>): Promise<void> {
    await tx.insert(Membership, membership);
  }

  find(tx: Transaction, id: string): Promise<Organization | null> {
    return tx.findOneBy(Organization, { id });
  }

  findMembership(tx: Transaction, organizationId: string, userId: string): Promise<Membership | null> {
    return tx.findOneBy(Membership, { organization_id: organizationId, user_id: userId });
  }

  /** The membership a person has had longest: where they land when they sign in. */
  findFirstMembership(tx: Transaction, userId: string): Promise<Membership | null> {
    return tx.findOne(Membership, { where: { user_id: userId }, order: { created_at: 'ASC', organization_id: 'ASC' } });
  }

  /** By id, which is the order in which they were made; starts just after `after`. */
  listOfMember(tx: Transaction, userId: string, after: string | undefined, limit: number): Promise<OwnOrganization[]> {
    return tx.query(
      `select o.id, o.name, m.role, m.created_at as joined_at
       from memberships m join organizations o on o.id = m.organization_id
       where m.user_id = $1 and ($2::uuid is null or o.id > $2)
       order by o.id limit $3`,
      [userId, after ?? null, limit],
    );
  }
}
