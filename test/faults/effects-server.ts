import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { STEP_MS } from './chain-workflow.js';

export interface EffectsServer {
  url: string;
  /** When each idempotency key was seen: milliseconds since 1970, in order. */
  calls: ReadonlyMap<string, number[]>;
  close(): void;
}

/** What the steps change outside: it answers `{n}` with `{n: n + 1}` after 50 ms, and keeps every call. */
export async function startEffectsServer(): Promise<EffectsServer> {
  const calls = new Map<string, number[]>();
  const server = createServer((request, response) => {
    const key = String(request.headers['idempotency-key']);
    calls.set(key, [...(calls.get(key) ?? []), Date.now()]);
    void answerTo(request).then((answer) =>
      setTimeout(() => {
        response.setHeader('content-type', 'application/json');
        response.end(answer);
      }, STEP_MS),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    calls,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A caller that dies has called all the same. */
async function answerTo(request: IncomingMessage): Promise<string> {
  const body = await text(request).catch(() => '{}');
  return JSON.stringify({ n: (JSON.parse(body) as { n: number }).n + 1 });
}
