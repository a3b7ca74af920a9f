import { ExpressionFailure } from './expression-failure.js';
import { MAX_LIST_ITEMS, MAX_RESULT_LENGTH, MAX_TEXT_LENGTH, MAX_WORK } from './expression-limits.js';

const CHARACTERS_PER_UNIT = 64;

/** Counts what an evaluation costs and ends it when it costs too much. Spent once, never refilled. */
export class WorkBudget {
  #work: number;
  #resultLength: number;

  constructor(work: number = MAX_WORK, resultLength: number = MAX_RESULT_LENGTH) {
    this.#work = work;
    this.#resultLength = resultLength;
  }

  /** Called before the work is done, so that one huge operation is refused and not regretted. */
  spend(units: number): void {
    this.#work -= units;
    if (this.#work < 0) {
      throw new ExpressionFailure(
        'WORK_LIMIT_EXCEEDED',
        'The expression needs too many operations; do this in a code node, or on less data.',
      );
    }
  }

  spendOnText(length: number): void {
    this.spend(1 + Math.ceil(length / CHARACTERS_PER_UNIT));
  }

  /** For a text or bytes value about to be built. */
  buildText(length: number): void {
    if (length > MAX_TEXT_LENGTH) {
      throw new ExpressionFailure(
        'TEXT_TOO_LONG',
        `An expression may build texts of up to ${MAX_TEXT_LENGTH} characters, this one would have ${length}.`,
      );
    }
    this.spendOnText(length);
  }

  /** For a list or map about to be built or walked over. */
  walkList(length: number): void {
    if (length > MAX_LIST_ITEMS) {
      throw new ExpressionFailure(
        'LIST_TOO_LARGE',
        `An expression may work on lists and maps of up to ${MAX_LIST_ITEMS} items, this one has ${length}; use a code node.`,
      );
    }
    this.spend(1 + length);
  }

  giveBack(length: number): void {
    this.#resultLength -= length;
    if (this.#resultLength < 0) {
      throw new ExpressionFailure(
        'RESULT_TOO_LARGE',
        `The result has more than ${MAX_RESULT_LENGTH} characters of JSON; keep large data in files, or take only what is needed.`,
      );
    }
  }
}
