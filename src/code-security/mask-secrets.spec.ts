import { inspect } from 'node:util';
import { pick, randomNumbers } from '../workflows/engine/random.fixture.js';
import { SecretMask } from './mask-secrets.js';
import type { CodeResult, OutputStream } from './sandbox/sandbox-driver.js';
import { formsOf } from './secret-forms.js';

const TOKEN = 'p/ss wörd+"42"\\{~}?';
const KEY = '-----BEGIN KEY-----\r\nMIIEvQIBADANBg\r\n  kqhkiG9w0BAQ  \nshort\n-----END KEY-----\n';
/** As dear as they get: every line has forms of its own. */
const MANY_LINES = 'ä漢aaaaaaaa\n'.repeat(700);
/** Its quotes have to be escaped, and characters that are not shown as they are. */
const ODD = 'it\'s \x1b"\n\xa0\u{e0001}';
const mask = maskOf([TOKEN, KEY, ODD]);
/** Does a work in one portion. */
function atOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

function maskOf(values: readonly string[]) {
  const made = atOnce(SecretMask.of(values));
  return {
    text: (text: string) => atOnce(made.text(text)),
    json: (value: unknown) => atOnce(made.json(value)),
    result: (value: CodeResult) => atOnce(made.result(value)),
    follow: (hear: (stream: OutputStream, text: string) => void) => made.follow(hear),
  };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

const result = (fields: Partial<CodeResult>): CodeResult => ({
  outcome: 'succeeded',
  stdout: '',
  stderr: '',
  stdout_truncated: false,
  stderr_truncated: false,
  error_type: null,
  error_message: null,
  error_line: null,
  execution_time: 0,
  memory_used_mb: 0,
  locals_dict: null,
  output: null,
  isolation: { driver: 'none', level: 'none', cgroup: false },
  ...fields,
});

describe('a secret', () => {
  it.each([
    ['as it is', TOKEN],
    ['without the white space around it', KEY.trim()],
    ['as JSON', JSON.stringify(TOKEN).slice(1, -1)],
    ['as JSON in ASCII', 'p/ss w\\u00f6rd+\\"42\\"\\\\{~}?'],
    ['as encodeURIComponent writes it', encodeURIComponent(TOKEN)],
    ['as urllib quotes it', 'p/ss%20w%C3%B6rd%2B%2242%22%5C%7B~%7D%3F'],
    ['as urllib quotes it with plus', 'p%2Fss+w%C3%B6rd%2B%2242%22%5C%7B~%7D%3F'],
    ['as encodeURI writes it', encodeURI(TOKEN)],
    ['as a field of a form', new URLSearchParams({ k: TOKEN }).toString().slice(2)],
    ["as Python's repr shows it", 'p/ss wörd+"42"\\\\{~}?'],
    ["as Python's ascii shows it", 'p/ss w\\xf6rd+"42"\\\\{~}?'],
    ['as Python shows its bytes', 'p/ss w\\xc3\\xb6rd+"42"\\\\{~}?'],
    ['as Python shows it in single quotes', String.raw`it\'s \x1b"\n\xa0\U000e0001`],
    ['as JavaScript shows it', inspect(TOKEN).slice(1, -1)],
    ['as JavaScript shows it in other quotes', inspect(ODD).slice(1, -1)],
    ['in base64', base64(TOKEN)],
    ['in base64 without the white space around it', base64(KEY.trim())],
    ['in hexadecimal without the white space around it', Buffer.from(KEY.trim()).toString('hex')],
    ['in a URL without the white space around it', encodeURIComponent(KEY.trim())],
    ['in base64 without its end', base64(TOKEN).replace(/=+$/, '')],
    ['in base64 of URLs', Buffer.from(TOKEN).toString('base64url')],
    ['in hexadecimal', Buffer.from(TOKEN).toString('hex')],
    ['in capital hexadecimal', Buffer.from(KEY).toString('hex').toUpperCase()],
  ])('is hidden %s', (_, form) => {
    expect(mask.text(`<${form}>`)).toBe('<***>');
  });

  it.each([1, 2, 3, 4])('is hidden in the base64 of something longer, at place %d', (before) => {
    const hidden = mask.text(base64('u'.repeat(before) + TOKEN + ' and more'));
    // One character on either side is made of bits of the secret and of what is beside it.
    const around = base64('u'.repeat(before)).replace(/=+$/, '').length;
    expect(hidden).toMatch(new RegExp(`^.{0,${around}}\\*\\*\\*.{12,16}$`));
    expect(mask.text(base64(`${'u'.repeat(before)}${TOKEN}`))).toMatch(/^.{0,6}\*\*\*$/);
  });

  it('of several lines is hidden line by line, those that are too short to be told from other text left out', () => {
    const lines = mask.text('1: MIIEvQIBADANBg\n2: kqhkiG9w0BAQ\n3: short\n');
    expect(lines).toBe('1: ***\n2: ***\n3: short\n');
    const mime = base64(KEY).replaceAll(/.{76}/g, '$&\n');
    expect(mask.text(mime)).toBe('***\n***');
  });

  it('of several lines has lines that are nothing but an indent, which is not hidden elsewhere', () => {
    const json = JSON.stringify({ a: { b: { c: { d: { e: 'the-secret-itself' } } } } }, null, 4);
    const indented = `${json}\n${' '.repeat(12)}\n\t\t\t\t\n`;
    const other = `x${' '.repeat(12)}y\n${' '.repeat(12)}}\n\t\t\t\t;`;
    expect(maskOf([indented]).text(other)).toBe(other);
    expect(maskOf([indented]).text(json.slice(10))).not.toContain('itself');
  });

  it('that overlaps another leaves no end of the other', () => {
    const both = maskOf(['abcdefgh', 'efghijkl', 'cdefghij', 'abcdefghijkl-long']);
    expect(both.text('abcdefghijkl')).toBe('***');
    expect(both.text('abcdefghijkl-lon')).toBe('***-lon');
    expect(both.text('abcdefghijkl-long')).toBe('***');
    expect(both.text('abcdefghefghijkl')).toBe('******');
    expect(maskOf(['aXaXaXaX']).text('aXaXaXaXaXaX.')).toBe('***.');
  });

  it('leaves all other text as it is', () => {
    const text = 'https://example.com/p/ss?w=1 {"short": "MIIEvQ"}';
    expect(mask.text(text)).toBe(text);
    expect(maskOf([]).text(text)).toBe(text);
  });
});

describe('a masked stream', () => {
  /** All finds by looking for each form at each place; what overlaps is one. */
  const plainly = (values: readonly string[], text: string): string => {
    const finds = values
      .flatMap((value) => [...formsOf(value)])
      .flatMap((form) =>
        Array.from(text, (_, from) => ({ from, to: from + form.length })).filter(({ from }) =>
          text.startsWith(form, from),
        ),
      );
    const apart: { from: number; to: number }[] = [];
    for (const find of finds.toSorted((a, b) => a.from - b.from)) {
      const last = apart.at(-1);
      if (last && find.from < last.to) last.to = Math.max(last.to, find.to);
      else apart.push(find);
    }
    return apart.toReversed().reduce((all, { from, to }) => `${all.slice(0, from)}***${all.slice(to)}`, text);
  };

  it('says the same wherever it is cut, and never what a look at the whole would hide', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = randomNumbers(seed);
      const letters = (count: number) => Array.from({ length: count }, () => pick(['a', 'b'], random)).join('');
      const values = [letters(8), letters(9), letters(12)];
      const text = Array.from({ length: 6 }, () => pick([...values, letters(5)], random)).join('');
      const whole = maskOf(values).text(text);
      expect([seed, whole]).toEqual([seed, plainly(values, text)]);
      let heard = '';
      const hear = maskOf(values).follow((_, piece) => (heard += piece));
      for (let at = 0; at < text.length;) {
        const length = 1 + Math.floor(random() * 6);
        hear('stdout', text.slice(at, at + length));
        at += length;
        expect([seed, whole.startsWith(heard)]).toEqual([seed, true]);
      }
      hear('stdout', '\n');
      expect([seed, heard]).toEqual([seed, `${whole}\n`]);
    }
  });

  it('tells its two streams apart', () => {
    const heard: [OutputStream, string][] = [];
    const hear = mask.follow((stream, text) => heard.push([stream, text]));
    hear('stdout', TOKEN.slice(0, 9));
    hear('stderr', `${TOKEN.slice(9)}\n`);
    hear('stdout', `${TOKEN.slice(9)}\n`);
    expect(heard).toEqual([
      ['stderr', `${TOKEN.slice(9)}\n`],
      ['stdout', '***\n'],
    ]);
  });

  it('takes no longer for secrets that are chosen to be slow', () => {
    const values = Array.from({ length: 4 }, (_, index) => `${'a'.repeat(8_000)}${index}`);
    const slow = maskOf(values);
    const began = performance.now();
    expect(slow.text('a'.repeat(1 << 20))).toHaveLength(1 << 20);
    expect(performance.now() - began).toBeLessThan(3_000);
  });

  it.each([
    ['to make ready the largest secrets', () => SecretMask.of([MANY_LINES, MANY_LINES.replaceAll('a', 'b')])],
    ['to look at a long text', () => atOnce(SecretMask.of([TOKEN])).text('x'.repeat(1 << 20))],
    ['to look at many values', () => atOnce(SecretMask.of([TOKEN])).json(Array.from({ length: 100_000 }, () => [1]))],
    ['to look at long values', () => atOnce(SecretMask.of([TOKEN])).json(['x'.repeat(1 << 20)])],
  ])('needs many short goes %s', (_, begin: () => Generator<void, unknown>) => {
    const goes: number[] = [];
    for (const work = begin(), end = { done: false }; !end.done;) {
      const began = performance.now();
      end.done = work.next().done === true;
      goes.push(performance.now() - began);
    }
    expect(goes.length).toBeGreaterThan(50);
    expect(goes.toSorted((a, b) => a - b)[Math.floor(goes.length * 0.99)]).toBeLessThan(20);
  });
});

