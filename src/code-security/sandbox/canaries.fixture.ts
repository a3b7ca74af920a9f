import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** In the file, and in the answers of the sockets. No result of any job may have it. */
export const SECRET = /TOPSECRET|HOSTNET/;

export interface Canaries {
  /** Puts in the places of the canaries what they are on this host. */
  fill: (code: string) => string;
  /** Who was reached: must stay empty. */
  heard: string[];
  close: () => Promise<void>;
}

/** What code must not reach: a file of the host, a port of its loopback, a UNIX socket without a file. */
export async function openCanaries(fileName = 'secret'): Promise<Canaries> {
  const folder = await mkdtemp(join(tmpdir(), 'canaries-'));
  await writeFile(join(folder, fileName), 'TOPSECRET');
  const heard: string[] = [];
  const listen = (name: string) =>
    createServer((socket) => {
      heard.push(name);
      socket.end('HOSTNET');
    });
  const port = listen('port').listen(0, '127.0.0.1');
  const abstract = listen('abstract socket').listen(`\0${folder}`);
  await Promise.all([once(port, 'listening'), once(abstract, 'listening')]);
  return {
    fill: (code) =>
      code
        .replaceAll('__CANARY_FILE__', join(folder, fileName))
        .replaceAll('__CANARY_PORT__', String((port.address() as AddressInfo).port))
        .replaceAll('__CANARY_ABSTRACT__', folder),
    heard,
    close: async () => {
      port.close();
      abstract.close();
      await rm(folder, { recursive: true });
    },
  };
}
