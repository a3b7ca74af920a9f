import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer, type Socket } from 'node:net';
import { loadSettings } from '../../config/load-settings.js';
import { HttpSender } from './http-sender.js';
import type { HttpOutcome } from './http-outcome.js';
import type { HttpRequest } from './prepare-request.js';

const LOOPBACK = loadSettings({ OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8' });

const open: (Server | TcpServer)[] = [];
/** Connections to the servers of a test, also those that are closed by now. */
let sockets: Socket[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) {
    const closed = once(server.close(), 'close');
    for (const socket of sockets) socket.destroy();
    await closed;
  }
  sockets = [];
});

async function listening(server: Server | TcpServer): Promise<string> {
  server.on('connection', (socket: Socket) => sockets.push(socket.on('error', () => undefined)));
  open.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (answer: (request: IncomingMessage, response: ServerResponse) => void) => listening(createServer(answer));

/** A server that sends these bytes to whoever connects and has sent something, and then does no more. */
const serveBytes = (bytes: string, then: (socket: Socket) => void = () => undefined) =>
  listening(
    createTcpServer((socket) => {
      socket.once('data', () => socket.write(bytes, () => then(socket)));
    }),
  );

function sender(addresses: readonly string[] = [], settings = LOOPBACK): HttpSender {
  return new HttpSender(settings, () => Promise.resolve(addresses));
}

function send(url: string, request: Partial<HttpRequest> = {}, from = sender()): Promise<HttpOutcome> {
  return from.send({ method: 'GET', url, timeoutSeconds: 10, ...request });
}

async function codeOf(outcome: Promise<HttpOutcome>): Promise<string> {
  const settled = await outcome;
  return settled.ok ? `answered ${settled.status}` : settled.code;
}

/** Resolves when the server has seen every connection end. */
async function hungUp(): Promise<void> {
  const live = sockets.filter((socket) => !socket.closed);
  await Promise.all(live.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
}

describe('sending a request', () => {
  it('sends what it is told and gives what comes back', async () => {
    const url = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url: path, headers } = request;
        response.writeHead(201, {
          'Content-Type': 'application/json',
          'X-A': ['1', '2'],
          'Set-Cookie': ['a=1', 'b=2'],
        });
        response.end(JSON.stringify({ method, path, headers, text: Buffer.concat(chunks).toString() }));
      });
    });
    const outcome = await send(`${url}/a%20b?c=d&e=ä#f`, {
      method: 'PATCH',
      headers: { 'X-Own': 'yes', __proto__x: '1' },
      body: { a: 'ä' },
      idempotencyKey: 'e:n:1',
    });
    expect(outcome).toMatchObject({
      ok: true,
      status: 201,
      headers: { 'x-a': '1, 2', 'set-cookie': 'a=1, b=2', 'content-type': 'application/json' },
      body: {
        method: 'PATCH',
        path: '/a%20b?c=d&e=%C3%A4',
        text: '{"a":"ä"}',
        headers: {
          host: new URL(url).host,
          'x-own': 'yes',
          'content-type': 'application/json',
          'content-length': '10',
          'idempotency-key': 'e:n:1',
          'accept-encoding': 'identity',
          'user-agent': expect.stringMatching(/^Holdpoint\//),
          connection: 'close',
        },
      },
    });
  });

  it.each([['GET'], ['HEAD'], ['POST'], ['PUT'], ['PATCH'], ['DELETE'], ['OPTIONS']] as const)(
    'knows %s',
    async (method) => {
      const url = await serve((request, response) =>
        response.setHeader('x-method', String(request.method)).end('text'),
      );
      const body = method === 'HEAD' ? null : 'text';
      expect(await send(url, { method })).toMatchObject({ headers: { 'x-method': method }, body });
    },
  );

  it.each([[200], [204], [304], [400], [404], [500], [503]])('gives a %d as an answer', async (status) => {
    const url = await serve((_request, response) => response.writeHead(status).end());
    expect(await send(url)).toMatchObject({ ok: true, status, body: null });
  });

  it('does not follow a redirect', async () => {
    const asked: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      asked.push(request.url);
      response.writeHead(302, { Location: '/elsewhere' }).end();
    });
    expect(await send(`${url}/here`)).toMatchObject({ ok: true, status: 302, headers: { location: '/elsewhere' } });
    expect(asked).toEqual(['/here']);
  });

  it('keeps neither cookies nor connections', async () => {
    const cookies: unknown[] = [];
    const url = await serve((request, response) => {
      cookies.push(request.headers.cookie);
      response.setHeader('Set-Cookie', 'a=1').end();
    });
    const one = sender();
    await send(url, {}, one);
    await send(url, {}, one);
    expect(cookies).toEqual([undefined, undefined]);
    expect(sockets.length).toBe(2);
    await hungUp();
  });

  it('reads no proxy variables', async () => {
    const url = await serve((_request, response) => response.end('direct'));
    const proxy = await serve((_request, response) => response.end('by proxy'));
    const before = { ...process.env };
    try {
      Object.assign(process.env, { HTTP_PROXY: proxy, http_proxy: proxy, ALL_PROXY: proxy, NODE_USE_ENV_PROXY: '1' });
      expect(await send(url)).toMatchObject({ body: 'direct' });
    } finally {
      process.env = before;
    }
  });
});

