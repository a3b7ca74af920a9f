import { Injectable, type OnModuleInit } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { Settings } from '../config/settings.js';
import { NotificationsService } from '../notifications/notifications.service.js';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError, notFound } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { ROLE_PERMISSIONS } from '../platform/http/permissions.js';
import { permissionMissing } from '../platform/http/permission.guard.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { SignedToken } from '../platform/http/signed-token.js';
import type { Checkpoint } from './checkpoint.entity.js';
import { CheckpointRepository, type Sight } from './checkpoint.repository.js';
import { type Claimant, claimantOf } from './deciders.service.js';
import type { DecisionLink } from './decision-link.entity.js';
import { DecisionLinksRepository, type KnownLink } from './decision-links.repository.js';
import { DecisionsService } from './decisions.service.js';
import { endOf, HandlingService } from './handling.service.js';

/** No other token of the product opens a page of decision. */
const PURPOSE = 'decision link';

/** Notices that ask for a decision. */
const ASKS = new Set(['opened', 'reminded', 'escalated', 'reassigned'].map((what) => `checkpoint.${what}`));

const DAY_SECONDS = 86_400;
const USUAL_SECONDS = 3 * DAY_SECONDS;
const LONGEST_SECONDS = 30 * DAY_SECONDS;

export interface AskedLink {
  user_id?: string | undefined;
  expires_in_seconds: number;
}

/** What a token opens. Anything that was not issued here looks like a link that is gone. */
export type FoundLink =
  { state: 'unknown'; link: null } | { state: 'open' | 'expired' | 'revoked' | 'used'; link: KnownLink };

/** Links that decide once: making, listing, revoking them, and finding the one that a token means. */
@Injectable()
export class DecisionLinksService implements OnModuleInit {
  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: DecisionLinksRepository,
    private readonly checkpoints: CheckpointRepository,
    private readonly decisions: DecisionsService,
    private readonly handling: HandlingService,
    private readonly organizations: OrganizationsService,
    private readonly audit: AuditService,
    private readonly tokens: SignedToken,
    private readonly cursors: SignedCursor,
    private readonly notifications: NotificationsService,
  ) {}

  /** Mail that asks somebody to decide brings a link of their own, where the definition admits it. */
  onModuleInit(): void {
    this.notifications.registerLinks(async ({ type, organization_id, subject }, { user_id }) =>
      ASKS.has(type) ? this.makeFor(organization_id, subject.id, user_id) : null,
    );
  }

  /**
   * Makes one and says its address, this once.
   * @throws DomainError not found; CHECKPOINT_CLOSED; LINK_MAY_NOT_DECIDE, API_KEY_MAY_NOT_DECIDE, LINK_FOR_ANOTHER,
   * PERMISSION_MISSING, and what the gate says to somebody who could not decide it themselves
   */
  async make(principal: Principal, actor: Actor, checkpointId: string, asked: AskedLink) {
    const { organization_id, user_id: created_by } = principal;
    const claimant = claimantOf(principal, actor);
    const user_id = asked.user_id ?? null;
    const id = uuidv7();
    let expires_at = new Date(0);
    await this.handling.handle(claimant, checkpointId, 'link_made', async (tx, sight) => {
      if (user_id !== null) await this.mustBeMember(tx, organization_id, user_id);
      const refusal =
        refusalOf(sight.checkpoint, principal, user_id) ??
        (await this.refuseOther(tx, sight, claimant, principal, user_id));
      if (refusal) return { refusal };
      expires_at = after(sight.now, asked.expires_in_seconds);
      await this.repository.insert(tx, {
        id,
        organization_id,
        checkpoint_id: checkpointId,
        user_id,
        created_by,
        expires_at,
      });
      return { data: { link_id: id, user_id, expires_at: expires_at.toISOString() }, act: {} };
    });
    return { id, url: this.urlOf(id, expires_at), expires_at, user_id };
  }

  /**
   * For a notice to a member, the same for notices that follow each other; null where links do not decide here, or nothing is
   * left to decide.
   */
  makeFor(organizationId: string, checkpointId: string, userId: string): Promise<string | null> {
    return this.transactions.run(async (tx) => {
      const sight = await this.checkpoints.find(tx, organizationId, checkpointId);
      if (sight?.checkpoint.status !== 'open') return null;
      const { checkpoint, now } = sight;
      if (checkpoint.policy.allow_links === 'no') return null;
      if (!(await this.organizations.findStanding(tx, organizationId, userId))) return null;
      const sent = await this.repository.findOfNotice(tx, checkpointId, userId);
      if (sent) return this.urlOf(sent.id, sent.expires_at);
      const [id, expires_at] = [uuidv7(), expiryOfNotice(checkpoint, now)];
      const owner = { organization_id: organizationId, user_id: userId, created_by: null };
      await this.repository.insert(tx, { id, checkpoint_id: checkpointId, expires_at, ...owner });
      return this.urlOf(id, expires_at);
    });
  }

  /** Without their addresses; all for an admin, for others those that are for them or that they made. */
  async list(principal: Principal, checkpointId: string, page: { cursor?: string | undefined; limit: number }) {
    const owner = manages(principal) ? null : principal.user_id;
    const list = `decision-links:${checkpointId}:${owner ?? ''}`;
    const before = this.cursors.decode(list, page.cursor);
    const rows = await this.transactions.read(async (tx) => {
      await this.checkpoints.getExecutionId(tx, principal.organization_id, checkpointId);
      return this.repository.list(tx, checkpointId, owner, { before, limit: page.limit + 1 });
    });
    return this.cursors.page(list, rows, page.limit, ({ id }) => id);
  }

  /** It opens nothing any more. One that was used or revoked stays as it is. */
  revoke(principal: Principal, actor: Actor, id: string): Promise<DecisionLink> {
    const { organization_id } = principal;
    return this.transactions.run(async (tx) => {
      const { checkpoint_id, user_id } = await this.getOwn(tx, principal, id);
      if (await this.repository.revoke(tx, id)) {
        const subject = { type: 'checkpoint', id: checkpoint_id };
        const details = { link_id: id, user_id };
        await this.audit.record(tx, actor, { organization_id, action: 'checkpoint.link_revoked', subject, details });
      }
      return this.getOwn(tx, principal, id);
    });
  }

  /** Reads only. The moment of expiry is signed, and judged by the database's clock. */
  async find(tx: Transaction, token: string): Promise<FoundLink> {
    const opened = this.tokens.open(PURPOSE, token);
    const link = opened && (await this.repository.find(tx, opened.claims as string));
    if (!link) return { state: 'unknown', link: null };
    if (link.used_at) return { state: 'used', link };
    if (link.revoked_at || !isVouchedFor(link)) return { state: 'revoked', link };
    return { state: link.now < opened.expiresAt && link.now < link.expires_at ? 'open' : 'expired', link };
  }

  /**
   * In the transaction of the decision that it made.
   * @throws DomainError LINK_SPENT, which undoes that decision, where somebody else used or revoked it meanwhile
   */
  async use(tx: Transaction, id: string): Promise<void> {
    if (await this.repository.use(tx, id)) return;
    const message = 'This link was used, revoked or ran out meanwhile. Ask for another one, or sign in and decide.';
    throw new DomainError('conflict', 'LINK_SPENT', message);
  }

  private async refuseOther(
    tx: Transaction,
    sight: Sight,
    claimant: Claimant,
    principal: Principal,
    userId: string | null,
  ) {
    if (manages(principal) || userId === principal.user_id) return null;
    if (userId !== null) return othersAreAdmins();
    const preview = await this.decisions.preview(tx, sight, claimant);
    return preview.some(({ refusal }) => refusal === null) ? null : (preview[0]?.refusal ?? othersAreAdmins());
  }

  private async mustBeMember(tx: Transaction, organizationId: string, userId: string): Promise<void> {
    if (!(await this.organizations.findStanding(tx, organizationId, userId))) throw notFound('member', userId);
  }

  private async getOwn(tx: Transaction, principal: Principal, id: string): Promise<DecisionLink> {
    const link = await this.repository.get(tx, principal.organization_id, id);
    const isOwn = link?.user_id === principal.user_id || link?.created_by === principal.user_id;
    if (!link || !(isOwn || manages(principal))) throw notFound('decision link', id);
    return link;
  }

  private urlOf(id: string, expiresAt: Date): string {
    const path = `/decide/${this.tokens.issue(PURPOSE, id, expiresAt)}`;
    return `${(this.settings.PUBLIC_URL ?? '').replace(/\/+$/, '')}${path}`;
  }
}

