import type { ASTNode } from '@marcbachmann/cel-js';
import { typeNameOf, type CelValue } from './cel-value.js';
import { ExpressionFailure, ExpressionSyntaxError } from './expression-failure.js';
import { MAX_MACRO_NESTING } from './expression-limits.js';
import type { PatternAllowance } from './linear-regex.js';
import type { WorkBudget } from './work-budget.js';

/** What one evaluation works with. `locals` holds the variables of macros, one slot for each place that binds one. */
export interface Scope {
  readonly names: Readonly<Record<string, CelValue>>;
  readonly locals: CelValue[];
  readonly budget: WorkBudget;
}

export type Evaluate = (scope: Scope) => CelValue;

/** `steps.<id>` or `steps["<id>"]` in an expression; the position counts UTF-16 code units of its source. */
export interface StepReference {
  readonly stepId: string;
  readonly position: number;
}

/** What is known at one place of the tree: which names exist there, and how deep it lies. */
export interface Place {
  readonly variables: ReadonlyMap<string, number>;
  readonly depth: number;
  readonly macroNesting: number;
  readonly whole: WholeExpression;
}

/** What the expressions of one definition share while they are compiled. */
export interface ExpressionContext {
  readonly rootNames: ReadonlySet<string>;
  readonly patterns: PatternAllowance;
}

/** What the places of one expression share. */
export interface WholeExpression {
  readonly compile: (node: ASTNode, place: Place) => Evaluate;
  readonly context: ExpressionContext;
  readonly stepReferences: StepReference[];
  slots: number;
}

/** A place inside a macro: one more variable, and for those that loop one more level of nesting. */
export function inside(place: Place, variable: ASTNode, loops: boolean): { place: Place; slot: number } {
  if (variable.op !== 'id') throw syntaxError(variable, 'The first argument of a macro is the name of its variable.');
  const macroNesting = place.macroNesting + (loops ? 1 : 0);
  if (macroNesting > MAX_MACRO_NESTING) {
    throw syntaxError(
      variable,
      `map, filter, all and exists may be nested ${MAX_MACRO_NESTING} deep; use a code node.`,
    );
  }
  const slot = place.whole.slots++;
  return { place: { ...place, macroNesting, variables: new Map(place.variables).set(variable.args, slot) }, slot };
}

export function expectBoolean(value: CelValue, what: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new ExpressionFailure('WRONG_TYPE', `${what} must be true or false, got ${typeNameOf(value)}.`);
}

export const syntaxError = (node: ASTNode, message: string) =>
  new ExpressionSyntaxError('EXPRESSION_INVALID', message, node.start);

/** The value, or the failure if later values may outweigh it; a limit that was reached is thrown on. */
export function attempt<T>(read: () => T, budget: WorkBudget): T | ExpressionFailure {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ExpressionFailure) || error.isLimit) throw error;
    budget.spend(100);
    return error;
  }
}
