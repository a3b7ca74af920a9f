import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { DomainError } from '../errors/domain-error.js';

/**
 * What the caller names a request by that it may send again (`Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header);
 * undefined when it does not.
 * @throws DomainError invalid unless it is 1 to 255 printable ASCII characters without spaces.
 */
export const IdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext): string | undefined => {
  const given = context.switchToHttp().getRequest<Request>().get('idempotency-key');
  if (given === undefined || /^[\x21-\x7e]{1,255}$/.test(given)) return given;
  const message = 'Idempotency-Key has 1 to 255 printable ASCII characters without spaces; a UUID is a good one.';
  throw new DomainError('invalid', 'INVALID_IDEMPOTENCY_KEY', message);
});