/** A link for nobody with an account stands on whoever made it: it ends, as their API keys do, when they could not make it now. */
function isVouchedFor({ user_id, maker_role }: KnownLink): boolean {
  return user_id !== null || (maker_role !== null && ROLE_PERMISSIONS[maker_role].includes('checkpoint:decide'));
}

const manages = ({ permissions }: Principal) => permissions.has('organization:manage');

/** Whole seconds, as the token says it. */
function after(now: Date, seconds: number): Date {
  return new Date(Math.floor(now.getTime() / 1000 + seconds) * 1000);
}

/** A day past the due moment, for whoever comes late where that still counts. */
function expiryOfNotice({ due_at }: Checkpoint, now: Date): Date {
  const seconds = due_at ? (due_at.getTime() - now.getTime()) / 1000 + DAY_SECONDS : USUAL_SECONDS;
  return after(now, seconds > 0 ? Math.min(seconds, LONGEST_SECONDS) : USUAL_SECONDS);
}

const forbidden = (code: string, message: string) => new DomainError('forbidden', code, message);

/** What nobody can do here, whoever they are. */
function refusalOf(checkpoint: Checkpoint, principal: Principal, userId: string | null): DomainError | null {
  const { policy } = checkpoint;
  const end = endOf(checkpoint);
  if (end) return end;
  if (policy.allow_links === 'no' || (userId === null && policy.allow_links !== 'anyone')) {
    const who = userId === null ? 'links for people without an account' : 'links';
    return forbidden('LINK_MAY_NOT_DECIDE', `The workflow does not let ${who} decide here. Sign in and decide.`);
  }
  if (principal.authenticated_by === 'api_key') {
    const message = 'The workflow wants people here, and with a link the API key could decide. Sign in to make it.';
    if (!policy.allow_api_keys) return forbidden('API_KEY_MAY_NOT_DECIDE', message);
    // By a link the scopes of the key that made it are not known any more.
    if (!principal.permissions.has('checkpoint:decide')) return permissionMissing('checkpoint:decide', principal);
  }
  if (userId !== null && userId !== principal.user_id && wantsDifferentPeople(checkpoint)) {
    const message = 'It takes different people here, so each makes a link for themselves. Ask them to sign in.';
    return forbidden('LINK_FOR_ANOTHER', message);
  }
  return null;
}

/** Whoever makes a link can use it: one admin could be several people, or the colleague that four-eyes asks for. */
function wantsDifferentPeople({ policy }: Checkpoint): boolean {
  return policy.not_requester || policy.not_same_as.length > 0 || policy.actions.some(({ quorum }) => quorum > 1);
}

function othersAreAdmins(): DomainError {
  const message = 'Links for others need the permission organization:manage. Ask an admin.';
  return new DomainError('forbidden', 'PERMISSION_MISSING', message);
}
