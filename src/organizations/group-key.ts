/** What a group is found by: its name whatever the case, and whichever way its accents are encoded. */
export function groupKey(name: string): string {
  return name.normalize('NFC').toLowerCase();
}
