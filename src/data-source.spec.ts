import { type AddressInfo, createServer } from 'node:net';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from './data-source.js';

/** A message of the protocol: its letter, the length of what follows with itself, and that. */
const message = (letter: string, body: Buffer) => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(letter), length, body]);
};

const READY_AND_GONE = Buffer.concat([
  message('R', Buffer.alloc(4)),
  message('Z', Buffer.from('I')),
  message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0')),
]);

describe('a connection that is cut with the very bytes that say it is ready', () => {
  it('fails its next statement and leaves the process alone', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.end(READY_AND_GONE)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const poolErrorHandler = () => undefined;
    const source = new DataSource({ ...dataSourceOptions(`postgres://test@127.0.0.1:${port}/test`), poolErrorHandler });
    await expect(source.initialize()).rejects.toThrow(/Connection terminated|not queryable|connection error/);
    server.close();
  });
});
