import { Injectable } from '@nestjs/common';
import { OrganizationsService } from '../organizations/organizations.service.js';
import type { Transaction } from '../platform/database/transactions.js';
import { ROLE_PERMISSIONS, type Role } from '../platform/http/permissions.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { keysOf, type Standing } from './candidate-keys.js';
import type { EventActor } from './checkpoint-event.entity.js';
import { DelegationsRepository } from './delegations.repository.js';
import type { Way } from './decision.entity.js';
import type { Decider, Mandate } from './judge-decision.js';

/** Somebody who wants to do something with a checkpoint: who, and how they came. */
export interface Claimant {
  organization_id: string;
  /** Null: somebody without an account, or the clock. */
  user_id: string | null;
  email: string;
  name: string;
  /** Known from this very request; else null, and looked up. */
  role: Role | null;
  /** False: the name is what somebody without an account wrote. */
  verified: boolean;
  via: Way;
  /** Whether role and way of signing in admit deciding, where that is known from this very request; else it is looked up. */
  may_decide: boolean | null;
  /** The API key they came by. */
  api_key_id?: string;
  /** The decision link they came by. */
  link_id?: string;
  origin: Pick<EventActor, 'address' | 'user_agent' | 'request_id'>;
}

/** Who is asking, from what the database says of people now. */
@Injectable()
export class DecidersService {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly delegations: DelegationsRepository,
  ) {}

  /** As far as the request itself says; null where that is not enough to judge by. It saves looking up the rest. */
  glance(claimant: Claimant): Decider | null {
    const { organization_id, user_id, email, name, role, may_decide } = claimant;
    if (user_id === null) return { ...claimant, mandates: [unnamed(claimant)] };
    if (may_decide === null || role === null) return null;
    const keys = keysOf(organization_id, { user_id, email, role, groups: [] });
    return { ...claimant, mandates: [{ person: user_id, name, keys, may_decide }] };
  }

  /** With groups, and the colleagues who have delegated to them. */
  async find(tx: Transaction, claimant: Claimant): Promise<Decider> {
    const { organization_id, user_id, name } = claimant;
    if (user_id === null) return { ...claimant, mandates: [unnamed(claimant)] };
    const standing = await this.organizations.findStanding(tx, organization_id, user_id);
    const own = mandateOf(organization_id, standing, { user_id, name });
    const mandates = [{ ...own, may_decide: claimant.may_decide ?? own.may_decide }];
    for (const delegator of await this.delegations.listDelegators(tx, organization_id, user_id)) {
      const theirs = await this.organizations.findStanding(tx, organization_id, delegator);
      if (theirs) mandates.push(mandateOf(organization_id, theirs, theirs));
    }
    return { ...claimant, mandates };
  }
}

type Member = Standing & { name: string; role: Role };

function mandateOf(organizationId: string, standing: Member | null, who: { user_id: string; name: string }): Mandate {
  const keys = standing ? keysOf(organizationId, standing) : [];
  const may_decide = standing !== null && ROLE_PERMISSIONS[standing.role].includes('checkpoint:decide');
  return { person: who.user_id, name: who.name, keys, may_decide };
}

function unnamed({ name, via }: Claimant): Mandate {
  return { person: via === 'timer' ? 'clock' : 'unverified', name, keys: [], may_decide: false };
}

export function claimantOf(principal: Principal, actor: Actor): Claimant {
  const { organization_id, user_id, email, name, role, permissions, authenticated_by: via } = principal;
  const { address, user_agent, request_id } = actor;
  const origin = { address, user_agent, request_id };
  const may_decide = permissions.has('checkpoint:decide');
  const key = principal.api_key_id === null ? {} : { api_key_id: principal.api_key_id };
  return { organization_id, user_id, email, name, role, verified: true, via, may_decide, ...key, origin };
}

/** As the history of a checkpoint keeps them. */
export function eventActorOf({ user_id, name, via, origin }: Claimant): EventActor {
  return { user_id, name, via, ...origin };
}

/** As the audit record keeps them. */
export function auditActorOf({ user_id, via, origin }: Claimant): Actor {
  return { type: via === 'timer' ? 'system' : 'user', id: user_id, ...origin };
}

/** What the actor of an audit record does not say: the link they came by, and the name that somebody without an account wrote. */
export function originOf({ link_id, verified, name }: Claimant): Record<string, unknown> {
  return { ...(link_id === undefined ? {} : { link_id }), ...(verified ? {} : { name, verified }) };
}
