import { z } from 'zod';

/** A year; longer waits belong to a schedule. */
export const MAX_DELAY_SECONDS = 31_536_000;

export const text = (max: number) => z.string().min(1).max(max);
export const label = z.string().max(255).optional();
export const required = z.unknown().refine((value) => value !== undefined, { error: 'is required' });
/** Of a secret of the organization; the same as in its routes (`secretNameParameter`). */
export const secretName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'must be 1 to 64 capital letters, digits or _, a letter first');
export const nodeId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -');