describe('where a request may go', () => {
  it.each([
    [[]],
    [['127.0.0.1', '10.0.0.1']],
    [['10.0.0.1', '127.0.0.1']],
    [['127.0.0.1', '169.254.169.254']],
    [['::1']],
    [['0.0.0.0']],
  ])('opens no connection for a name that leads to %j', async (addresses) => {
    const url = await serve((_request, response) => response.end());
    const refused = addresses.length === 0 ? 'HTTP_HOST_UNKNOWN' : 'HTTP_ADDRESS_REFUSED';
    expect(await codeOf(send(url.replace('127.0.0.1', 'rebound.example'), {}, sender(addresses)))).toBe(refused);
    expect(sockets).toEqual([]);
  });

  it('opens no connection to loopback unless it is allowed, by name or by number', async () => {
    const url = await serve((_request, response) => response.end());
    const strict = sender(['127.0.0.1'], loadSettings({}));
    for (const host of ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]']) {
      expect(await codeOf(send(url.replace('127.0.0.1', host), {}, strict))).toBe('HTTP_ADDRESS_REFUSED');
    }
    expect(sockets).toEqual([]);
  });

  it('connects to the judged address and looks up once, whatever the name leads to later', async () => {
    const url = await serve((request, response) => response.end(request.headers.host));
    const answers = [['127.0.0.1'], ['10.0.0.1']];
    const rebinding = new HttpSender(LOOPBACK, () => Promise.resolve(answers.shift() ?? []));
    const { port } = new URL(url);
    // The name has no address in the system: what connects can only be the one that was judged.
    const outcome = await send(`http://rebound.invalid:${port}/`, {}, rebinding);
    expect(outcome).toMatchObject({ ok: true, body: `rebound.invalid:${port}` });
    expect(answers).toEqual([['10.0.0.1']]);
  });

  it('tries the next address when one does not answer', async () => {
    const { port } = new URL(await serve((_request, response) => response.end('here')));
    const outcome = await send(`http://two.invalid:${port}/`, {}, sender(['127.0.0.2', '127.0.0.1']));
    expect(outcome).toMatchObject({ ok: true, body: 'here' });
  });
});

