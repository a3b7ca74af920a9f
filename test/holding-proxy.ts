import { connect, createServer, type Server, type Socket } from 'node:net';

export interface HoldingProxy {
  /** The database, by way of the proxy. */
  url: string;
  /** From now on no answer to a COMMIT gets back to whoever sent it. */
  holdCommits(): void;
  close(): Promise<void>;
}

/** As a simple query of the protocol. */
const COMMIT = Buffer.from('Q\0\0\0\x0bCOMMIT\0');

/** In front of a database: lets a test have a transaction committed of which its process never learns. */
export async function startHoldingProxy(databaseUrl: string): Promise<HoldingProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let holds = false;
  const server: Server = createServer((client) => {
    const database = connect(Number(target.port || 5432), target.hostname);
    for (const socket of [client, database]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => (client.destroy(), database.destroy()));
    }
    let held = false;
    client.on('data', (chunk) => {
      held ||= holds && chunk.includes(COMMIT);
      database.write(chunk);
    });
    database.on('data', (chunk) => held || client.write(chunk));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as { port: number }).port);
  return {
    url: url.href,
    holdCommits: () => (holds = true),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
