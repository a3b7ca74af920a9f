import type { Assignees } from '../workflows/engine/checkpoint-policy.js';

/** What the database says of a member now. */
export interface Standing {
  user_id: string;
  email: string;
  role: string;
  /** Names, in lower case. */
  groups: readonly string[];
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** By what a checkpoint is found in inboxes: one key for each way of being named; null names everybody. */
export function candidateKeys(organizationId: string, assignees: Assignees | null): string[] {
  if (!assignees) return [`anyone:${organizationId}`];
  const users = assignees.users.map((user) =>
    UUID.test(user) ? `user:${user.toLowerCase()}` : `email:${organizationId}:${user.toLowerCase()}`,
  );
  const roles = assignees.roles.map((role) => `role:${organizationId}:${role}`);
  const groups = assignees.groups.map((group) => groupKey(organizationId, group));
  return [...new Set([...users, ...roles, ...groups])];
}

/** Names of groups are compared as organizations do: in one normal form, whatever the case. */
const groupKey = (organizationId: string, name: string) =>
  `group:${organizationId}:${name.normalize('NFC').toLowerCase()}`;

/** All keys that name a member, those that name them alone first. */
export function keysOf(organizationId: string, standing: Standing): string[] {
  return [...personalKeys(organizationId, standing), ...sharedKeys(organizationId, standing)];
}

export function personalKeys(
  organizationId: string,
  { user_id, email }: Pick<Standing, 'user_id' | 'email'>,
): string[] {
  return [`user:${user_id}`, `email:${organizationId}:${email.toLowerCase()}`];
}

export function sharedKeys(organizationId: string, { role, groups }: Pick<Standing, 'role' | 'groups'>): string[] {
  const named = groups.map((group) => groupKey(organizationId, group));
  return [`role:${organizationId}:${role}`, ...named, `anyone:${organizationId}`];
}
