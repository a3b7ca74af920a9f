import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import type { Permission } from './permissions.js';

/** What a route demands: a permission, only a signed-in person, or nothing. A route that says none of them does not start. */
export type Requirement = Permission | 'signed-in' | 'public';

export const REQUIREMENT = 'holdpoint:requirement';

/** Callers need this permission in their organization. */
export const Requires = (permission: Permission) =>
  applyDecorators(SetMetadata(REQUIREMENT, permission satisfies Requirement), ApiBearerAuth());

/** Any signed-in person, whatever the role: for what concerns only themselves. */
export const SignedIn = () =>
  applyDecorators(SetMetadata(REQUIREMENT, 'signed-in' satisfies Requirement), ApiBearerAuth());

/** Open to everybody. */
export const Public = () => SetMetadata(REQUIREMENT, 'public' satisfies Requirement);
