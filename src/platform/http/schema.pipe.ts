import { type ArgumentMetadata, Injectable, StandardSchemaValidationPipe } from '@nestjs/common';
import { z } from 'zod';
import { DomainError, type Problem } from '../errors/domain-error.js';
import { findUnstorable } from './find-unstorable.js';
import { pointerTo } from './json-pointer.js';

/** Bodies that are passed on and not kept: whoever gets them says what they make of odd text. */
export const notStored = z.registry<{ reason: string }>();

/** Zod's issue, as far as it is read here; the Standard Schema type leaves out the code. */
interface Issue {
  message: string;
  code?: string;
  keys?: string[];
  path?: readonly (PropertyKey | { key: PropertyKey })[];
}

/**
 * Validates bodies, queries and path parameters by their Zod schemas and reports all problems at once.
 * A user's own JSON is never rewritten: dangerous keys and text that cannot be stored are refused, not removed.
 */
@Injectable()
export class SchemaPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({
      exceptionFactory: (issues) => invalidRequest((issues as readonly Issue[]).flatMap(problemsOf)),
    });
  }

  override async transform<T>(value: T, metadata: ArgumentMetadata): Promise<T> {
    if (metadata.schema) {
      const unstorable = findUnstorable(value, !notStored.has(metadata.schema as z.ZodType));
      if (unstorable.length > 0) throw invalidRequest(unstorable);
    }
    return super.transform(value, metadata);
  }

  /** Such keys were refused above. */
  protected override stripProtoKeys(): void {}
}

function invalidRequest(errors: Problem[]): DomainError {
  const message = `The request has ${errors.length === 1 ? 'a problem' : `${errors.length} problems`}; each is in errors with its place.`;
  return new DomainError('invalid', 'VALIDATION_FAILED', message, { errors });
}

function problemsOf(issue: Issue): Problem[] {
  const path = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part));
  if (issue.code === 'unrecognized_keys') {
    return (issue.keys ?? []).map((key) => ({
      pointer: pointerTo([...path, key]),
      code: 'UNKNOWN_FIELD',
      message: `There is no field ${key} here. Remove it or check its spelling.`,
    }));
  }
  return [{ pointer: pointerTo(path), code: (issue.code ?? 'invalid').toUpperCase(), message: issue.message }];
}
