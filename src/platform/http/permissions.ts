/** What a route can require. A route's `@Requires(...)` is checked against the role of the principal at each request. */
export const PERMISSIONS = [
  'organization:read',
  'organization:manage',
  'workflow:read',
  'workflow:write',
  'execution:read',
  'execution:start',
  'execution:control',
  'checkpoint:read',
  'checkpoint:decide',
  'code:execute',
  'audit:read',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

export const ROLES = ['owner', 'admin', 'editor', 'approver', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

const READ = ['organization:read', 'workflow:read', 'execution:read', 'checkpoint:read'] as const;

/** The one table of who may do what within an organization. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  owner: PERMISSIONS,
  admin: PERMISSIONS,
  editor: [...READ, 'workflow:write', 'execution:start', 'execution:control', 'code:execute'],
  approver: [...READ, 'checkpoint:decide'],
  viewer: READ,
};
