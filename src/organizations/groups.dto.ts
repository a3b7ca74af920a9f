import { z } from 'zod';
import { pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';
import { memberView } from './members.dto.js';

/** Letters of any language, as names have them; the space is an inner one, so that no two names look alike. */
const groupName = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[\p{L}\p{M}\p{N} _.-]*$/u, 'must be of letters, digits, spaces and _ - .')
  .regex(/^(?! )[^]*(?<! )$/, 'must not begin or end with a space')
  .meta({ description: '1 to 100 letters, digits, spaces and `_-.`; unique, whatever the case', example: 'Legal' });

export const groupBody = z.strictObject({ name: groupName }).meta({ id: 'NameGroup' });
export type GroupBody = z.output<typeof groupBody>;

export const listGroupsQuery = z.strictObject(pageQuery);
export type ListGroupsQuery = z.output<typeof listGroupsQuery>;

export const groupView = z
  .object({
    id: z.uuid(),
    name: z.string(),
    members: z.int().describe('How many members of the organization are in it'),
    created_at: timestamp,
  })
  .meta({ id: 'Group' });

export const groupPage = pageOf(groupView, 'GroupPage');

export const groupMemberPage = pageOf(memberView, 'GroupMemberPage');
