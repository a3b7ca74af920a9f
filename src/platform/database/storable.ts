/** NUL and half surrogate pairs as JSON.stringify escapes them; a backslash before would make it something else. */
const UNSTORABLE = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][\da-f]{2})/gi;

/**
 * The same JSON value with U+FFFD for what PostgreSQL refuses in text: NUL characters and half surrogate pairs, in keys
 * too. Returns the very value when there are none.
 */
export function storable<T>(value: T): T {
  const text = JSON.stringify(value);
  if (text === undefined) return value;
  const clean = text.replace(UNSTORABLE, '$1\uFFFD');
  return clean === text ? value : (JSON.parse(clean) as T);
}
