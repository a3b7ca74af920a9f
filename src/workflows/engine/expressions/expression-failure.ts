/** Why an expression gave no value. Part of what users see and persisted with failed steps: codes never change. */
export const expressionErrorCodes = [
  'NO_SUCH_KEY',
  'INDEX_OUT_OF_RANGE',
  'WRONG_TYPE',
  'INVALID_VALUE',
  'DIVISION_BY_ZERO',
  'INTEGER_OVERFLOW',
  'NUMBER_TOO_LARGE',
  'NUMBER_NOT_FINITE',
  'PATTERN_INVALID',
  'LIST_TOO_LARGE',
  'TEXT_TOO_LONG',
  'RESULT_TOO_LARGE',
  'VALUE_TOO_DEEP',
  'WORK_LIMIT_EXCEEDED',
] as const;

export type ExpressionErrorCode = (typeof expressionErrorCodes)[number];

/** Limits end the evaluation for good: `a || true` does not turn them into an answer, as it does with other failures. */
const limitCodes: ReadonlySet<ExpressionErrorCode> = new Set([
  'LIST_TOO_LARGE',
  'TEXT_TOO_LONG',
  'RESULT_TOO_LARGE',
  'VALUE_TOO_DEEP',
  'WORK_LIMIT_EXCEEDED',
]);

/**
 * Thrown inside the evaluator only; callers of the engine get it as a value. The sentence is made when it is read,
 * because a loop may throw and drop thousands of these.
 */
export class ExpressionFailure extends Error {
  readonly isLimit: boolean;
  readonly #explain: () => string;

  constructor(
    readonly code: ExpressionErrorCode,
    explain: string | (() => string),
  ) {
    super(code);
    this.name = 'ExpressionFailure';
    this.isLimit = limitCodes.has(code);
    this.#explain = typeof explain === 'string' ? () => explain : explain;
  }

  get explanation(): string {
    return this.#explain();
  }
}

/** A source that cannot become an expression; `position` counts UTF-16 code units from its start. */
export class ExpressionSyntaxError extends Error {
  constructor(
    readonly code: 'EXPRESSION_INVALID' | 'UNKNOWN_NAME',
    message: string,
    readonly position: number,
  ) {
    super(message);
    this.name = 'ExpressionSyntaxError';
  }
}
