/**
 * How many choices a password shows: a piece that attackers try first counts as one character, however long it is,
 * and every other character counts for itself. Predictable pieces are
 * 1. the given words (product, person) and the words below, also with digits and signs in place of letters;
 * 2. three or more neighbours of the alphabet, of the digits or of a keyboard, in either direction;
 * 3. years from 1900 to 2099;
 * 4. three or more characters that have already been there; as in LZ77 the two may overlap, so a run of one character
 *    counts as two.
 * The answer is the least over all ways to cut the password into pieces. Quadratic in its length.
 */
export function effectiveLength(password: string, words: readonly string[] = []): number {
  const text = password.toLowerCase();
  const plain = withLetters(text);
  const known = new Set([...COMMON_WORDS, ...words].map((word) => withLetters(word.toLowerCase())).filter(isWord));
  const longest = Math.max(...[...known].map((word) => word.length));
  const repeats = repeatedEndings(text);
  const least = [0];
  for (let end = 1; end <= text.length; end++) {
    least[end] = (least[end - 1] ?? 0) + 1;
    for (let size = MIN_PIECE; size <= Math.min(end, Math.max(longest, LONGEST_LINE, repeats[end] ?? 0)); size++) {
      const start = end - size;
      const predictable =
        size <= (repeats[end] ?? 0) || known.has(plain.slice(start, end)) || isPattern(text.slice(start, end));
      if (predictable) least[end] = Math.min(least[end] ?? 0, (least[start] ?? 0) + 1);
    }
  }
  return least[text.length] ?? 0;
}

const MIN_PIECE = 3;

/** Words and names that lead every published count of leaked passwords; what is made of them alone is refused. */
const COMMON_WORDS = (
  'password passwort passwd pass word admin administrator root user guest test demo default login logon signin welcome ' +
  'letmein changeme change secret master access super love iloveyou you monkey dragon sunshine princess football ' +
  'baseball basketball soccer hockey superman batman pokemon starwars trustno1 freedom whatever shadow michael jordan ' +
  'charlie daniel ashley jessica hello computer internet server system database company business work office home ' +
  'summer winter spring autumn january february march april june july august september october november december ' +
  'monday tuesday wednesday thursday friday saturday sunday please enter open sesame flower cookie cheese killer lucky ' +
  'angel mustang ferrari mercedes google facebook samsung windows microsoft apple android linux github workflow ' +
  'approve approval checkpoint'
).split(' ');

/** Straight lines over alphabet, digits and the keyboards QWERTY, QWERTZ and AZERTY, each read both ways. */
const LINES = (
  'abcdefghijklmnopqrstuvwxyz 012345678901234567890 ' +
  'qwertyuiop asdfghjkl zxcvbnm qwertzuiop yxcvbnm azertyuiop qsdfghjklm wxcvbn ' +
  '1qaz 2wsx 3edc 4rfv 5tgb 6yhn 7ujm !"#$%& !@#$%^&*()'
)
  .split(' ')
  .flatMap((line) => [line, line.split('').toReversed().join('')]);

const LONGEST_LINE = Math.max(...LINES.map((line) => line.length));

function isPattern(piece: string): boolean {
  return /^(19|20)\d\d$/.test(piece) || LINES.some((line) => line.includes(piece));
}

/** For each position, how many of the characters just before it also stand further to the left. */
function repeatedEndings(text: string): Uint16Array {
  const longest = new Uint16Array(text.length + 1);
  let above = new Uint16Array(text.length + 1);
  for (let left = 1; left <= text.length; left++) {
    const row = new Uint16Array(text.length + 1);
    for (let right = left + 1; right <= text.length; right++) {
      if (text[left - 1] !== text[right - 1]) continue;
      row[right] = (above[right - 1] ?? 0) + 1;
      longest[right] = Math.max(longest[right] ?? 0, row[right] ?? 0);
    }
    above = row;
  }
  return longest;
}

const LETTERS: Readonly<Record<string, string>> = {
  '0': 'o',
  '1': 'i',
  '!': 'i',
  '3': 'e',
  '4': 'a',
  '@': 'a',
  '5': 's',
  $: 's',
  '7': 't',
};

/** Keeps the length, so that positions in the text stay what they are. */
function withLetters(text: string): string {
  return text.replace(/[01!34@5$7]/g, (sign) => LETTERS[sign] ?? sign);
}

function isWord(word: string): boolean {
  return word.length >= MIN_PIECE;
}
