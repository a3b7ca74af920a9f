/** Whether another try may go better, for each way in which a request gives no answer. docs/errors.md explains them. */
const RETRYABLE = {
  HTTP_INVALID_REQUEST: false,
  HTTP_ADDRESS_REFUSED: false,
  HTTP_HOST_UNKNOWN: true,
  HTTP_CONNECTION_FAILED: true,
  HTTP_TIMED_OUT: true,
  HTTP_CANCELLED: true,
  HTTP_RESPONSE_TOO_LARGE: false,
  HTTP_INVALID_RESPONSE: true,
} as const;

export type HttpOutcome = HttpAnswer | HttpFailure;

/** Whatever its status: which ones are a success is the caller's to say. A redirect is an answer like any other. */
export interface HttpAnswer {
  ok: true;
  status: number;
  /** By name in lower case; what was sent several times is joined by `, `. */
  headers: Readonly<Record<string, string>>;
  /**
   * A JSON value where the content type says JSON and it is; otherwise text; `{ base64 }` of what is no UTF-8 text; null
   * when empty. PostgreSQL can store all of it.
   */
  body: unknown;
}

export interface HttpFailure {
  ok: false;
  code: keyof typeof RETRYABLE;
  /** What happened and what to do. Never holds a path, query, header or body of the request or of the answer. */
  message: string;
  retryable: boolean;
}

export function httpFailure(code: HttpFailure['code'], message: string): HttpFailure {
  return { ok: false, code, message, retryable: RETRYABLE[code] };
}
