import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { DomainError } from '../errors/domain-error.js';
import type { Permission } from './permissions.js';
import type { Principal, PrincipalRequest } from './principal.js';
import { REQUIREMENT, type Requirement } from './requires.decorator.js';

/** Runs after the authentication guard: does the principal's role hold what the route requires? */
@Injectable()
export class PermissionGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const requirement = requirementOf(this.reflector, context);
    if (requirement === 'public') return true;
    const { user, authenticationError } = context.switchToHttp().getRequest<PrincipalRequest>();
    if (!user) throw authenticationError ?? unauthenticated();
    if (requirement === 'signed-in') return true;
    if (requirement === 'in-person') return isInPerson(user);
    if (user.permissions.has(requirement)) return true;
    throw permissionMissing(requirement, user);
  }
}

/** @throws DomainError SESSION_REQUIRED */
function isInPerson(user: Principal): true {
  if (user.session_id !== null) return true;
  const message = 'An API key cannot do this. Sign in, and send the access token of the session.';
  throw new DomainError('forbidden', 'SESSION_REQUIRED', message);
}

/** Also for services whose rule depends on more than the route. */
export function permissionMissing(permission: Permission, { role, authenticated_by }: Principal): DomainError {
  const message =
    authenticated_by === 'api_key'
      ? `This needs the permission ${permission}, which the scopes of this API key or the role ${role} do not have. Make a key that has it, or ask an admin of your organization.`
      : `This needs the permission ${permission}, which the role ${role} does not have. Ask an admin of your organization.`;
  return new DomainError('forbidden', 'PERMISSION_MISSING', message);
}

function unauthenticated(): DomainError {
  return new DomainError('unauthenticated', 'UNAUTHENTICATED', 'Sign in and send the access token.');
}

/** @throws when a route states no requirement: forgetting it must not open it. */
export function requirementOf(
  reflector: Reflector,
  context: Pick<ExecutionContext, 'getHandler' | 'getClass'>,
): Requirement {
  const requirement = reflector.getAllAndOverride<Requirement | undefined>(REQUIREMENT, [
    context.getHandler(),
    context.getClass(),
  ]);
  if (!requirement) {
    throw new Error(
      `${context.getClass().name}.${context.getHandler().name} states no @Requires, @SignedIn or @Public`,
    );
  }
  return requirement;
}
