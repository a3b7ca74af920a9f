import { DomainError } from '../platform/errors/domain-error.js';
import type { Role } from '../platform/http/permissions.js';

export interface RoleChange {
  /** The role of who asks, as it is now; null when they are no member any more. */
  by: Role | null;
  /** Who asks is who would be changed. */
  themselves: boolean;
  /** Null: not a member yet. */
  from: Role | null;
  /** Null: a member no more. */
  to: Role | null;
  /** How many owners the organization has now. */
  owners: number;
}

const GIVEN_BY_OWNERS: ReadonlySet<Role | null> = new Set(['owner', 'admin']);

/**
 * Whether somebody with the permission to manage members may make this change now. Null: they may.
 *
 * 1. The last owner stays, and stays owner.
 * 2. Everybody may leave.
 * 3. Only an owner makes owners and admins, or takes that away.
 */
export function judgeRoleChange({ by, themselves, from, to, owners }: RoleChange): DomainError | null {
  if (from === 'owner' && to !== 'owner' && owners === 1) {
    const message = 'This is the last owner of the organization. Make somebody else an owner first.';
    return new DomainError('conflict', 'LAST_OWNER', message);
  }
  if (themselves && to === null) return null;
  if (by === 'owner' || (!GIVEN_BY_OWNERS.has(from) && !GIVEN_BY_OWNERS.has(to))) return null;
  const message = 'Only an owner makes somebody owner or admin, or changes who is one. Ask an owner.';
  return new DomainError('forbidden', 'OWNER_REQUIRED', message);
}
