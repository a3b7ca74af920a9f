import { MAX_EXPRESSION_LENGTH } from './expression-limits.js';

export type TextPart =
  | { readonly kind: 'text'; readonly text: string }
  /** `start` is where the source begins in the text, after the `{{`. */
  | { readonly kind: 'hole'; readonly source: string; readonly start: number };

export type Holes =
  | { readonly ok: true; readonly parts: readonly TextPart[] }
  | { readonly ok: false; readonly message: string; readonly position: number };

/**
 * Splits a text at its `{{ … }}`. A hole ends at the first `}}` outside of string literals, comments and braces of
 * the expression, so `{{ {"a": {"b": 1}} }}` is one hole. A `}}` without a `{{` before it is text: JSON has many.
 */
export function findHoles(text: string): Holes {
  const parts: TextPart[] = [];
  let position = 0;
  while (position < text.length) {
    const open = text.indexOf('{{', position);
    if (open === -1) break;
    const close = endOfHole(text, open + 2);
    if (close === undefined) return unbalanced(text, open);
    if (open > position) parts.push({ kind: 'text', text: text.slice(position, open) });
    parts.push({ kind: 'hole', source: text.slice(open + 2, close), start: open + 2 });
    position = close + 2;
  }
  if (position < text.length) parts.push({ kind: 'text', text: text.slice(position) });
  return { ok: true, parts };
}

function unbalanced(text: string, open: number): Holes {
  const start = JSON.stringify(text.slice(open, open + 40));
  return {
    ok: false,
    message: `The {{ at character ${open + 1} (${start}) has no }} within ${MAX_EXPRESSION_LENGTH} characters; close it.`,
    position: open,
  };
}

/** What does not count when looking for braces: comments, and string literals in CEL's four kinds of quotes. */
const skipped =
  /\/\/[^\n]*|"""(?:[^\\]|\\.)*?"""|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[{}]/gsy;

function endOfHole(text: string, start: number): number | undefined {
  let depth = 0;
  // No further than an expression may be long: it keeps the search linear in the text, whatever its quotes.
  const rest = text.slice(start, start + MAX_EXPRESSION_LENGTH + 2);
  for (let at = 0; at < rest.length; at += 1) {
    if (depth === 0 && rest.startsWith('}}', at)) return start + at;
    skipped.lastIndex = at;
    const token = skipped.exec(rest)?.[0];
    if (token === undefined) continue;
    if (token === '{') depth += 1;
    else if (token === '}') depth -= 1;
    else at += token.length - 1;
    if (depth < 0) return undefined;
  }
  return undefined;
}
