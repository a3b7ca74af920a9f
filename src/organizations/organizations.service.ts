import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import type { Role } from '../platform/http/permissions.js';
import type { Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { groupKey } from './group-key.js';
import { MembersRepository, type Standing } from './members.repository.js';
import type { Membership } from './membership.entity.js';
import type { Organization } from './organization.entity.js';
import { OrganizationsRepository } from './organizations.repository.js';

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

@Injectable()
export class OrganizationsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: OrganizationsRepository,
    private readonly members: MembersRepository,
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

  /** Who a member is, and what they may be asked for by: role, and the keys of their groups in order. Null: no member. */
  findStanding(tx: Transaction, organizationId: string, userId: string): Promise<Standing | null> {
    return this.members.findStanding(tx, organizationId, userId);
  }

  /**
   * Everybody whom any of these names means, once each, by user id. Users by id or e-mail; e-mails and groups in any case;
   * names of nobody mean nobody.
   */
  listMembersNamed(
    tx: Transaction,
    organizationId: string,
    names: { users: readonly string[]; roles: readonly string[]; groups: readonly string[] },
  ): Promise<{ user_id: string; email: string; name: string; role: Role }[]> {
    const users = names.users.map((user) => user.trim().toLowerCase());
    return this.members.listNamed(tx, organizationId, {
      user_ids: users.filter((user) => UUID.test(user)),
      emails: users.filter((user) => !UUID.test(user)),
      roles: [...names.roles],
      group_keys: names.groups.map(groupKey),
    });
  }

  async listOwn({ user_id, organization_id }: Principal, page: { cursor?: string | undefined; limit: number }) {
    const list = `organizations:${user_id}`;
    const after = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read((tx) => this.repository.listOfMember(tx, user_id, after, page.limit + 1));
    const { data, next_cursor } = this.cursors.page(list, rows, page.limit, ({ id }) => id);
    return { data: data.map((own) => Object.assign(own, { current: own.id === organization_id })), next_cursor };
  }
}
