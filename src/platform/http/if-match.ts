import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request, Response } from 'express';
import { DomainError } from '../errors/domain-error.js';

/** A strong entity tag (RFC 9110 §8.8.3) made of the version column. */
export function entityTag(version: number): string {
  return `"${version}"`;
}

export function setEntityTag(response: Response, version: number): void {
  response.setHeader('ETag', entityTag(version));
}

/**
 * The version the caller says it saw, from `If-Match`.
 * @throws DomainError 428 where it is absent, 412 where it is no tag of ours.
 */
export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): number => {
  const given = context.switchToHttp().getRequest<Request>().get('if-match');
  if (given === undefined) {
    throw new DomainError(
      'precondition_required',
      'IF_MATCH_REQUIRED',
      'Send If-Match with the ETag of what you read, so that nobody else’s change is overwritten.',
    );
  }
  const version = /^"([1-9]\d{0,8})"$/.exec(given.trim())?.[1];
  if (version === undefined) {
    throw new DomainError('stale', 'STALE_VERSION', 'Send If-Match as you got it in ETag, with its quotation marks.');
  }
  return Number(version);
});

export function staleVersion(): DomainError {
  return new DomainError(
    'stale',
    'STALE_VERSION',
    'It has changed since you read it. Read it again and repeat the change.',
  );
}
