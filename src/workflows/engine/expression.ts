import { Environment, ParseError } from '@marcbachmann/cel-js';
import type { CelValue } from './expressions/cel-value.js';
import { compileSyntaxTree } from './expressions/compile-syntax-tree.js';
import {
  ExpressionFailure,
  ExpressionSyntaxError,
  type ExpressionErrorCode,
} from './expressions/expression-failure.js';
import { MAX_EXPRESSION_LENGTH } from './expressions/expression-limits.js';
import { PatternAllowance } from './expressions/linear-regex.js';
import type { ExpressionContext, StepReference } from './expressions/syntax-place.js';
import { valueToJson } from './expressions/value-to-json.js';
import { WorkBudget } from './expressions/work-budget.js';
import type { JsonValue } from './json-value.js';

/**
 * What expressions can read. All of it is JSON; `steps` may be a Map or an object, keyed by node id, and holds only
 * steps that have an output. `item` and `index` exist only where a definition says so.
 */
export interface ExpressionNames {
  readonly input: JsonValue;
  readonly steps: ReadonlyMap<string, StepOutput> | Readonly<Record<string, StepOutput>>;
  readonly execution: Readonly<Record<string, JsonValue>>;
  readonly item?: JsonValue;
  readonly index?: number;
}

export interface StepOutput {
  readonly output: JsonValue;
  /** Of a step that failed and was not let fail the execution. */
  readonly error?: JsonValue;
}

const usualNames: ReadonlySet<string> = new Set(['input', 'steps', 'execution']);

/** To be shared by all expressions of one definition, as its patterns are counted together. */
export function expressionContext(rootNames = usualNames): ExpressionContext {
  return { rootNames, patterns: new PatternAllowance() };
}

/** For what each item of a `map` goes through; patterns are counted with those around it. */
export function itemContext({ patterns }: ExpressionContext): ExpressionContext {
  return { rootNames: new Set([...usualNames, 'item', 'index']), patterns };
}

/** A CEL expression, checked and ready to run any number of times. Immutable. */
export interface Expression {
  readonly source: string;
  readonly stepReferences: readonly StepReference[];
  /** @throws ExpressionFailure */
  readonly evaluate: (names: ExpressionNames, budget: WorkBudget) => CelValue;
}

export interface ExpressionProblem {
  readonly code: 'EXPRESSION_INVALID' | 'UNKNOWN_NAME';
  readonly message: string;
  /** UTF-16 code units from the start of the source. */
  readonly position: number;
}

export type CompiledExpression =
  { readonly ok: true; readonly expression: Expression } | { readonly ok: false; readonly problem: ExpressionProblem };

/** Why an expression, a template or a condition has no value. Persisted with the step that failed. */
export interface EvaluationError {
  readonly code: ExpressionErrorCode;
  readonly message: string;
  /** The source of the expression that failed. */
  readonly expression: string;
}

export type Evaluated<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: EvaluationError };

/** Checks everything that can be checked without data: syntax, names, functions, nesting, fixed patterns. */
export function compileExpression(source: string, context = expressionContext()): CompiledExpression {
  if (source.length > MAX_EXPRESSION_LENGTH) {
    return problem(
      `An expression may have up to ${MAX_EXPRESSION_LENGTH} characters, this one has ${source.length}.`,
      0,
    );
  }
  try {
    const { evaluate, stepReferences } = compileSyntaxTree(parser.parse(source).ast, context);
    const evaluateNames = (names: ExpressionNames, budget: WorkBudget) =>
      evaluate({ names: names as unknown as Record<string, CelValue>, locals: [], budget });
    return { ok: true, expression: { source, stepReferences, evaluate: evaluateNames } };
  } catch (error) {
    return explain(error, source);
  }
}

/** Evaluates one expression by itself to JSON. */
export function evaluateExpression(
  expression: Expression,
  names: ExpressionNames,
  budget = new WorkBudget(),
): Evaluated<JsonValue> {
  return attemptEvaluation(expression, () => valueToJson(expression.evaluate(names, budget), budget));
}

/** Evaluates the `when` of an edge or of a branch; a budget may be shared by all that are asked together. */
export function evaluateCondition(
  expression: Expression,
  names: ExpressionNames,
  budget = new WorkBudget(),
): Evaluated<boolean> {
  return attemptEvaluation(expression, () => {
    const value = expression.evaluate(names, budget);
    if (typeof value === 'boolean') return value;
    throw new ExpressionFailure('WRONG_TYPE', 'The condition must be true or false; write a comparison.');
  });
}

/** Runs part of an evaluation and turns its failure into a value that names the expression. */
export function attemptEvaluation<T>(expression: Pick<Expression, 'source'>, evaluate: () => T): Evaluated<T> {
  try {
    return { ok: true, value: evaluate() };
  } catch (error) {
    if (!(error instanceof ExpressionFailure)) throw error;
    return { ok: false, error: { code: error.code, message: error.explanation, expression: expression.source } };
  }
}

const parser = new Environment({
  unlistedVariablesAreDyn: true,
  limits: { maxAstNodes: 4_096, maxDepth: 100, maxListElements: 1_000, maxMapEntries: 1_000, maxCallArguments: 8 },
});

function explain(error: unknown, source: string): CompiledExpression {
  if (error instanceof ExpressionSyntaxError) {
    return { ok: false, problem: { code: error.code, message: error.message, position: error.position } };
  }
  if (!(error instanceof ParseError)) throw error;
  const position = error.range?.start ?? 0;
  if (source.trimStart().startsWith('{{'))
    return problem('Write this expression without {{ and }}.', source.indexOf('{{'));
  if (source.trim() === '') return problem('The expression is empty.', 0);
  return problem(`${error.summary} at character ${position + 1}.`, position);
}

const problem = (message: string, position: number): CompiledExpression => ({
  ok: false,
  problem: { code: 'EXPRESSION_INVALID', message, position },
});
