import { z } from 'zod';

/** One spelling for each address: spaces around it are cut off and it is put in lower case. RFC 5321 allows 254 characters. */
export const emailAddress = z
  .string()
  .trim()
  .toLowerCase()
  .pipe(z.email().max(254))
  .meta({ format: 'email', example: 'ada@example.com' });
