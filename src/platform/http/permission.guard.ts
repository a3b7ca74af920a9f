import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { DomainError } from '../errors/domain-error.js';
import type { PrincipalRequest } from './principal.js';
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
    if (requirement === 'signed-in' || user.permissions.has(requirement)) return true;
    throw new DomainError(
      'forbidden',
      'PERMISSION_MISSING',
      `This needs the permission ${requirement}, which the role ${user.role} does not have. Ask an admin of your organization.`,
    );
  }
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
