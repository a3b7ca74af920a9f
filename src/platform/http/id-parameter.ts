import { z } from 'zod';

/** An id in a path: a UUID, as every id here is (RFC 9562), in the one spelling under which the audit records it. */
export const idParameter = z.uuid('An id is a UUID.').toLowerCase();
