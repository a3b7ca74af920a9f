import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { notFound } from '../platform/errors/domain-error.js';
import type { Actor } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { type CountedGroup, GroupsRepository } from './groups.repository.js';
import { MembersRepository } from './members.repository.js';

interface Page {
  cursor?: string | undefined;
  limit: number;
}

@Injectable()
export class GroupsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: GroupsRepository,
    private readonly members: MembersRepository,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
  ) {}

  async list(organizationId: string, page: Page) {
    const list = `groups:${organizationId}`;
    const after = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read((tx) => this.repository.list(tx, organizationId, after, page.limit + 1));
    return this.cursors.page(list, rows, page.limit, (group) => group.key);
  }

  /** @throws DomainError GROUP_NAME_TAKEN */
  create(actor: Actor, organizationId: string, name: string): Promise<CountedGroup> {
    const id = uuidv7();
    return this.transactions.run(async (tx) => {
      await this.repository.insert(tx, organizationId, id, name);
      const group = await this.get(tx, organizationId, id);
      await this.record(tx, actor, organizationId, 'group.created', id, { name });
      return group;
    });
  }

  /** @throws DomainError NOT_FOUND, GROUP_NAME_TAKEN */
  rename(actor: Actor, organizationId: string, id: string, name: string): Promise<CountedGroup> {
    return this.transactions.run(async (tx) => {
      const group = await this.lock(tx, organizationId, id);
      if (group.name === name) return group;
      await this.repository.rename(tx, organizationId, id, name);
      await this.record(tx, actor, organizationId, 'group.renamed', id, { from: group.name, to: name });
      return { ...group, name };
    });
  }

  /** @throws DomainError NOT_FOUND */
  delete(actor: Actor, organizationId: string, id: string): Promise<void> {
    return this.transactions.run(async (tx) => {
      const { name, members } = await this.lock(tx, organizationId, id);
      await this.repository.delete(tx, organizationId, id);
      await this.record(tx, actor, organizationId, 'group.deleted', id, { name, members });
    });
  }

  /** @throws DomainError NOT_FOUND */
  async listMembers(organizationId: string, id: string, page: Page) {
    const list = `group-members:${organizationId}:${id}`;
    const after = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read(async (tx) => {
      await this.get(tx, organizationId, id);
      return this.repository.listMembers(tx, organizationId, id, after, page.limit + 1);
    });
    return this.cursors.page(list, rows, page.limit, (member) => member.user_id);
  }

  /**
   * Does nothing when they are in it already.
   * @throws DomainError NOT_FOUND when there is no such group, or the person is no member of the organization.
   */
  addMember(actor: Actor, organizationId: string, id: string, userId: string): Promise<void> {
    return this.transactions.run(async (tx) => {
      const { name } = await this.lock(tx, organizationId, id);
      const isMember = await this.members.lockMembership(tx, organizationId, userId);
      if (!isMember) throw notFound('member', userId);
      const added = await this.repository.insertMember(tx, organizationId, id, userId);
      if (added) await this.record(tx, actor, organizationId, 'group.member_added', id, { name, user_id: userId });
    });
  }

  /** @throws DomainError NOT_FOUND when there is no such group, or the person is not in it. */
  removeMember(actor: Actor, organizationId: string, id: string, userId: string): Promise<void> {
    return this.transactions.run(async (tx) => {
      const { name } = await this.lock(tx, organizationId, id);
      const removed = await this.repository.deleteMember(tx, organizationId, id, userId);
      if (!removed) throw notFound('member', userId);
      await this.record(tx, actor, organizationId, 'group.member_removed', id, { name, user_id: userId });
    });
  }

  private async lock(tx: Transaction, organizationId: string, id: string): Promise<CountedGroup> {
    await this.repository.lock(tx, organizationId, id);
    return this.get(tx, organizationId, id);
  }

  private async get(tx: Transaction, organizationId: string, id: string): Promise<CountedGroup> {
    const group = await this.repository.find(tx, organizationId, id);
    if (!group) throw notFound('group', id);
    return group;
  }

  private record(
    tx: Transaction,
    actor: Actor,
    organization_id: string,
    action: string,
    id: string,
    details: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, actor, { organization_id, action, subject: { type: 'group', id }, details });
  }
}
