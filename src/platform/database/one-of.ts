/** The CHECK expression that admits exactly the values of a status list, so that code and database share one list. */
export function oneOf(column: string, values: readonly string[]): string {
  return `"${column}" IN (${values.map((value) => `'${value}'`).join(', ')})`;
}
