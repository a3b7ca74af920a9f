/** Nothing shorter is looked for: it would be found everywhere. */
const SHORTEST = 8;

/** Characters of a line of base64 as e-mail and many libraries break it (RFC 2045). */
const BASE64_LINE = 76;

/**
 * How a value may come out: as it is, line by line, and written as JSON, as Python and JavaScript show text, in a URL, in
 * base64 and in hexadecimal; all of that also without the white space around it, which a value often has and its use never.
 */
export function* formsOf(value: string): Generator<string> {
  for (const form of allForms(value)) if (form.length >= SHORTEST) yield form;
}

function* allForms(value: string): Generator<string> {
  const wholes = new Set([value, value.trim()]);
  const all = /[\r\n]/.test(value) ? value.split(/\r\n|[\r\n]/) : [];
  // The indent is no secret: with it, a bracket alone would be hidden in all that is indented.
  const lines = all.filter((line) => line.trim().length >= SHORTEST);
  for (const text of new Set([...wholes, ...lines.flatMap((line) => [line, line.trim()])])) {
    yield text;
    yield* jsonForms(text);
    yield* shownForms(text);
  }
  for (const text of wholes) yield* [...urlForms(text), ...base64Forms(text), ...hexForms(text)];
}

/** Between its quotes: with the characters beyond ASCII as they are, and escaped as Python does. */
function jsonForms(text: string): string[] {
  const escaped = JSON.stringify(text).slice(1, -1);
  const inAscii = escaped.replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return [escaped, inAscii];
}

/**
 * Between its quotes: as Python's repr() and ascii() and console.log of JavaScript show it, and its bytes as Python does.
 * Whether its own quotes are escaped depends on what stands around it.
 */
function shownForms(text: string): string[] {
  const bytes = Buffer.from(text).toString('latin1');
  const shown = [
    escapeAs(text, PYTHON, /[\\\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu),
    escapeAs(text, PYTHON, /[^ -[\]-~]/gu),
    escapeAs(bytes, PYTHON, /[^ -[\]-~]/gu),
    escapeAs(text, JAVASCRIPT, /[\\\p{Cc}]/gu),
  ];
  return shown.flatMap((form) => [form, form.replaceAll("'", String.raw`\'`)]);
}

interface Escapes {
  /** Of characters that have one of their own. */
  short: Readonly<Record<string, string>>;
  isUpper: boolean;
}

const PYTHON: Escapes = { short: { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }, isUpper: false };
const JAVASCRIPT: Escapes = {
  short: { ...PYTHON.short, '\b': '\\b', '\f': '\\f', '\v': '\\v' },
  isUpper: true,
};

function escapeAs(text: string, { short, isUpper }: Escapes, escaped: RegExp): string {
  return text.replaceAll(escaped, (character) => {
    const point = character.codePointAt(0)!;
    const [letter, digits]: [string, number] = point < 0x100 ? ['x', 2] : point < 0x10000 ? ['u', 4] : ['U', 8];
    const number = point.toString(16).padStart(digits, '0');
    return short[character] ?? `\\${letter}${isUpper ? number.toUpperCase() : number}`;
  });
}

/** As encodeURIComponent, encodeURI and URLSearchParams write it, Python's quote and quote_plus, and all encoded that may be. */
function urlForms(text: string): string[] {
  const some = encodeURIComponent(text);
  const all = some.replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  const asField = new URLSearchParams([['', text]]).toString().slice(1);
  return [some, encodeURI(text), all, all.replaceAll('%2F', '/'), all.replaceAll('%20', '+'), asField];
}

function hexForms(text: string): string[] {
  const hex = Buffer.from(text).toString('hex');
  return [hex, hex.toUpperCase()];
}

/** Alone, broken into lines, and in the middle of something longer, where it may begin at any of three places. */
function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text);
  const alone = bytes.toString('base64');
  const lines = Array.from({ length: Math.ceil(alone.length / BASE64_LINE) }, (_, index) =>
    alone.slice(index * BASE64_LINE, (index + 1) * BASE64_LINE),
  );
  const forms = [...lines, ...[0, 1, 2].flatMap((before) => shiftedBase64(bytes, before))];
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
}

/** With `before` bytes in front: what is the same whatever they are, and whatever follows, or if nothing does. */
function shiftedBase64(bytes: Buffer, before: number): string[] {
  const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
  const from = Math.ceil((before * 8) / 6);
  const to = Math.floor(((before + bytes.length) * 8) / 6);
  return [encoded.slice(from, to), encoded.slice(from).replace(/=+$/, ''), encoded.slice(from)];
}
