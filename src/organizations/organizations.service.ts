import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import type { Role } from '../platform/http/permissions.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import type { Membership } from './membership.entity.js';
import type { Organization } from './organization.entity.js';
import { OrganizationsRepository } from './organizations.repository.js';

@Injectable()
export class OrganizationsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: OrganizationsRepository,
    private readonly cursors: SignedCursor,
  ) {}

  /** An organization without members; give it an owner in the same transaction. */
  async createOrganization(tx: Transaction, name: string): Promise<{ id: string; name: string }> {
    const organization = { id: uuidv7(), name };
    await this.repository.insert(tx, organization);
    return organization;
  }

  /** Fails on the primary key when the person already is a member: a person has one role in an organization. */
  async addMember(tx: Transaction, member: { organization_id: string; user_id: string; role: Role }): Promise<void> {
    await this.repository.insertMembership(tx, member);
  }

  /** Null when the person is no member. */
  async findRole(tx: Transaction, organizationId: string, userId: string): Promise<Role | null> {
    return (await this.repository.findMembership(tx, organizationId, userId))?.role ?? null;
  }

  /** The organization a person has belonged to longest; null when they belong to none. */
  findHome(tx: Transaction, userId: string): Promise<Membership | null> {
    return this.repository.findFirstMembership(tx, userId);
  }

  /** @throws DomainError NOT_FOUND */
  async get(organizationId: string): Promise<Organization> {
    const organization = await this.transactions.read((tx) => this.repository.find(tx, organizationId));
    if (!organization) throw notFound('organization', organizationId);
    return organization;
  }

  async listMembers(organizationId: string, page: { cursor?: string | undefined; limit: number }) {
    const list = `members:${organizationId}`;
    const after = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read((tx) =>
      this.repository.listMembers(tx, organizationId, after, page.limit + 1),
    );
    return this.cursors.page(list, rows, page.limit, (member) => member.user_id);
  }
}
