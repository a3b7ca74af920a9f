import { z } from 'zod';
import { ROLES } from '../platform/http/permissions.js';
import { pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';

export const listMembersQuery = z.strictObject(pageQuery);
export type ListMembersQuery = z.output<typeof listMembersQuery>;

export const organizationView = z
  .object({ id: z.uuid(), name: z.string(), created_at: timestamp })
  .meta({ id: 'Organization' });

const memberView = z
  .object({ user_id: z.uuid(), email: z.string(), name: z.string(), role: z.enum(ROLES), joined_at: timestamp })
  .meta({ id: 'Member' });

export const memberPage = pageOf(memberView, 'MemberPage');
