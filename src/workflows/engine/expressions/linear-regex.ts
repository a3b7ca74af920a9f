import { RE2JS } from 're2js';
import { ExpressionFailure } from './expression-failure.js';
import { MAX_PATTERN_INSTRUCTIONS, MAX_PATTERN_LENGTH } from './expression-limits.js';
import type { WorkBudget } from './work-budget.js';

/**
 * A regular expression of RE2 syntax: no back references or look-around, and time linear in the text. Linear with
 * a factor, though: `\pL{1,500}Q` took 2.3 s on 100,000 characters with the slower of re2js's two engines, so the
 * size of the compiled program counts too.
 * @throws ExpressionFailure PATTERN_INVALID
 */
export function compileLinearRegex(pattern: string): RE2JS {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new ExpressionFailure('PATTERN_INVALID', `A pattern may have up to ${MAX_PATTERN_LENGTH} characters.`);
  }
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unreadable';
    throw new ExpressionFailure('PATTERN_INVALID', `The pattern is not a regular expression of RE2: ${reason}.`);
  }
}

/**
 * Counts the compiled size of all patterns written in one definition. Compiling took up to 8 ms for a pattern of ten
 * characters, and a definition has room for twenty thousand of those.
 */
export class PatternAllowance {
  #left = MAX_PATTERN_INSTRUCTIONS;

  /** @throws ExpressionFailure PATTERN_INVALID when the pattern is wrong, or one too many */
  compile(pattern: string): RE2JS {
    const regex = this.#left > 0 ? compileLinearRegex(pattern) : undefined;
    this.#left -= regex?.programSize() ?? 0;
    if (regex && this.#left >= 0) return regex;
    throw new ExpressionFailure(
      'PATTERN_INVALID',
      'The patterns of the definition are too large together; simplify them.',
    );
  }
}

/** Whether the pattern is found anywhere in the text; anchor it with ^ and $ to test the whole text. */
export function matchesPattern(text: string, pattern: RE2JS, budget: WorkBudget): boolean {
  budget.spend(1 + Math.ceil((text.length * pattern.programSize()) / 4));
  return pattern.test(text);
}

/** Compiling took up to 8 ms for a pattern of ten characters, hence the flat price. */
export function matchesDynamicPattern(text: string, pattern: string, budget: WorkBudget): boolean {
  budget.spend(20_000);
  return matchesPattern(text, compileLinearRegex(pattern), budget);
}
