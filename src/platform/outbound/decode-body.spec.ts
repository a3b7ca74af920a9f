import { decodeBody } from './decode-body.js';

const decode = (text: string, type?: string) => decodeBody(Buffer.from(text), type);

describe('decoding the body of an answer', () => {
  it.each([
    ['application/json'],
    ['Application/JSON; charset=utf-8'],
    ['application/problem+json'],
    ['application/vnd.api+json ; v=1'],
  ])('reads JSON of the type %s', (type) => {
    expect(decode('{"a":[1,null,"ä"]}', type)).toEqual({ a: [1, null, 'ä'] });
  });

  it.each([[undefined], ['text/plain'], ['text/html'], ['application/jsonp'], ['application/json-seq']])(
    'leaves JSON of the type %s as text',
    (type) => {
      expect(decode('{"a":1}', type)).toBe('{"a":1}');
    },
  );

  it('gives null for an empty body', () => {
    expect(decode('', 'application/json')).toBeNull();
  });

  it.each([['{"a":'], ['<html>'], ['{"a":1e400}'], ['['.repeat(65) + ']'.repeat(65)], ['['.repeat(500_000)]])(
    'leaves as text what is no JSON that can be held, case %#',
    (text) => {
      expect(decode(text, 'application/json')).toBe(text);
    },
  );

  it('reads 64 levels', () => {
    expect(typeof decode('['.repeat(64) + ']'.repeat(64), 'application/json')).toBe('object');
  });

  it('reads no deeper than that however deep an answer of 1 MiB is', () => {
    const text = '['.repeat(524_288) + ']'.repeat(524_288);
    expect(decode(text, 'application/json')).toBe(text);
  });

  it('gives base64 of what is no text', () => {
    expect(decodeBody(Buffer.from([0xff, 0xfe]), 'text/plain')).toEqual({ base64: '//4=' });
    expect(decode('a\0b')).toEqual({ base64: 'YQBi' });
  });

  it('gives nothing that PostgreSQL refuses', () => {
    expect(decode('{"a\\u0000":"\\ud800"}', 'application/json')).toEqual({ 'a\uFFFD': '\uFFFD' });
  });

  it('leaves out the mark of the byte order', () => {
    expect(decode('\uFEFF{"a":1}', 'application/json')).toEqual({ a: 1 });
  });

  it('keeps __proto__ an ordinary key', () => {
    const value = decode('{"__proto__":{"x":1}}', 'application/json');
    expect(JSON.stringify(value)).toBe('{"__proto__":{"x":1}}');
    expect((value as { x?: number }).x).toBeUndefined();
  });
});
