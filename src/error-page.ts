import { existsSync, readFileSync } from 'node:fs';

/** The page lies beside the sources; compiled ones are a folder deeper. */
const PLACES = ['../docs/errors.md', '../../docs/errors.md'].map((path) => new URL(path, import.meta.url));

/**
 * `docs/errors.md` as HTML. The anchor of a code is what `type` of its problem documents leads to.
 * Knows as much Markdown as that page uses: headings, lists, paragraphs, code.
 * @throws Error when the page was not shipped with the program.
 */
export function errorPage(): string {
  const file = PLACES.find((place) => existsSync(place));
  if (!file) throw new Error('docs/errors.md is missing: ship the folder docs with the program');
  const blocks = readFileSync(file, 'utf8').trim().split(/\n\n+/).map(blockOf);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Errors of Holdpoint</title>
<style>body{max-width:44rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 sans-serif}:target{background:#fd6}</style>
${blocks.join('\n')}
</html>
`;
}

/** The anchor of a heading, as GitHub makes it: what a link from a problem document names. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

function blockOf(text: string): string {
  const [, marks, heading] = /^(#{1,3}) (.+)$/.exec(text) ?? [];
  if (marks && heading) {
    return `<h${marks.length} id="${anchorOf(heading)}">${spanOf(heading)}</h${marks.length}>`;
  }
  if (!text.startsWith('- ')) return `<p>${spanOf(text)}</p>`;
  const items = text.slice(2).split(/\n- /);
  return `<ul>\n${items.map((item) => `<li>${spanOf(item)}</li>`).join('\n')}\n</ul>`;
}

function spanOf(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return escaped.replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}
