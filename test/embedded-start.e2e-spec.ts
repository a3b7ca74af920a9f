import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { DEMO_PASSWORD, DEMO_PEOPLE } from '../src/demo/demo-people.js';
import { type ServerProcess, spawnServer } from './spawn-server.js';

const [ADMIN] = DEMO_PEOPLE;

describe('npm start without a database', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-start-'));
  const pidFile = join(folder, '.holdpoint/postgres/data/postmaster.pid');
  let server: ServerProcess | undefined;

  beforeAll(() => chmodSync(folder, 0o755)); // the server's user has to reach its data
  afterAll(async () => {
    await server?.end('SIGKILL');
    const { pid } = await postmaster();
    if (pid > 0) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (settings: Record<string, string> = {}) =>
    spawnServer({ PORT: '0', LOG_LEVEL: 'warn', ...settings }, folder);

  const postmaster = async () => {
    const text = existsSync(pidFile) ? readFileSync(pidFile, 'utf8') : '';
    return { pid: Number(text.split('\n')[0] ?? 0) };
  };

  const signIn = async (url: string): Promise<string> => {
    const body = { email: ADMIN.email, password: DEMO_PASSWORD };
    return (await request(url).post('/api/auth/login').send(body).expect(200)).body.access_token;
  };

  const workflowNames = async (url: string): Promise<string[]> => {
    const token = await signIn(url);
    const { body } = await request(url)
      .get('/api/workflows')
      .set({ Authorization: `Bearer ${token}` })
      .expect(200);
    return body.data.map((workflow: { name: string }) => workflow.name);
  };

  it('makes a database, a demo organization with a checkpoint that waits, and secrets only the owner can read', async () => {
    server = await start();
    expect(server.output()).toContain(ADMIN.email);
    const auth = { Authorization: `Bearer ${await signIn(server.url)}` };
    const inbox = await request(server.url).get('/api/checkpoints?status=open').set(auth).expect(200);
    expect(inbox.body.data).toMatchObject([{ title: 'Refund 129.5 EUR to Ada?' }]);
    expect(statSync(join(folder, '.holdpoint/secrets.json')).mode & 0o777).toBe(0o600);
    const workflow = { name: 'Kept', definition: { nodes: [{ id: 'end', type: 'end', data: {} }], edges: [] } };
    await request(server.url).post('/api/workflows').set(auth).send(workflow).expect(201);
  });

  it('leaves no process behind on Ctrl-C', async () => {
    const { pid } = await postmaster();
    expect(pid).toBeGreaterThan(0);
    expect(await server?.end('SIGINT')).toBe(0);
    expect(existsSync(pidFile)).toBe(false);
  });

  it('is ready in less than three seconds the second time, with the data and the sessions of the first', async () => {
    const began = Date.now();
    server = await start();
    expect(Date.now() - began).toBeLessThan(3_000);
    expect(await workflowNames(server.url)).toEqual(['Kept', 'Refund request']);
  });

  it('recovers after kill -9 of everything', async () => {
    const { pid } = await postmaster();
    await server?.end('SIGKILL');
    process.kill(pid, 'SIGKILL');
    server = await start();
    expect(await workflowNames(server.url)).toContain('Kept');
  });

  it('joins the database server that a killed process left running', async () => {
    const { pid } = await postmaster();
    await server?.end('SIGKILL');
    server = await start();
    expect((await postmaster()).pid).toBe(pid);
    expect(await workflowNames(server.url)).toContain('Kept');
  });

  it('is not misled by a pid file that names a process of somebody else', async () => {
    await server?.end('SIGTERM');
    writeFileSync(pidFile, `${process.pid}\n${folder}\n0\n1\n\n127.0.0.1\n\nready\n`);
    server = await start();
    expect((await postmaster()).pid).not.toBe(process.pid);
    expect(await workflowNames(server.url)).toContain('Kept');
  });

  it('says what to do when the port that was asked for is taken, and leaves no database behind', async () => {
    await server?.end('SIGTERM');
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    await expect(start({ PORT: String(port) })).rejects.toThrow(`port ${port} is taken; free it or name another one`);
    other.close();
    expect(existsSync(pidFile)).toBe(false);
  });
});
