import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createConnection, type Server } from 'node:net';
import { access, lstat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { DomainError } from '../platform/errors/domain-error.js';
import { TIMEOUT_SECONDS, type CodeSecurityService } from './code-security.service.js';
import { HEARTBEAT_MS, LARGEST_REQUEST, runRequest, type AnswerLine } from './sandbox/side-car-protocol.js';

export interface SandboxServer {
  /** Takes no new connection and frees the path; settles when the last connection is gone. */
  close(): Promise<void>;
  /** Ends the connections that are left, and with them their jobs. */
  hangUp(): void;
}

/** The owner and the group may connect, which takes the right to write. */
const SOCKET_UMASK = 0o117;
const REQUEST_MS = 10_000;

/**
 * Answers at a UNIX socket as side-car-protocol.ts says. The socket of a process that has died is replaced.
 * Throws when another process listens there, or when there can be no socket.
 */
export async function serveSandbox(
  service: CodeSecurityService,
  path: string,
  heartbeatMs = HEARTBEAT_MS,
): Promise<SandboxServer> {
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: 1_000 },
    (request, response) => void answer(service, request, response, heartbeatMs),
  );
  // Who asks closes idle connections: if both did, a job could be sent into one that is just being closed.
  server.keepAliveTimeout = 0;
  await access(dirname(path)); // Of a folder that is not there, listening says that it is not permitted.
  await listen(server, path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE' || !(await isLeftOver(path))) throw error;
    await unlink(path);
    await listen(server, path);
  });
  return {
    close: () => new Promise((resolve) => server.close(() => resolve())),
    hangUp: () => server.closeAllConnections(),
  };
}

/** The path is bound before listen() returns, so nothing else is made under this umask. */
function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const umask = process.umask(SOCKET_UMASK);
  try {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  } finally {
    process.umask(umask);
  }
  return promise;
}

/** Whether it is a socket at which nobody listens; connecting to another kind of file is refused in the same way. */
async function isLeftOver(path: string): Promise<boolean> {
  if (!(await lstat(path)).isSocket()) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const connection = createConnection(path);
  connection.once('connect', () => resolve(false));
  connection.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  return promise.finally(() => connection.destroy());
}

async function answer(
  service: CodeSecurityService,
  request: IncomingMessage,
  response: ServerResponse,
  heartbeatMs: number,
): Promise<void> {
  switch (`${request.method} ${request.url}`) {
    case 'POST /run':
      return await answerRun(service, request, response, heartbeatMs);
    case 'GET /health':
      return reply(response, 200, service.health());
    case 'GET /health/liveness':
      return reply(response, 200, { status: 'ok', uptime_seconds: Math.floor(process.uptime()) });
    case 'GET /health/readiness':
      return reply(response, service.health().available ? 200 : 503, { reason: service.health().reason });
    default:
      return reply(response, 404, { reason: 'There is POST /run, GET /health and GET /health/{liveness,readiness}.' });
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

/** Each job is a party of its own: whose turn it is has been settled by who asks. */
async function answerRun(
  service: CodeSecurityService,
  request: IncomingMessage,
  response: ServerResponse,
  heartbeatMs: number,
) {
  const hangUp = new AbortController();
  response.once('close', () => hangUp.abort());
  const text = await readBody(request);
  if (text === null) return reply(response, 413, { reason: `A request may have up to ${LARGEST_REQUEST} bytes.` });
  const asked = runRequest.safeParse(parse(text));
  if (!asked.success) return reply(response, 400, { reason: z.prettifyError(asked.error) });
  if (asked.data.job.timeoutSeconds > TIMEOUT_SECONDS.max)
    return reply(response, 400, { reason: `A job may take up to ${TIMEOUT_SECONDS.max} s.` });
  const say = (line: AnswerLine) => response.write(`${JSON.stringify(line)}\n`);
  response.writeHead(200, { 'content-type': 'application/x-ndjson' }).flushHeaders();
  const heartbeat = setInterval(() => response.write('\n'), heartbeatMs);
  try {
    const { job, follow } = asked.data;
    const onOutput = follow
      ? (stream: 'stdout' | 'stderr', heard: string) => say({ output: { stream, text: heard } })
      : undefined;
    say({ result: await service.run(job, { party: randomUUID(), signal: hangUp.signal, onOutput }) });
  } catch (error) {
    say({ refused: refusalOf(error) });
  } finally {
    clearInterval(heartbeat);
    response.end();
  }
}

/** Null when it is too large: then it is read to its end all the same, for only then is an answer sure to be read. */
function readBody(request: IncomingMessage): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= LARGEST_REQUEST) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on('error', () => {}); // It hung up: 'end' never comes, and nobody waits for an answer.
  request.on('end', () => resolve(bytes > LARGEST_REQUEST ? null : Buffer.concat(chunks).toString('utf8')));
  return promise;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Nothing of a job is said: a fault of ours may quote it. */
function refusalOf(error: unknown) {
  if (!(error instanceof DomainError)) return { message: 'The side-car broke at this job.', retry_after_seconds: null };
  return { message: error.message, retry_after_seconds: error.retryAfterSeconds ?? null };
}
