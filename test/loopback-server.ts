import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A server that executions call; it keeps what it was sent. */
export interface LoopbackServer {
  url: string;
  received: Received[];
  /** Requests whose connection ended before they were answered. */
  hungUp: string[];
  /** How many were ever opened. */
  connections(): number;
  /** How it answers a path from now on; 200 and null where nothing is said. */
  on(path: string, answer: (request: Received, response: ServerResponse) => void): void;
  close(): Promise<void>;
}

/** Settings that let executions call it. */
export const CALL_LOOPBACK = { OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8' };

export async function startLoopbackServer(): Promise<LoopbackServer> {
  const received: Received[] = [];
  const hungUp: string[] = [];
  const answers = new Map<string, (request: Received, response: ServerResponse) => void>();
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url: path = '', headers } = request;
    response.on('close', () => response.writableFinished || hungUp.push(path));
    const given = { method, path, headers, body: '' };
    for await (const chunk of request) given.body += String(chunk);
    received.push(given);
    (answers.get(path) ?? ((_, open) => answerJson(open, 200, null)))(given, response);
  };
  const server = createServer((request, response) => void answer(request, response));
  let connections = 0;
  server.on('connection', () => (connections += 1));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    hungUp,
    connections: () => connections,
    on: (path, given) => answers.set(path, given),
    close: async () => {
      const closed = once(server.close(), 'close');
      server.closeAllConnections();
      await closed;
    },
  };
}

export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
