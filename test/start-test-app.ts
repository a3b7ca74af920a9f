import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { completeSettings } from '../src/config/complete-settings.js';
import { loadSettings } from '../src/config/load-settings.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

export interface TestPerson {
  access_token: string;
  refresh_token: string;
  email: string;
  password: string;
  user: { id: string; name: string; email: string };
  organization: { id: string; name: string };
  auth: { Authorization: string };
}

export interface TestApp {
  app: NestExpressApplication;
  database: TestDatabase;
  url: string;
  http(): ReturnType<typeof request>;
  /** A new person with an organization of their own. */
  register(name?: string): Promise<TestPerson>;
  close(): Promise<void>;
}

/** The whole product on a database of its own, listening on a loopback port. `settings` are environment variables. */
export async function startTestApp(settings: Record<string, string> = {}, existing?: TestDatabase): Promise<TestApp> {
  // Later than @nestjs/common: under Jest, @nestjs/throttler (CommonJS) cannot load it while it is itself being linked.
  const { AppModule } = await import('../src/app.module.js');
  const { setUpHttp } = await import('../src/set-up-http.js');
  const database = existing ?? (await createTestDatabase());
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-test-'));
  const given = loadSettings({
    NODE_ENV: 'test',
    DATABASE_URL: database.url,
    DATA_DIR: folder,
    LOG_LEVEL: process.env['TEST_LOG'] ?? 'silent',
    PORT: '0',
    RATE_LIMIT_PER_MINUTE: '1000000',
    RATE_LIMIT_PER_HOUR: '10000000',
    AUTH_RATE_LIMIT_PER_MINUTE: '1000000',
    CODE_RATE_LIMIT_PER_MINUTE: '1000000',
    SANDBOX_WARM: '0',
    SANDBOX_WARM_NUMPY: '0',
    CODE_RATE_LIMIT_PER_HOUR: '10000000',
    ...settings,
  });
  const open = { url: database.url, embedded: false, close: () => Promise.resolve() };
  const root = AppModule.forRoot(completeSettings(given, database.url), open);
  const module = await Test.createTestingModule({ imports: [root] }).compile();
  const app = module.createNestApplication<NestExpressApplication>({
    logger: process.env['TEST_LOG'] ? ['error', 'warn'] : false,
    bodyParser: false,
    routeConflictPolicy: { duplicate: 'error', shadow: 'error' },
  });
  setUpHttp(app);
  await app.listen(0, '127.0.0.1');
  const server: Server = app.getHttpServer();
  const { port } = server.address() as { port: number };
  const http = () => request(server);
  return {
    app,
    database,
    url: `http://127.0.0.1:${port}`,
    http,
    register: (name = 'Ann') => register(http, name),
    close: async () => {
      await app.close();
      if (!existing) await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function register(http: TestApp['http'], name: string): Promise<TestPerson> {
  const email = `${name.toLowerCase()}-${randomBytes(4).toString('hex')}@test.example`;
  const password = randomBytes(12).toString('base64url');
  const { body } = await http().post('/api/auth/register').send({ email, password, name }).expect(201);
  const answer = body as Omit<TestPerson, 'email' | 'password' | 'auth'>;
  return { ...answer, email, password, auth: { Authorization: `Bearer ${answer.access_token}` } };
}
