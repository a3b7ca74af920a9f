import { html, type Markup } from '../platform/http/markup.js';
import { formatCount } from './format-figures.js';

/** More than this is folded, so that what is to be decided and the buttons stay near each other. */
const LONG_CHARACTERS = 1_500;
const LONG_LINES = 24;
const EXCERPT = 400;

/** Objects of so many members are shown member by member; larger ones as the JSON they are. */
const MOST_MEMBERS = 40;

/** Any JSON for people: text as text, the members of an object each under its name, the rest as indented JSON. */
export function showContent(content: unknown): Markup {
  if (content === null || content === undefined) return html`<p class="soft">There is no content with it.</p>`;
  const members = isObject(content) ? Object.entries(content) : [];
  if (members.length === 0 || members.length > MOST_MEMBERS) return showValue(content);
  return html`<dl class="content">
    ${members.map(
      ([name, value]) =>
        html`<div>
          <dt dir="auto">${name}</dt>
          <dd>${showValue(value)}</dd>
        </div>`,
    )}
  </dl>`;
}

function showValue(value: unknown): Markup {
  return typeof value === 'string' ? foldLong(value, 'text') : foldLong(JSON.stringify(value, null, 2), 'text json');
}

function foldLong(text: string, style: string): Markup {
  if (text === '') return html`<p class="soft">Empty</p>`;
  const block = html`<div class="${style}" dir="auto">${text}</div>`;
  if (text.length <= LONG_CHARACTERS && countLines(text) <= LONG_LINES) return block;
  const excerpt = text.split('\n', 8).join('\n').slice(0, EXCERPT).toWellFormed();
  return html`<div class="${style}" dir="auto">${excerpt} …</div>
    <details>
      <summary>Show all ${formatCount(text.length)} characters</summary>
      ${block}
    </details>`;
}

function countLines(text: string): number {
  let lines = 1;
  for (let at = text.indexOf('\n'); at >= 0 && lines <= LONG_LINES; at = text.indexOf('\n', at + 1)) lines += 1;
  return lines;
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
