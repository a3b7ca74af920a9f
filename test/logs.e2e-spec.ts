import { randomBytes } from 'node:crypto';
import request from 'supertest';
import { makeInstallation, type ServerProcess } from './spawn-server.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

describe('the log', () => {
  let database: TestDatabase;
  let installation: ReturnType<typeof makeInstallation>;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    installation = makeInstallation(database.url);
    server = await installation.start({ LOG_LEVEL: 'trace' });
  });
  afterAll(async () => {
    await server.end('SIGTERM');
    installation.remove();
    await database.drop();
  });

  it('has the id of the request in its lines, and never a password, a token or a body', async () => {
    const password = randomBytes(12).toString('base64url');
    const email = `ann-${randomBytes(4).toString('hex')}@test.example`;
    const registered = await request(server.url)
      .post('/api/auth/register?from=secret-query')
      .set('X-Request-Id', 'request-in-the-log')
      .send({ email, password, name: 'Ann' })
      .expect(201);
    const { access_token, refresh_token } = registered.body;
    await request(server.url).get('/api/auth/me').set('Authorization', `Bearer ${access_token}`).expect(200);
    await request(server.url).post('/api/auth/refresh').send({ refresh_token }).expect(200);
    await request(server.url).post('/api/auth/login').send({ email, password: 'not the password at all' }).expect(401);
    await request(server.url).get('/decide/payload-of-a-link.its-signature').expect(404);
    await server.end('SIGTERM');
    const printed = server.output();
    const lines = printed.split('\n').filter((line) => line.startsWith('{'));
    const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(parsed.filter((line) => line['request_id'] === 'request-in-the-log')).not.toEqual([]);
    for (const secret of [
      password,
      access_token,
      refresh_token,
      'not the password at all',
      'secret-query',
      'payload-of-a-link',
    ]) {
      expect(printed).not.toContain(secret);
    }
  });
});
