/** The state in which nothing is begun. */
const START = 0;

/**
 * Finds all of many texts in one pass, whatever they are and however they overlap (Aho and Corasick, 1975): each character
 * of what is searched costs the same, so that nobody can choose texts that are slow to look for. A state is the longest
 * beginning of one of the texts with which what was read so far ends.
 */
export class TextFinder {
  /** By state: how many characters are begun. */
  private readonly depths: Int32Array;
  /** By state: the longest text that ends here, in characters; 0 for none. */
  private readonly lengths: Int32Array;
  /** By state: the next shorter beginning with which it ends too. */
  private readonly shorter: Int32Array;
  /** By state: the first character that leads on, plus one, and where to. Most states have no other. */
  private readonly characters: Int32Array;
  private readonly states: Int32Array;
  private readonly otherMoves = new Map<number, number>();
  private size = 1;

  /** As large as they may get: growing arrays of a million states would hold up everything else. */
  private constructor(most: number) {
    this.depths = new Int32Array(most);
    this.lengths = new Int32Array(most);
    this.shorter = new Int32Array(most);
    this.characters = new Int32Array(most);
    this.states = new Int32Array(most);
  }

  /** Work for `inPortions`: each character of the texts is some. */
  static *of(texts: ReadonlySet<string>): Generator<void, TextFinder> {
    let growing = [...texts].filter((text) => text !== '').map((text) => ({ text, state: START }));
    const finder = new TextFinder(growing.reduce((sum, { text }) => sum + text.length, 1));
    // Level by level: the shorter beginnings of a new state are all there already.
    for (let depth = 0; growing.length > 0; depth++) {
      for (const one of growing) one.state = finder.grow(one.state, one.text.charCodeAt(depth));
      for (const { text, state } of growing) if (text.length === depth + 1) finder.lengths[state] = text.length;
      growing = growing.filter(({ text }) => text.length > depth + 1);
      yield;
    }
    return finder;
  }

  get start(): number {
    return START;
  }

  /** The state after one more character (a UTF-16 code unit). */
  next(from: number, character: number): number {
    for (let state = from; ; state = this.shorter[state]!) {
      const to = this.move(state, character);
      if (to !== undefined) return to;
      if (state === START) return START;
    }
  }

  /** Characters at the end of what was read that may become one of the texts. */
  begun(state: number): number {
    return this.depths[state]!;
  }

  /** Length of the longest text with which what was read ends; 0 if with none. */
  found(state: number): number {
    return this.lengths[state]!;
  }

  private move(from: number, character: number): number | undefined {
    if (this.characters[from] === character + 1) return this.states[from];
    return this.otherMoves.get(moveOf(from, character));
  }

  private grow(from: number, character: number): number {
    const known = this.move(from, character);
    if (known !== undefined) return known;
    const state = this.size++;
    const shorter = from === START ? START : this.next(this.shorter[from]!, character);
    this.depths[state] = this.depths[from]! + 1;
    this.shorter[state] = shorter;
    this.lengths[state] = this.lengths[shorter]!;
    this.lead(from, character, state);
    return state;
  }

  private lead(from: number, character: number, to: number): void {
    if (this.characters[from] === 0) {
      this.characters[from] = character + 1;
      this.states[from] = to;
    } else this.otherMoves.set(moveOf(from, character), to);
  }
}

const moveOf = (state: number, character: number) => state * 0x10000 + character;
