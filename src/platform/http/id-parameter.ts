import { z } from 'zod';

/** An id in a path: a UUID, as every id here is (RFC 9562). */
export const idParameter = z.uuid('An id is a UUID.');
