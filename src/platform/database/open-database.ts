import { join } from 'node:path';
import { startEmbeddedPostgres } from './embedded-postgres.js';

interface DatabaseChoice {
  DATABASE_URL?: string | undefined;
  DATA_DIR: string;
}

export interface OpenDatabase {
  url: string;
  embedded: boolean;
  close(): Promise<void>;
}

/** The server named by DATABASE_URL, or the embedded one, started or joined, when none is named. */
export async function openDatabase(choice: DatabaseChoice, log: (message: string) => void): Promise<OpenDatabase> {
  if (choice.DATABASE_URL) {
    return { url: choice.DATABASE_URL, embedded: false, close: () => Promise.resolve() };
  }
  const server = await startEmbeddedPostgres({ dir: join(choice.DATA_DIR, 'postgres'), database: 'holdpoint', log });
  return { url: server.url, embedded: true, close: () => server.stop() };
}
