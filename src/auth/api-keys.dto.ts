import { z } from 'zod';
import { PERMISSIONS } from '../platform/http/permissions.js';
import { pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';
import { oneLineName } from './auth.dto.js';

export const createApiKeyBody = z
  .strictObject({
    name: oneLineName.meta({ description: 'What the key is for, 1 to 120 characters', example: 'nightly import' }),
    scopes: z
      .array(z.enum(PERMISSIONS))
      .min(1)
      .max(PERMISSIONS.length)
      .meta({ description: 'What the key may do, as far as the role of its person allows it at the time' }),
    expires_at: z.iso
      .datetime({ offset: true })
      .optional()
      .meta({ description: 'Without it the key works until it is revoked', example: '2030-01-01T00:00:00Z' }),
  })
  .meta({ id: 'CreateApiKey' });
export type CreateApiKeyBody = z.output<typeof createApiKeyBody>;

export const listApiKeysQuery = z.strictObject(pageQuery);
export type ListApiKeysQuery = z.output<typeof listApiKeysQuery>;

const apiKey = {
  id: z.uuid(),
  name: z.string(),
  prefix: z.string().describe('How the key begins'),
  scopes: z.array(z.enum(PERMISSIONS)),
  created_at: timestamp,
  last_used_at: timestamp.nullable().describe('To the minute'),
  expires_at: timestamp.nullable(),
  revoked_at: timestamp.nullable(),
};

export const createdApiKeyView = z
  .object({ ...apiKey, key: z.string().describe('Send it as `Authorization: Bearer`. It is never shown again') })
  .meta({ id: 'CreatedApiKey' });

export const apiKeyPage = pageOf(z.object(apiKey).meta({ id: 'ApiKey' }), 'ApiKeyPage');
