import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Settings } from '../../config/settings.js';
import { DomainError } from '../errors/domain-error.js';

export const DEFAULT_PAGE = 20;
export const MAX_PAGE = 100;

/** Query parameters of every list: at most 100 items a page, 20 unless told. */
export const pageQuery = {
  cursor: z.string().max(1_000).optional(),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
};

/**
 * Opaque page positions. A cursor is signed together with the list it belongs to, so that it cannot be forged or
 * carried to another list.
 */
@Injectable()
export class SignedCursor {
  constructor(private readonly settings: Settings) {}

  /** @throws DomainError INVALID_CURSOR when it was not made by `encode` for this list. */
  decode(list: string, cursor: string | undefined): string | undefined {
    if (cursor === undefined) return undefined;
    const [payload = '', signature = ''] = cursor.split('.');
    const given = Buffer.from(signature, 'base64url');
    const expected = this.sign(list, payload);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new DomainError(
        'invalid',
        'INVALID_CURSOR',
        'The cursor is not one of this list. Start again without it.',
        {
          errors: [{ pointer: '/cursor', code: 'INVALID_CURSOR', message: 'Pass next_cursor of the page before.' }],
        },
      );
    }
    return Buffer.from(payload, 'base64url').toString();
  }

  encode(list: string, position: string): string {
    const payload = Buffer.from(position).toString('base64url');
    return `${payload}.${this.sign(list, payload).toString('base64url')}`;
  }

  /** Cuts one row more than the page into a page and the position of the next. */
  page<T>(
    list: string,
    rows: T[],
    limit: number,
    positionOf: (row: T) => string,
  ): { data: T[]; next_cursor: string | null } {
    const data = rows.slice(0, limit);
    const last = data.at(-1);
    return { data, next_cursor: rows.length > limit && last ? this.encode(list, positionOf(last)) : null };
  }

  private sign(list: string, payload: string): Buffer {
    return createHmac('sha256', this.settings.SECRET_KEY).update(`cursor:${list}:${payload}`).digest().subarray(0, 16);
  }
}
