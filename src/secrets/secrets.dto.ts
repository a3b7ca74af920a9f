import { z } from 'zod';
import { pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';

/** The same as in definitions; see `secretName` of the engine. */
export const secretNameParameter = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'must be 1 to 64 capital letters, digits or _, a letter first');

const SHORTEST = 8;

export const setSecretBody = z
  .strictObject({
    value: z
      .string()
      .max(8_192)
      .refine(
        (value) => value.trim().length >= SHORTEST,
        `must have at least ${SHORTEST} characters, white space around it left out: a shorter one could not be hidden in what code prints without hiding other text as well`,
      )
      .meta({ description: '8 to 8,192 characters; no answer shows it', writeOnly: true }),
  })
  .meta({ id: 'SetSecret' });
export type SetSecretBody = z.output<typeof setSecretBody>;

export const listSecretsQuery = z.strictObject(pageQuery);
export type ListSecretsQuery = z.output<typeof listSecretsQuery>;

export const secretView = z
  .object({
    name: z.string(),
    set_by: z.uuid().meta({ description: 'Who gave it its present value' }),
    set_at: timestamp,
    last_used_at: timestamp.nullable().meta({ description: 'To the hour' }),
  })
  .meta({ id: 'Secret' });

export const secretPage = pageOf(secretView, 'SecretPage');
