/** Text that is HTML already. Only `html` makes it, so whatever else is put into a page is escaped. */
export class Markup {
  private constructor(readonly text: string) {}

  /** For text of our own that holds no value from anywhere else, such as a style sheet. */
  static trusted(text: string): Markup {
    return new Markup(text);
  }
}

type Hole = Markup | string | number | readonly Hole[];

/** A template of HTML or SVG: what stands in a hole is escaped, for text and for attributes in quotation marks. */
export function html(parts: TemplateStringsArray, ...holes: Hole[]): Markup {
  return Markup.trusted(
    parts.map((part, index) => (index === 0 ? '' : render(holes[index - 1] ?? '')) + part).join(''),
  );
}

function render(hole: Hole): string {
  if (hole instanceof Markup) return hole.text;
  if (typeof hole === 'object') return hole.map(render).join('');
  return String(hole).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
