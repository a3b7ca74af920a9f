import { applyDecorators, HttpCode, SerializeOptions } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { z } from 'zod';

/** One schema for what a route answers: it sets the status, drops what is not declared, and describes the answer in OpenAPI. */
export function Returns(schema: z.ZodType, options: { status?: number; description?: string } = {}) {
  const { status = 200, description = '' } = options;
  return applyDecorators(
    HttpCode(status),
    SerializeOptions({ schema }),
    ApiResponse({ status, description, standardSchema: schema }),
  );
}

/** A route that answers 204 and nothing else. */
export function ReturnsNothing(description = '') {
  return applyDecorators(HttpCode(204), ApiResponse({ status: 204, description }));
}

/** A moment: a `Date` inside, RFC 3339 UTC on the wire. */
export const timestamp = z.codec(z.date(), z.iso.datetime(), {
  decode: (date) => date.toISOString(),
  encode: (text) => new Date(text),
});

/** Any JSON value of the user, passed through as it is. */
export const json = z.unknown();

/** A page of a list; `next_cursor` is null on the last one. */
export function pageOf(item: z.ZodType, id: string) {
  return z.object({ data: z.array(item), next_cursor: z.string().nullable() }).meta({ id });
}
