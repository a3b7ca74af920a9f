import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import type { Permission } from './permissions.js';

/**
 * What a route demands: a permission, a person who is known, one who has signed in, or nothing. A route that says none of
 * them does not start.
 */
export type Requirement = Permission | 'signed-in' | 'in-person' | 'public';

export const REQUIREMENT = 'holdpoint:requirement';

/** Callers need this permission in their organization. */
export const Requires = (permission: Permission) =>
  applyDecorators(SetMetadata(REQUIREMENT, permission satisfies Requirement), ApiBearerAuth());

/** Any person, whatever the role, in a session or by an API key: for what concerns only themselves. */
export const SignedIn = () =>
  applyDecorators(SetMetadata(REQUIREMENT, 'signed-in' satisfies Requirement), ApiBearerAuth());

/** Any person in a session: what would give an API key a longer life or more power than it was made with. */
export const InPerson = () =>
  applyDecorators(SetMetadata(REQUIREMENT, 'in-person' satisfies Requirement), ApiBearerAuth());

/** Open to everybody. */
export const Public = () => SetMetadata(REQUIREMENT, 'public' satisfies Requirement);
