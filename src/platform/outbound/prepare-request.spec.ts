import { type HttpRequest, prepareRequest } from './prepare-request.js';

const prepare = (request: Partial<HttpRequest>) =>
  prepareRequest({ method: 'POST', url: 'https://api.example/x', timeoutSeconds: 1, ...request });

function prepared(request: Partial<HttpRequest>): { headers: Record<string, string>; body: string | undefined } {
  const outcome = prepare(request);
  if (!outcome.ok) throw new Error(outcome.message);
  return { headers: Object.fromEntries(outcome.headers), body: outcome.body?.toString() };
}

describe('preparing a request', () => {
  it.each([
    [{ a: [1, null] }, '{"a":[1,null]}'],
    [[], '[]'],
    [0, '0'],
    [false, 'false'],
  ])('sends %j as JSON', (body, text) => {
    expect(prepared({ body })).toMatchObject({ headers: { 'Content-Type': 'application/json' }, body: text });
  });

  it('sends text as it is', () => {
    expect(prepared({ body: '{"ä"' })).toMatchObject({
      headers: { 'Content-Type': 'text/plain; charset=utf-8' },
      body: '{"ä"',
    });
  });

  it.each([[undefined], [null]])('sends %j as no body and no content type', (body) => {
    expect(prepared({ body })).toEqual({
      headers: { 'User-Agent': expect.stringMatching(/^Holdpoint\/\d+\.\d+\.\d+$/), 'Accept-Encoding': 'identity' },
      body: undefined,
    });
  });

  it('sends the idempotency key', () => {
    expect(prepared({ idempotencyKey: 'e:n:1' }).headers).toMatchObject({ 'Idempotency-Key': 'e:n:1' });
  });

  it('leaves alone what the caller says, in whatever case', () => {
    const headers = { 'content-TYPE': 'application/xml', 'user-agent': 'me', 'IDEMPOTENCY-KEY': 'mine' };
    expect(prepared({ headers, body: '<a/>', idempotencyKey: 'ours' }).headers).toEqual({
      ...headers,
      'Accept-Encoding': 'identity',
    });
  });

  it.each([
    ['api.example/x', /cannot be read/],
    ['', /cannot be read/],
    ['/x', /cannot be read/],
    ['http://256.256.256.256/', /cannot be read/],
    ['http://[fe80::1%25eth0]/', /cannot be read/],
    ['ftp://api.example/', /Only http and https/],
    ['file:///etc/passwd', /Only http and https/],
    ['data:text/plain,x', /Only http and https/],
    ['gopher://api.example/', /Only http and https/],
    ['unix:/run/docker.sock', /Only http and https/],
    ['javascript:1', /Only http and https/],
    ['https://user@api.example/', /header Authorization/],
    ['https://user:secret@api.example/', /header Authorization/],
    ['https://:secret@api.example/', /header Authorization/],
    ['http://public.example@127.0.0.1/', /header Authorization/],
  ])('refuses the URL %j', (url, why) => {
    expect(prepare({ url })).toMatchObject({
      code: 'HTTP_INVALID_REQUEST',
      message: expect.stringMatching(why),
      retryable: false,
    });
  });

  it.each([
    ['Host'],
    ['content-length'],
    ['Transfer-Encoding'],
    ['connection'],
    ['Keep-Alive'],
    ['UPGRADE'],
    ['te'],
    ['Trailer'],
    ['Expect'],
    ['accept-encoding'],
    ['Proxy-Authorization'],
    ['proxy-anything'],
  ])('refuses the header %s, which is the sender’s', (name) => {
    expect(prepare({ headers: { [name]: 'x' } })).toMatchObject({
      code: 'HTTP_INVALID_REQUEST',
      message: `The header ${name.toLowerCase()} is set by the sender. Remove it.`,
    });
  });

  it.each([[''], ['a b'], ['a:b'], ['a\r\nHost: x'], ['ä'], ['a\0'], ['(a)']])('refuses the header name %j', (name) => {
    expect(prepare({ headers: { [name]: 'x' } })).toMatchObject({ code: 'HTTP_INVALID_REQUEST' });
  });

  it.each([
    ['secret\r\nHost: x'],
    ['secret\n'],
    ['secret\r'],
    ['secret\0'],
    ['secret\u007f'],
    ['secretä'],
    ['secret\u2028'],
  ])('refuses the header value %j without telling it', (value) => {
    const outcome = prepare({ headers: { 'X-Key': value } });
    expect(outcome).toMatchObject({ code: 'HTTP_INVALID_REQUEST', message: expect.stringContaining('x-key') });
    expect(JSON.stringify(outcome)).not.toContain('secret');
  });

  it('refuses an idempotency key that is no header value only when it would be sent', () => {
    expect(prepare({ idempotencyKey: 'a\r\nb' })).toMatchObject({ code: 'HTTP_INVALID_REQUEST' });
    expect(prepare({ idempotencyKey: 'a\r\nb', headers: { 'Idempotency-Key': 'good' } }).ok).toBe(true);
  });

  it('refuses a header that is there twice in different cases', () => {
    expect(prepare({ headers: { 'X-A': '1', 'x-a': '2' } })).toMatchObject({ code: 'HTTP_INVALID_REQUEST' });
  });

  it('takes a body of 1,048,576 bytes and refuses one more', () => {
    expect(prepare({ body: 'x'.repeat(1_048_576) }).ok).toBe(true);
    expect(prepare({ body: `${'x'.repeat(1_048_575)}ä` })).toMatchObject({ code: 'HTTP_INVALID_REQUEST' });
  });

  it('refuses more than 32,768 bytes of URL and headers', () => {
    expect(prepare({ headers: { a: 'x'.repeat(32_000) } }).ok).toBe(true);
    expect(prepare({ headers: { a: 'x'.repeat(33_000) } })).toMatchObject({ code: 'HTTP_INVALID_REQUEST' });
    expect(prepare({ url: `https://api.example/${'x'.repeat(33_000)}` })).toMatchObject({
      code: 'HTTP_INVALID_REQUEST',
    });
  });

  it.each([['GET'], ['HEAD']] as const)('refuses a body of %s', (method) => {
    expect(prepare({ method, body: {} })).toMatchObject({ code: 'HTTP_INVALID_REQUEST' });
    expect(prepare({ method, body: null }).ok).toBe(true);
  });
});
