import { RE2JS } from 're2js';

/** Longest pattern of a schema, in UTF-16 code units. */
export const MAX_PATTERN_LENGTH = 1_000;

/**
 * Ajv's regular expressions on re2js: no look-around or back references, time linear in the text.
 * @throws Error for a pattern that RE2 does not have
 */
export const linearRegexEngine = Object.assign(
  (pattern: string) => {
    const regex = compilePattern(pattern);
    // Ajv tells patterns apart by their toString.
    return { test: (text: string) => regex.test(text), toString: () => JSON.stringify(pattern) };
  },
  { code: 'linearRegexEngine' },
);

/** @throws Error for a pattern that RE2 does not have */
export function compilePattern(pattern: string): RE2JS {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new Error(`a pattern may have up to ${MAX_PATTERN_LENGTH} characters`);
  }
  return RE2JS.compile(RE2JS.translateRegExp(pattern));
}
