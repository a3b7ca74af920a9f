/**
 * The JSON Canonicalization Scheme (RFC 8785): one text for equal values, whatever the order of their keys, so that a
 * hash over it can be computed again by anybody. Numbers and strings are serialized as ECMAScript does, which is what
 * the scheme asks for; keys are ordered by UTF-16 code units.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`);
  return `{${members.join(',')}}`;
}