describe('an answer that does not come as it should', () => {
  it('fails when nobody listens', async () => {
    const url = await serve(() => undefined);
    await once(open.pop()?.close() ?? createServer(), 'close');
    expect(await send(`${url}/secret?token=secret`)).toEqual({
      ok: false,
      code: 'HTTP_CONNECTION_FAILED',
      message: `${url} refused the connection. Check that it is up, or try again.`,
      retryable: true,
    });
  });

  it('fails when TLS is spoken to a server that does not', async () => {
    const url = await serve((_request, response) => response.end());
    expect(await codeOf(send(url.replace('http:', 'https:')))).toBe('HTTP_CONNECTION_FAILED');
  });

  it.each([
    ['no answer', ''],
    ['half of the headers', 'HTTP/1.1 200 OK\r\nContent-Le'],
    ['half of the body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'],
    ['half of the chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
  ])('fails when the connection ends after %s', async (_what, bytes) => {
    const url = await serveBytes(bytes, (socket) => socket.end());
    expect(await codeOf(send(url))).toBe('HTTP_CONNECTION_FAILED');
  });

  it.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a broken header', 'HTTP/1.1 200 OK\r\nbro ken\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a status under 100', 'HTTP/1.1 099 X\r\n\r\n'],
    ['a body where none may be', 'HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\nhello'],
    ['packed chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'],
    ['a broken chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
  ])('fails on %s', async (_what, bytes) => {
    const url = await serveBytes(bytes);
    expect(await codeOf(send(url))).toBe('HTTP_INVALID_RESPONSE');
    await hungUp();
  });

  it('fails on a compressed answer, which was not asked for', async () => {
    const url = await serve((_request, response) => response.setHeader('Content-Encoding', 'gzip').end('x'));
    expect(await codeOf(send(url))).toBe('HTTP_INVALID_RESPONSE');
    expect(await codeOf(send(url, { method: 'HEAD' }))).toBe('answered 200');
  });

  it('takes 1,048,576 bytes', async () => {
    const url = await serve((_request, response) => response.end('x'.repeat(1_048_576)));
    expect(await send(url)).toMatchObject({ ok: true, body: 'x'.repeat(1_048_576) });
  });

  it('takes an answer in many small pieces, whole and in order', async () => {
    const pieces = Array.from({ length: 30_000 }, (_, index) => String(index % 10)).join('');
    const chunks = [...pieces].map((piece) => `1\r\n${piece}\r\n`).join('');
    const url = await serveBytes(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`);
    expect(await send(url)).toMatchObject({ ok: true, body: pieces });
  });

  it('hangs up at one byte more, before it when it is announced', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/announced') response.setHeader('Content-Length', 1_048_577).flushHeaders();
      else response.end('x'.repeat(1_048_577));
    });
    for (const path of ['/announced', '/sent']) {
      expect(await codeOf(send(url + path))).toBe('HTTP_RESPONSE_TOO_LARGE');
      await hungUp();
    }
  });

  it('gives the answer to HEAD whatever length it tells', async () => {
    const url = await serve((_request, response) => response.setHeader('Content-Length', 5_000_000).end());
    expect(await codeOf(send(url, { method: 'HEAD' }))).toBe('answered 200');
  });

  it.each([['chunks'], ['headers'], ['trailers']])('hangs up on endless %s', async (what) => {
    const start = {
      chunks: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
      headers: 'HTTP/1.1 200 OK\r\n',
      trailers: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n',
    };
    const piece = what === 'chunks' ? `4000\r\n${'x'.repeat(0x4000)}\r\n` : `x-${'x'.repeat(1_000)}: y\r\n`;
    const url = await serveBytes(start[what as keyof typeof start], (socket) => {
      const more = () => void (socket.writable && socket.write(piece, more));
      more();
    });
    expect(await codeOf(send(url))).toBe('HTTP_RESPONSE_TOO_LARGE');
    await hungUp();
  });
});

describe('the time of a request', () => {
  it.each([
    ['is never begun', ''],
    ['stops within the headers', 'HTTP/1.1 200 OK\r\nX: '],
    ['stops within the body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'],
  ])('runs out on an answer that %s', async (_what, bytes) => {
    const url = await serveBytes(bytes);
    expect(await send(url, { timeoutSeconds: 0.1 })).toEqual({
      ok: false,
      code: 'HTTP_TIMED_OUT',
      message: `${url} did not answer completely within 0.1 s. Give it more time, or try again.`,
      retryable: true,
    });
    await hungUp();
  });

  it('runs out on an answer that comes drop by drop', async () => {
    const url = await serveBytes('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n', (socket) => {
      const drops = setInterval(() => socket.write('x'), 10);
      socket.on('close', () => clearInterval(drops));
    });
    expect(await codeOf(send(url, { timeoutSeconds: 0.2 }))).toBe('HTTP_TIMED_OUT');
    await hungUp();
  });

  it('runs out on TLS that is never answered', async () => {
    const url = await listening(createTcpServer((socket) => socket.resume()));
    expect(await codeOf(send(url.replace('http:', 'https:'), { timeoutSeconds: 0.1 }))).toBe('HTTP_TIMED_OUT');
    await hungUp();
    expect(sockets.length).toBe(1);
  });

  it('runs out on a lookup that never ends', async () => {
    const stuck = new HttpSender(LOOPBACK, () => new Promise(() => undefined));
    expect(await codeOf(send('http://stuck.invalid/', { timeoutSeconds: 0.1 }, stuck))).toBe('HTTP_TIMED_OUT');
  });

  it('runs out while twenty others keep the origin busy', async () => {
    const url = await serve(() => undefined);
    const busy = sender();
    const others = Array.from({ length: 20 }, () => send(url, {}, busy));
    expect(await codeOf(send(url, { timeoutSeconds: 0.2 }, busy))).toBe('HTTP_TIMED_OUT');
    expect(sockets.length).toBe(20);
    busy.onApplicationShutdown();
    await Promise.all(others);
  });

  it('ends when the caller says so, before and while it is sent', async () => {
    let arrived = () => undefined as void;
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    const url = await serve(() => arrived());
    expect(await codeOf(send(url, { signal: AbortSignal.abort() }))).toBe('HTTP_CANCELLED');
    expect(sockets).toEqual([]);
    const caller = new AbortController();
    const outcome = codeOf(send(url, { signal: caller.signal }));
    await arrival;
    caller.abort();
    expect(await outcome).toBe('HTTP_CANCELLED');
    await hungUp();
  });

  it('ends when the application stops, and so do those that come later', async () => {
    let arrived = () => undefined as void;
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    const url = await serve(() => arrived());
    const stopping = sender();
    const outcome = codeOf(send(url, {}, stopping));
    await arrival;
    stopping.onApplicationShutdown();
    expect(await outcome).toBe('HTTP_CANCELLED');
    expect(await codeOf(send(url, {}, stopping))).toBe('HTTP_CANCELLED');
    await hungUp();
    expect(sockets.length).toBe(1);
  });
});
