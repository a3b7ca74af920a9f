import { z } from 'zod';
import { ROLES } from '../platform/http/permissions.js';
import { pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';

export const listOrganizationsQuery = z.strictObject(pageQuery);
export type ListOrganizationsQuery = z.output<typeof listOrganizationsQuery>;

export const organizationView = z
  .object({ id: z.uuid(), name: z.string(), created_at: timestamp })
  .meta({ id: 'Organization' });

const ownOrganizationView = z
  .object({
    id: z.uuid(),
    name: z.string(),
    role: z.enum(ROLES),
    joined_at: timestamp,
    current: z.boolean().describe('Whether it is the one you are signed in to'),
  })
  .meta({ id: 'OwnOrganization' });

export const ownOrganizationPage = pageOf(ownOrganizationView, 'OwnOrganizationPage');
