const REPLACEMENT = '\uFFFD';

/** PostgreSQL refuses NUL in text, and half of a surrogate pair in JSON; U+FFFD takes their place. */
export function cleanText(text: string): string {
  return text.replaceAll('\0', REPLACEMENT).toWellFormed();
}

/**
 * A copy of a parsed JSON value with every text and key cleaned. A key such as `__proto__` stays an ordinary own key.
 * Throws RangeError when it is nested deeper than `deepest`: nobody may make a later reader recurse without end.
 */
export function cleanJson(value: unknown, deepest = 128): unknown {
  if (typeof value === 'string') return cleanText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (deepest === 0) throw new RangeError('The value is nested too deeply.');
  if (Array.isArray(value)) return value.map((item) => cleanJson(item, deepest - 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [cleanText(key), cleanJson(item, deepest - 1)]));
}
