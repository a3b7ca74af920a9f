import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError, notFound } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { CheckpointRepository } from './checkpoint.repository.js';
import type { Delegation } from './delegation.entity.js';
import { DelegationsRepository } from './delegations.repository.js';

export interface GivenDelegation {
  /** Oneself where left out; somebody else's is an admin's to give. */
  from_user?: string | undefined;
  to_user: string;
  /** Now where left out. */
  starts_at?: Date | undefined;
  ends_at: Date;
  comment?: string | undefined;
}

/** At most this long: whoever is away longer hands their work over for good. */
const MAX_DAYS = 366;

/** Who stands in for whom, for a time. What it admits is judged at each decision. */
@Injectable()
export class DelegationsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: DelegationsRepository,
    private readonly checkpoints: CheckpointRepository,
    private readonly organizations: OrganizationsService,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
  ) {}

  /** @throws DomainError not found; SESSION_REQUIRED; PERMISSION_MISSING; DELEGATION_PERIOD; DELEGATION_TO_SELF */
  create(principal: Principal, actor: Actor, given: GivenDelegation): Promise<Delegation> {
    const { organization_id, user_id: created_by } = principal;
    const { from_user = created_by, to_user, ends_at, comment = null } = given;
    mustBeInPerson(principal);
    mustManage(principal, from_user);
    if (from_user === to_user) throw invalid('DELEGATION_TO_SELF', 'Name somebody else in to_user.');
    return this.transactions.run(async (tx) => {
      await this.mustBeMembers(tx, organization_id, [from_user, to_user]);
      const starts_at = given.starts_at ?? (await this.checkpoints.readClock(tx));
      mustBePeriod(starts_at, ends_at);
      const id = uuidv7();
      const row = { id, organization_id, from_user, to_user, starts_at, ends_at, comment, created_by };
      await this.repository.insert(tx, row);
      await this.record(tx, actor, organization_id, 'delegation.created', id, {
        from_user,
        to_user,
        starts_at,
        ends_at,
      });
      return this.getIn(tx, organization_id, id);
    });
  }

  /** Those of the person; with `all`, which is an admin's, those of everybody. */
  async list(principal: Principal, all: boolean, page: { cursor?: string | undefined; limit: number }) {
    if (all) mustManage(principal, null);
    const list = `delegations:${principal.organization_id}:${all ? '' : principal.user_id}`;
    const before = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read((tx) =>
      this.repository.list(tx, principal.organization_id, all ? null : principal.user_id, {
        before,
        limit: page.limit + 1,
      }),
    );
    return this.cursors.page(list, rows, page.limit, ({ id }) => id);
  }

  /** Ends it now; whoever gave it, whoever got it, and an admin may. */
  revoke(principal: Principal, actor: Actor, id: string): Promise<Delegation> {
    const { organization_id, user_id } = principal;
    return this.transactions.run(async (tx) => {
      const { from_user, to_user } = await this.getIn(tx, organization_id, id);
      if (user_id !== to_user) mustManage(principal, from_user);
      if (await this.repository.revoke(tx, id)) {
        await this.record(tx, actor, organization_id, 'delegation.revoked', id, { from_user, to_user });
      }
      return this.getIn(tx, organization_id, id);
    });
  }

  private async getIn(tx: Transaction, organizationId: string, id: string): Promise<Delegation> {
    const delegation = await this.repository.get(tx, organizationId, id);
    if (!delegation) throw notFound('delegation', id);
    return delegation;
  }

  private async mustBeMembers(tx: Transaction, organizationId: string, userIds: string[]): Promise<void> {
    for (const id of userIds) {
      if (!(await this.organizations.findStanding(tx, organizationId, id))) throw notFound('member', id);
    }
  }

  private async record(
    tx: Transaction,
    actor: Actor,
    organization_id: string,
    action: string,
    id: string,
    details: Record<string, unknown>,
  ): Promise<void> {
    const plain = JSON.parse(JSON.stringify(details)) as Record<string, unknown>;
    await this.audit.record(tx, actor, {
      organization_id,
      action,
      subject: { type: 'delegation', id },
      details: plain,
    });
  }
}

/** Whoever stands in is no API key any more: it would decide what the workflow keeps from keys. */
function mustBeInPerson({ authenticated_by }: Principal): void {
  if (authenticated_by !== 'api_key') return;
  const message = 'An API key cannot delegate. Sign in, and send the access token of the session.';
  throw new DomainError('forbidden', 'SESSION_REQUIRED', message);
}

function mustManage({ user_id, permissions }: Principal, owner: string | null): void {
  if (owner === user_id || permissions.has('organization:manage')) return;
  const message = 'Delegations of others need the permission organization:manage. Ask an admin.';
  throw new DomainError('forbidden', 'PERMISSION_MISSING', message);
}

function mustBePeriod(from: Date, to: Date): void {
  if (to > from && to.getTime() - from.getTime() <= MAX_DAYS * 86_400_000) return;
  throw invalid('DELEGATION_PERIOD', `ends_at lies after starts_at, by at most ${MAX_DAYS} days.`);
}

const invalid = (code: string, message: string) => new DomainError('invalid', code, message);
