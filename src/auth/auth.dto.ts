import { z } from 'zod';
import { emailAddress } from '../platform/http/email-address.js';
import { PERMISSIONS, ROLES } from '../platform/http/permissions.js';
import { pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';

/** 1 to 120 characters on one line. */
export const oneLineName = z
  .string()
  .max(120)
  .regex(/\S/, 'must not be blank')
  .regex(/^\P{Cc}*$/u, 'must be one line without control characters');

/** Bounds the work only; `password-rules.ts` has the rules, which look at the normalized text. */
const password = z.string().min(1).max(4_096);

export const registerBody = z
  .strictObject({
    email: emailAddress,
    password: password.meta({
      description: '15 to 1,024 characters; easy to guess ones are refused',
      example: 'seven quiet rivers run',
    }),
    name: oneLineName.meta({ example: 'Ada Lovelace' }),
    organization_name: oneLineName
      .optional()
      .meta({ description: 'Without it the organization is named after the person', example: 'Analytical Engines' }),
  })
  .meta({ id: 'Register' });
export type RegisterBody = z.output<typeof registerBody>;

export const loginBody = z
  .strictObject({
    email: emailAddress,
    password,
    organization_id: z
      .uuid()
      .toLowerCase()
      .optional()
      .describe('Where to sign in; without it, where the person has been a member longest'),
  })
  .meta({ id: 'Login' });
export type LoginBody = z.output<typeof loginBody>;

/** RFC 6749 §4.3.2. Parameters that we do not know are ignored, as §3.2 asks. */
export const passwordGrantBody = z
  .object({ grant_type: z.literal('password'), username: emailAddress, password })
  .meta({ id: 'PasswordGrant' });
export type PasswordGrantBody = z.output<typeof passwordGrantBody>;

export const refreshBody = z.strictObject({ refresh_token: z.string().max(1_024) }).meta({ id: 'Refresh' });
export type RefreshBody = z.output<typeof refreshBody>;

const tokens = {
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.number().describe('Seconds until the access token expires'),
  refresh_token: z.string().describe('For /api/auth/refresh; each works once'),
};

const user = z.object({ id: z.uuid(), email: z.string(), name: z.string() });
const organization = z.object({ id: z.uuid(), name: z.string() });

export const tokensView = z.object(tokens).meta({ id: 'Tokens' });

export const registeredView = z.object({ user, organization, ...tokens }).meta({ id: 'Registered' });

export const meView = z
  .object({ user, organization, role: z.enum(ROLES), permissions: z.array(z.enum(PERMISSIONS)) })
  .meta({ id: 'Me' });

export const jwksView = z
  .object({
    keys: z.array(
      z.object({
        kty: z.literal('EC'),
        crv: z.literal('P-256'),
        x: z.string(),
        y: z.string(),
        kid: z.string(),
        alg: z.literal('ES256'),
        use: z.literal('sig'),
      }),
    ),
  })
  .meta({ id: 'JsonWebKeySet' });

export const listSessionsQuery = z.strictObject(pageQuery);
export type ListSessionsQuery = z.output<typeof listSessionsQuery>;

const sessionView = z
  .object({
    id: z.uuid(),
    organization_id: z.uuid(),
    created_at: timestamp,
    rotated_at: timestamp.describe('When its tokens were last refreshed'),
    expires_at: timestamp,
    user_agent: z.string().nullable(),
    address: z.string().nullable(),
    current: z.boolean().describe('Whether it is the session that asks'),
  })
  .meta({ id: 'Session' });

export const sessionPage = pageOf(sessionView, 'SessionPage');
