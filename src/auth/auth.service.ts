import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { AuditService } from '../audit/audit.service.js';
import { Settings } from '../config/settings.js';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { AccountsService } from './accounts.service.js';
import type { LoginBody, PasswordGrantBody, RegisterBody } from './auth.dto.js';
import { SessionsService, type Tokens } from './sessions.service.js';
import type { User } from './user.entity.js';

/** Well over what either refusal takes (about 60 ms), so that both are answered after the same time. */
const REFUSAL_MS = 250;

@Injectable()
export class AuthService {
  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly accounts: AccountsService,
    private readonly organizations: OrganizationsService,
    private readonly sessions: SessionsService,
    private readonly audit: AuditService,
  ) {}

  /**
   * A new account that owns a new organization, signed in.
   * @throws DomainError REGISTRATION_CLOSED, PASSWORD_REFUSED, EMAIL_TAKEN, BUSY
   */
  async register(actor: Actor, body: RegisterBody) {
    if (this.settings.REGISTRATION === 'closed') throw registrationClosed();
    const { email, name, organization_name = `${name}’s organization` } = body;
    const password_hash = await this.accounts.hashNewPassword(body.password, body);
    const created = await this.transactions.run(async (tx) => {
      const organization = await this.organizations.createOrganization(tx, organization_name);
      const organization_id = organization.id;
      const user = await this.accounts.createMember(tx, { email, name, password_hash, organization_id, role: 'owner' });
      const themselves = { ...actor, id: user.id };
      const subject = { type: 'user', id: user.id };
      await this.audit.record(tx, themselves, { organization_id, action: 'user.registered', subject });
      const grant = await this.sessions.start(tx, themselves, { user_id: user.id, organization_id });
      return { grant, user, organization };
    });
    return {
      user: created.user,
      organization: created.organization,
      ...(await this.sessions.issueTokens(created.grant)),
    };
  }

  /** @throws DomainError INVALID_CREDENTIALS, the same for a wrong password and an unknown e-mail; NO_ORGANIZATION, BUSY */
  async logIn(actor: Actor, { email, password, organization_id }: LoginBody): Promise<Tokens> {
    const earliestRefusal = performance.now() + REFUSAL_MS;
    const { user, correct } = await this.accounts.verifyPassword(email, password);
    if (user && correct) return this.startSession(actor, user, organization_id);
    if (user) await this.recordRefusal(actor, user);
    await sleep(Math.max(0, earliestRefusal - performance.now()));
    throw new DomainError('unauthenticated', 'INVALID_CREDENTIALS', 'E-mail or password is wrong. Check both.');
  }

  /**
   * The password form of OAuth 2.0, which RFC 9700 §2.4 rules out: for Swagger UI and only where PASSWORD_GRANT is on.
   * @throws DomainError as `logIn` does; ROUTE_NOT_FOUND where it is off.
   */
  logInByForm(actor: Actor, body: PasswordGrantBody): Promise<Tokens> {
    if (!this.settings.PASSWORD_GRANT) {
      throw new DomainError('not_found', 'ROUTE_NOT_FOUND', 'The password form is off here. Use /api/auth/login.');
    }
    return this.logIn(actor, { email: body.username, password: body.password });
  }

  async describe(principal: Principal) {
    const { user_id: id, email, name, organization_id, role, permissions } = principal;
    const organization = await this.organizations.get(organization_id);
    return { user: { id, email, name }, organization, role, permissions: [...permissions] };
  }

  private async startSession(actor: Actor, user: User, wanted: string | undefined): Promise<Tokens> {
    const grant = await this.transactions.run(async (tx) => {
      const organization_id = await this.placeOf(tx, user.id, wanted);
      return this.sessions.start(tx, actor, { user_id: user.id, organization_id });
    });
    return this.sessions.issueTokens(grant);
  }

  private async placeOf(tx: Transaction, userId: string, wanted: string | undefined): Promise<string> {
    if (wanted !== undefined) {
      if (await this.organizations.findRole(tx, wanted, userId)) return wanted;
      throw notThere(wanted);
    }
    const home = await this.organizations.findHome(tx, userId);
    if (!home) throw noOrganization();
    return home.organization_id;
  }

  /** Who tried is not known, so the record names no actor, only the account that was tried. */
  private recordRefusal(actor: Actor, user: User): Promise<void> {
    return this.transactions.run(async (tx) => {
      const home = await this.organizations.findHome(tx, user.id);
      if (!home) return;
      const subject = { type: 'user', id: user.id };
      const { organization_id } = home;
      await this.audit.record(tx, actor, { organization_id, action: 'session.refused', subject });
    });
  }
}

function registrationClosed(): DomainError {
  const message = 'Nobody can register here (REGISTRATION=closed). Ask an admin of your organization for an account.';
  return new DomainError('forbidden', 'REGISTRATION_CLOSED', message);
}

/** The same for an organization that is not there as for one that is another's. */
function notThere(organizationId: string): DomainError {
  const message = `This account does not belong to the organization ${organizationId}. Leave organization_id out, or ask an admin to be added.`;
  return new DomainError('forbidden', 'NO_ORGANIZATION', message);
}

function noOrganization(): DomainError {
  const message = 'This account belongs to no organization any more. Ask an admin to be added.';
  return new DomainError('forbidden', 'NO_ORGANIZATION', message);
}
