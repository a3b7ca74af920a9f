import { z } from 'zod';
import { emailAddress } from '../platform/http/email-address.js';
import { ROLES } from '../platform/http/permissions.js';
import { pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';

export const listMembersQuery = z.strictObject(pageQuery);
export type ListMembersQuery = z.output<typeof listMembersQuery>;

export const addMemberBody = z
  .strictObject({ email: emailAddress, role: z.enum(ROLES).meta({ example: 'approver' }) })
  .meta({ id: 'AddMember' });
export type AddMemberBody = z.output<typeof addMemberBody>;

export const changeRoleBody = z
  .strictObject({ role: z.enum(ROLES).meta({ example: 'approver' }) })
  .meta({ id: 'ChangeRole' });
export type ChangeRoleBody = z.output<typeof changeRoleBody>;

export const memberView = z
  .object({ user_id: z.uuid(), email: z.string(), name: z.string(), role: z.enum(ROLES), joined_at: timestamp })
  .meta({ id: 'Member' });

export const memberPage = pageOf(memberView, 'MemberPage');
