import type { IncomingMessage, ServerResponse } from 'node:http';
import { v7 as uuidv7 } from 'uuid';

const ACCEPTED = /^[\w-]{8,64}$/;

/** Version ff and ids of zeros are invalid (W3C Trace Context §3.2.2). */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;

/**
 * The id that ties answer, log lines, audit and events of one request together: `X-Request-Id` where the caller sent a
 * usable one, else the trace id of `traceparent` (W3C Trace Context), else a new one. It is echoed in the answer.
 */
export function assignRequestId(request: IncomingMessage, response: ServerResponse): string {
  const given = request.headers['x-request-id'];
  const trace = TRACEPARENT.exec(String(request.headers.traceparent ?? ''))?.[1];
  const id = typeof given === 'string' && ACCEPTED.test(given) ? given : (trace ?? uuidv7());
  response.setHeader('X-Request-Id', id);
  return id;
}
