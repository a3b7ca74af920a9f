import { Injectable } from '@nestjs/common';
import { AuditService } from '../audit/audit.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError, notFound } from '../platform/errors/domain-error.js';
import { permissionMissing } from '../platform/http/permission.guard.js';
import { type Role, ROLE_PERMISSIONS } from '../platform/http/permissions.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { judgeRoleChange } from './judge-role-change.js';
import type { AddMemberBody } from './members.dto.js';
import { type Member, MembersRepository } from './members.repository.js';

@Injectable()
export class MembersService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: MembersRepository,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
  ) {}

  async list(organizationId: string, page: { cursor?: string | undefined; limit: number }) {
    const list = `members:${organizationId}`;
    const after = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read((tx) => this.repository.list(tx, organizationId, after, page.limit + 1));
    return this.cursors.page(list, rows, page.limit, (member) => member.user_id);
  }

  /** @throws DomainError USER_UNKNOWN, ALREADY_MEMBER, OWNER_REQUIRED, PERMISSION_MISSING */
  add(actor: Actor, principal: Principal, { email, role }: AddMemberBody): Promise<Member> {
    const { organization_id } = principal;
    return this.transactions.run(async (tx) => {
      await this.repository.lockRoles(tx, organization_id);
      await this.admit(tx, principal, { user_id: null, from: null, to: role });
      const account = await this.repository.findAccount(tx, email);
      if (!account) throw userUnknown();
      if (!(await this.repository.insert(tx, organization_id, account.id, role))) throw alreadyMember();
      const member = await this.get(tx, organization_id, account.id);
      await this.record(tx, actor, principal, 'member.added', account.id, { role });
      return member;
    });
  }

  /** @throws DomainError NOT_FOUND, LAST_OWNER, OWNER_REQUIRED, PERMISSION_MISSING */
  changeRole(actor: Actor, principal: Principal, userId: string, to: Role): Promise<Member> {
    const { organization_id } = principal;
    return this.transactions.run(async (tx) => {
      await this.repository.lockRoles(tx, organization_id);
      const member = await this.get(tx, organization_id, userId);
      const { role: from } = member;
      await this.admit(tx, principal, { user_id: userId, from, to });
      if (from === to) return member;
      await this.repository.changeRole(tx, organization_id, userId, from, to);
      await this.record(tx, actor, principal, 'member.role_changed', userId, { from, to });
      return { ...member, role: to };
    });
  }

  /** @throws DomainError NOT_FOUND, LAST_OWNER, OWNER_REQUIRED, PERMISSION_MISSING */
  remove(actor: Actor, principal: Principal, userId: string): Promise<void> {
    const { organization_id } = principal;
    return this.transactions.run(async (tx) => {
      await this.repository.lockRoles(tx, organization_id);
      const { role } = await this.get(tx, organization_id, userId);
      await this.admit(tx, principal, { user_id: userId, from: role, to: null });
      await this.repository.delete(tx, organization_id, userId);
      const action = userId === principal.user_id ? 'member.left' : 'member.removed';
      await this.record(tx, actor, principal, action, userId, { role });
    });
  }

  /** By the roles as they are under `lockRoles`: while the request waited for it, who asks may have lost theirs. */
  private async admit(
    tx: Transaction,
    principal: Principal,
    change: { user_id: string | null; from: Role | null; to: Role | null },
  ): Promise<void> {
    const { by, owners } = await this.repository.readRoles(tx, principal.organization_id, principal.user_id);
    const themselves = change.user_id === principal.user_id;
    const leaves = themselves && change.to === null && principal.session_id !== null;
    if (!leaves && !mayManage(principal, by)) throw permissionMissing('organization:manage', principal);
    const refusal = judgeRoleChange({ by, themselves, from: change.from, to: change.to, owners });
    if (refusal) throw refusal;
  }

  private async get(tx: Transaction, organizationId: string, userId: string): Promise<Member> {
    const member = await this.repository.find(tx, organizationId, userId);
    if (!member) throw notFound('member', userId);
    return member;
  }

  private record(
    tx: Transaction,
    actor: Actor,
    { organization_id }: Principal,
    action: string,
    userId: string,
    details: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(tx, actor, { organization_id, action, subject: { type: 'member', id: userId }, details });
  }
}

/** With an API key its scopes must allow it, too. */
function mayManage({ permissions }: Principal, role: Role | null): boolean {
  return (
    permissions.has('organization:manage') && role !== null && ROLE_PERMISSIONS[role].includes('organization:manage')
  );
}

function userUnknown(): DomainError {
  const message = 'Nobody has an account with this e-mail. Ask them to register, then add them.';
  return new DomainError('invalid', 'USER_UNKNOWN', message, {
    errors: [{ pointer: '/email', code: 'USER_UNKNOWN', message: 'has no account' }],
  });
}

function alreadyMember(): DomainError {
  const message = 'This person is a member already. Change their role instead.';
  return new DomainError('conflict', 'ALREADY_MEMBER', message);
}