describe('a masked result', () => {
  it('shows a secret nowhere: not in values, keys, numbers, nor in what is said of an error', () => {
    const numbered = maskOf([TOKEN, '12345678']);
    const shown = numbered.result(
      result({
        stdout: `a ${TOKEN}`,
        stderr: `b ${TOKEN}`,
        error_type: TOKEN,
        error_message: `no ${TOKEN} here`,
        locals_dict: { [TOKEN]: { repr: `'${TOKEN}'` } },
        output: { [`k ${TOKEN}`]: [TOKEN, 12_345_678, { deep: -1.123456785 }, 7, true, null] },
      }),
    );
    expect(shown).toEqual(
      result({
        stdout: 'a ***',
        stderr: 'b ***',
        error_type: '***',
        error_message: 'no *** here',
        locals_dict: { '***': { repr: "'***'" } },
        output: { 'k ***': ['***', '***', { deep: '-1.***5' }, 7, true, null] },
      }),
    );
  });

  it('hides the beginning of a secret where a text was cut', () => {
    const cut = TOKEN.slice(0, 13);
    const shown = mask.result(
      result({
        stdout: `x ${cut}`,
        error_message: `output['${cut}] is of type set`,
        locals_dict: { token: cut },
        output: cut,
      }),
    );
    expect(shown).toMatchObject({ stdout: 'x ***', locals_dict: { token: '***' }, output: cut });
    expect(shown.error_message).toBe("output['***] is of type set");
  });

  it('keeps a key that objects would take for their prototype', () => {
    const output = JSON.parse('{"__proto__": {"a": 1}}') as unknown;
    expect(JSON.stringify(mask.json(output))).toBe('{"__proto__":{"a":1}}');
  });
});
