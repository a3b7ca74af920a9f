import { html } from './markup.js';

describe('html', () => {
  it('escapes what is put in, for text and attributes', () => {
    const bad = `"><script>alert('1')</script>&`;
    expect(html`<a title="${bad}">${bad}</a>`.text).toBe(`<a title="${escaped(bad)}">${escaped(bad)}</a>`);
    expect(html`<a title="${bad}">${bad}</a>`.text).not.toMatch(/<script|alert\('/);
  });

  it('leaves what it made itself, alone and in lists', () => {
    const items = ['<', 'b'].map((text) => html`<b>${text}</b>`);
    expect(html`<i>${items}</i>${1.5}`.text).toBe('<i><b>&#60;</b><b>b</b></i>1.5');
  });
});

const escaped = (text: string) =>
  [...text].map((character) => (/[&<>"']/.test(character) ? `&#${character.charCodeAt(0)};` : character)).join('');
