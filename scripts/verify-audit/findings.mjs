/** More nobody reads, and a file that is wrong everywhere must not fill the memory. */
const MAX_BREACHES = 100;

/** What is wrong and where, and which of the hashes kept elsewhere were met. */
export class Findings {
  breaches = [];
  more = 0;

  constructor(heads) {
    this.heads = new Map(heads.map((head) => [head, null]));
  }

  add(at, what) {
    if (this.breaches.length < MAX_BREACHES) this.breaches.push({ at, what });
    else this.more += 1;
  }

  /** Says the breach unless the condition holds. */
  expect(holds, at, what) {
    if (!holds) this.add(at, what);
  }

  /** A hash that was computed here. */
  see(hash, where) {
    if (this.heads.has(hash)) this.heads.set(hash, where);
  }

  closeHeads() {
    for (const [head, where] of this.heads) {
      this.expect(
        where !== null,
        `--head ${head}`,
        'is the hash of nothing here: the end was cut off, or all was rewritten',
      );
    }
    return [...this.heads].map(
      ([head, where]) => `The hash kept elsewhere, ${head}, is that of ${where ?? 'nothing here'}.`,
    );
  }
}
