/** Longest source of one expression, in UTF-16 code units. */
export const MAX_EXPRESSION_LENGTH = 4096;

/** Deepest syntax tree of one expression; a longer chain of operators is better split. */
export const MAX_EXPRESSION_DEPTH = 200;

/** How deep `map`, `filter`, `all`, `exists` and `exists_one` may stand inside each other. */
export const MAX_MACRO_NESTING = 2;

/** Most items of a list or map that an expression walks over or builds. */
export const MAX_LIST_ITEMS = 10_000;

/** Longest text (UTF-16 code units) or bytes value that an expression builds. */
export const MAX_TEXT_LENGTH = 1_048_576;

/** Most JSON that one template gives back, in UTF-16 code units before escaping. */
export const MAX_RESULT_LENGTH = 1_048_576;

/** Deepest value that is compared or given back. */
export const MAX_VALUE_DEPTH = 64;

/** Longest regular expression, in UTF-16 code units. */
export const MAX_PATTERN_LENGTH = 1_000;

/** Instructions of all regular expressions written in one definition; a usual one has 10 to 100. */
export const MAX_PATTERN_INSTRUCTIONS = 20_000;

/**
 * What one evaluation may cost, shared by all expressions of a template. A unit is one operation, one list item
 * or 64 characters; a whole budget took 5 to 130 ms on a 2-core machine.
 */
export const MAX_WORK = 500_000;
