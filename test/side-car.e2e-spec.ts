import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request as ask } from 'node:http';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { Logger } from '@nestjs/common';
import { CodeSecurityService } from '../src/code-security/code-security.service.js';
import { areGone, descendantsOf } from '../src/code-security/sandbox/processes.fixture.js';
import { job, realDriver, until } from '../src/code-security/sandbox/real-sandbox.fixture.js';
import { RemoteDriver } from '../src/code-security/sandbox/remote-driver.js';
import { LARGEST_REQUEST } from '../src/code-security/sandbox/side-car-protocol.js';
import { testSandbox } from '../src/code-security/sandbox/self-test.js';
import { serveSandbox } from '../src/code-security/serve-sandbox.js';
import { node } from './definitions.js';
import { driveExecutions } from './drive-executions.js';
import {
  askSideCar,
  makeSocketFolder,
  type SideCar,
  spawnSideCar,
  underSeccomp,
  unprivilegedUser,
} from './spawn-side-car.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

const PROFILE = 'deploy/seccomp/holdpoint-sandbox.json';
/** No sandbox is kept ready, so that those there are have a job. */
const COLD = { SANDBOX_WARM: '0', SANDBOX_WARM_NUMPY: '0' };
const FOREVER = 'import time\nprint("up", flush=True)\nwhile True: time.sleep(1)';

/** A raw request to a side-car's socket. */
function post(socketPath: string, path: string, body: string): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const request = ask({ socketPath, path, method: 'POST', agent: false }, (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
  });
  request.on('error', reject);
  request.end(body);
  return promise;
}

describe('a side-car', () => {
  const { socket, remove } = makeSocketFolder();
  let sideCar: SideCar;
  let driver: RemoteDriver;

  beforeAll(async () => {
    sideCar = await spawnSideCar(socket, {
      settings: { ...COLD, SANDBOX_CONCURRENCY: '3', SANDBOX_MEMORY_MB: '1024' },
    });
    driver = new RemoteDriver(socket);
  });

  afterAll(async () => {
    await driver.close();
    await sideCar.end('SIGKILL');
    remove();
  });

  const running = async () => (await driver.health()).running;

  it('isolates, as seen from the process that asks it', async () => {
    const checks = await testSandbox(driver);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(checks.map(({ check }) => check)).toContain('loopback_unreachable');
    expect(driver.isolation).toEqual({
      driver: 'bubblewrap',
      level: 'namespaces',
      cgroup: expect.any(Boolean) as boolean,
    });
  });

  it('gives the result of each job to who sent it', async () => {
    const numbers = Array.from({ length: 12 }, (_, index) => index);
    const results = await Promise.all(
      numbers.map((number) => driver.run(job(`print(${number} * "é\u2028")`, { maxMemoryMb: 128 }))),
    );
    expect(results.map(({ stdout }) => stdout)).toEqual(numbers.map((number) => `${'é\u2028'.repeat(number)}\n`));
  });

  it('tells what the code writes while it still runs', async () => {
    const heard: string[] = [];
    const stop = new AbortController();
    const run = driver.run(job(FOREVER), {
      signal: stop.signal,
      onOutput: (stream, text) => {
        heard.push(`${stream}: ${text}`);
        stop.abort();
      },
    });
    expect(await run).toMatchObject({ outcome: 'cancelled', isolation: { level: 'namespaces' } });
    expect(heard).toEqual(['stdout: up\n']);
    await until(() => descendantsOf(sideCar.pid).length === 0);
  });

  it('carries the largest output that a result keeps, whatever it is made of', async () => {
    const code =
      'import sys\nfor s in (sys.stdout, sys.stderr): s.write("\\x01" * (1 << 20))\noutput = "\\x01" * 170_000';
    const result = await driver.run(job(code, { resultVariable: 'output' }), { onOutput: () => {} });
    expect(result).toMatchObject({ outcome: 'succeeded', stdout_truncated: false, output: '\u0001'.repeat(170_000) });
    expect([result.stdout.length, result.stderr.length]).toEqual([1 << 20, 1 << 20]);
  });

  it('ends the sandbox of a client that hangs up within a second', async () => {
    const stop = new AbortController();
    const run = driver.run(job(FOREVER, { timeoutSeconds: 300 }), { signal: stop.signal });
    await until(() => descendantsOf(sideCar.pid).length === 3);
    const pids = descendantsOf(sideCar.pid);
    const hungUpAt = performance.now();
    stop.abort();
    await until(() => areGone(pids));
    expect(performance.now() - hungUpAt).toBeLessThan(1000);
    expect(await run).toMatchObject({ outcome: 'cancelled', error_type: 'Cancelled' });
    expect(await running()).toBe(0);
  });

  it.each([
    ['is no JSON', '{"job":', 400],
    ['is no request', '[]', 400],
    ['names an unknown language', JSON.stringify({ job: { ...job('1'), language: 'perl' }, follow: false }), 400],
    ['has a field that nobody knows', JSON.stringify({ job: { ...job('1'), uid: 0 }, follow: false }), 400],
    [
      'asks for more time than a job may have',
      JSON.stringify({ job: job('1', { timeoutSeconds: 301 }), follow: false }),
      400,
    ],
    ['is larger than it takes', 'x'.repeat(LARGEST_REQUEST + 1), 413],
  ])('refuses what %s', async (_, body, status) => {
    expect((await post(socket, '/run', body)).status).toBe(status);
    expect(descendantsOf(sideCar.pid)).toEqual([]);
  });

  it('keeps no sandbox for a job that cannot be told to it', async () => {
    const depth = 50_000; // Deeper than JSON.stringify goes, and no problem for JSON.parse.
    const globals = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    const body = `{"follow":false,"job":${JSON.stringify(job('pass')).replace(/}$/, `,"globals":${globals}}`)}}`;
    expect((await post(socket, '/run', body)).text).toContain('"refused"');
    await until(() => descendantsOf(sideCar.pid).length === 0);
  });

  it('answers probes and nothing else', async () => {
    expect(await askSideCar(socket, '/health/liveness')).toMatchObject({ status: 200 });
    expect(await askSideCar(socket, '/health/readiness')).toMatchObject({ status: 200 });
    expect(await askSideCar(socket, '/api/security/health')).toMatchObject({ status: 404 });
  });

  it('says for a job that asks for more memory than it has what it has', async () => {
    const asked = driver.run(job('1', { maxMemoryMb: 1025 }));
    await expect(asked).rejects.toMatchObject({
      name: 'SandboxUnavailableError',
      message: expect.stringContaining('at most 1024 MB') as string,
    });
  });

  it('logs nothing of a job', async () => {
    await driver.run(job('print("a secret of a job")\nraise ValueError("another one")'));
    await post(socket, '/run', '{"job":{"code":"a third secret"}}');
    expect(sideCar.output()).toContain('checks passed');
    expect(sideCar.output()).not.toContain('secret');
  });

  it('does not give up its socket to a second one', async () => {
    await expect(spawnSideCar(socket)).rejects.toThrow('SANDBOX_SOCKET: listen EADDRINUSE');
    expect(await driver.run(job('print(1)'))).toMatchObject({ stdout: '1\n' });
  });
});

describe('a side-car that ends', () => {
  const { socket, remove } = makeSocketFolder();
  const driver = new RemoteDriver(socket);

  afterAll(async () => {
    await driver.close();
    remove();
  });

  it('lets jobs finish on SIGTERM and takes its socket away', async () => {
    const sideCar = await spawnSideCar(socket);
    const heard = Promise.withResolvers<void>();
    const run = driver.run(job('import time\nprint("up", flush=True)\ntime.sleep(0.5)\nprint("done")'), {
      onOutput: () => heard.resolve(),
    });
    await heard.promise;
    const ended = sideCar.end('SIGTERM');
    expect(await run).toMatchObject({ outcome: 'succeeded', stdout: 'up\ndone\n' });
    expect(await ended).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it('leaves no process when it is killed, an answer to who waits, and works again after a restart', async () => {
    const killed = await spawnSideCar(socket);
    const heard = Promise.withResolvers<void>();
    const run = driver.run(job(FOREVER, { timeoutSeconds: 300 }), { onOutput: () => heard.resolve() });
    await heard.promise;
    const pids = descendantsOf(killed.pid);
    expect(pids.length).toBeGreaterThan(3); // those that are kept ready, too
    await Promise.all([
      killed.end('SIGKILL'),
      expect(run).rejects.toMatchObject({
        name: 'SandboxUnavailableError',
        message: expect.stringContaining('SANDBOX_SOCKET') as string,
      }),
    ]);
    await until(() => areGone(pids));
    await expect(driver.run(job('1'))).rejects.toMatchObject({
      message: expect.stringContaining('ECONNREFUSED') as string,
    });

    const restarted = await spawnSideCar(socket);
    expect(await driver.run(job('print("again")'))).toMatchObject({ stdout: 'again\n' });
    await restarted.end('SIGTERM');
  });

  it('says so where there is no folder for its socket', async () => {
    await expect(spawnSideCar('/nowhere/sandbox.sock')).rejects.toThrow('SANDBOX_SOCKET: ENOENT');
  });

  it('does not replace a file that is no socket', async () => {
    writeFileSync(socket, 'somebody else’s');
    await expect(spawnSideCar(socket)).rejects.toThrow('SANDBOX_SOCKET');
    expect(readFileSync(socket, 'utf8')).toBe('somebody else’s');
  });
});

describe('a side-car that is silent', () => {
  const { socket, remove } = makeSocketFolder();
  afterAll(remove);

  it('is given up when it is stuck, frees the sandbox when it goes on, and is asked again', async () => {
    const sideCar = await spawnSideCar(socket, { settings: COLD });
    const driver = new RemoteDriver(socket, 500);
    const heard = Promise.withResolvers<void>();
    const run = driver.run(job(FOREVER, { timeoutSeconds: 300 }), { onOutput: () => heard.resolve() });
    await heard.promise;
    process.kill(sideCar.pid, 'SIGSTOP');
    const later = driver.run(job('print("not yet")'));
    for (const asked of [run, later]) {
      await expect(asked).rejects.toMatchObject({
        name: 'SandboxUnavailableError',
        message: expect.stringContaining('SANDBOX_SOCKET') as string,
      });
    }
    process.kill(sideCar.pid, 'SIGCONT');
    await until(() => descendantsOf(sideCar.pid).length === 0);
    expect(await driver.run(job('print("again")'))).toMatchObject({ stdout: 'again\n' });
    await driver.close();
    await sideCar.end('SIGKILL');
  });

  it('says that it lives while a job says nothing', async () => {
    Logger.overrideLogger(false);
    const limits = { maxConcurrency: 1, maxTotalMemoryMb: 1024, maxWaiting: 1, maxPerParty: 1 };
    const service = new CodeSecurityService({ driver: realDriver(), ...limits });
    const server = await serveSandbox(service, socket, 100);
    const driver = new RemoteDriver(socket, 600);
    const code = 'import time\ntime.sleep(1.5)\nprint("at last")';
    expect(await driver.run(job(code))).toMatchObject({ outcome: 'succeeded', stdout: 'at last\n' });
    await driver.close();
    await service.beforeApplicationShutdown();
    await server.close();
  });
});

describe('a side-car that has its hands full', () => {
  it('says so to one more than may wait, who is told to come again, and frees all places when they go', async () => {
    Logger.overrideLogger(false);
    const { socket, remove } = makeSocketFolder();
    const sideCar = await spawnSideCar(socket, {
      settings: { ...COLD, SANDBOX_CONCURRENCY: '1', WORKER_CONCURRENCY: '1' },
    });
    const driver = new RemoteDriver(socket);
    const service = new CodeSecurityService({
      driver,
      maxConcurrency: 200,
      maxTotalMemoryMb: 200_000,
      maxWaiting: 0,
      maxPerParty: 200,
    });
    await service.run(job('pass'));
    const stop = new AbortController();
    const places = 1 + 100 + 1;
    const runs = Array.from({ length: places + 1 }, () => service.run(job(FOREVER), { signal: stop.signal }));
    await expect(Promise.race(runs)).rejects.toMatchObject({
      kind: 'too_many',
      code: 'SANDBOX_QUEUE_FULL',
      retryAfterSeconds: expect.any(Number) as number,
    });
    expect(await driver.health()).toMatchObject({ running: 1, queued: places - 1 });
    stop.abort();
    const ends = await Promise.allSettled(runs);
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(places);
    await waitFor(
      'the side-car to be idle',
      () => driver.health(),
      ({ running, queued }) => running + queued === 0,
    );
    expect(descendantsOf(sideCar.pid)).toEqual([]);
    await service.beforeApplicationShutdown();
    await sideCar.end('SIGTERM');
    remove();
  });
});

describe('a side-car that is the first process of a container', () => {
  const { socket, remove } = makeSocketFolder();
  const driver = new RemoteDriver(socket);
  let sideCar: SideCar;

  beforeAll(async () => {
    sideCar = await spawnSideCar(socket, { settings: { ...COLD, SANDBOX_CGROUPS: 'off' }, isFirst: true });
  });

  afterAll(async () => {
    await driver.close();
    await sideCar.end('SIGKILL');
    remove();
  });

  it('loses no job to the sweep of a service outside', async () => {
    const heard = Promise.withResolvers<void>();
    const code = 'import time\nprint("up", flush=True)\ntime.sleep(1)\nprint("done")';
    const run = driver.run(job(code), { onOutput: () => heard.resolve() });
    await heard.promise;
    const outside = realDriver();
    await outside.run(job('pass'));
    expect(await run).toMatchObject({ outcome: 'succeeded', stdout: 'up\ndone\n' });
    await outside.close();
  });
});

describe('the product with a side-car', () => {
  const { socket, remove } = makeSocketFolder();
  let sideCar: SideCar;
  let test: TestApp;
  let ann: TestPerson;

  beforeAll(async () => {
    sideCar = await spawnSideCar(socket, { settings: COLD });
    test = await startTestApp({ SANDBOX_DRIVER: 'remote', SANDBOX_SOCKET: socket });
    ann = await test.register();
  });

  afterAll(async () => {
    await test.close();
    await sideCar.end('SIGKILL');
    remove();
  });

  const execute = (code: string) => test.http().post('/api/security/execute').set(ann.auth).send({ code });
  const health = async () => (await test.http().get('/api/security/health').expect(200)).body as object;

  it('runs what is sent to the API, in no process of its own', async () => {
    await waitFor('the self-test', health, (seen) => (seen as { available: boolean }).available);
    const before = descendantsOf(process.pid);
    const run = execute('import time\nprint("there", flush=True)\ntime.sleep(0.5)\nx = 1 / 0').expect(500);
    const answered = run.then(({ body }) => body as object);
    await until(() => descendantsOf(sideCar.pid).length === 3);
    const known = [...before, ...descendantsOf(sideCar.pid)];
    expect(descendantsOf(process.pid).filter((pid) => !known.includes(pid))).toEqual([]);
    expect(await answered).toMatchObject({
      code: 'CODE_FAILED',
      stdout: 'there\n',
      error_line: 4,
      isolation: { driver: 'bubblewrap', level: 'namespaces' },
    });
    expect(await health()).toMatchObject({ available: true, driver: 'remote', level: 'namespaces' });
  });

  it('runs the code of a workflow, and goes on once a side-car that was gone is back', async () => {
    const drive = driveExecutions(test, ann);
    const data = { code: 'output = input["n"] + 1', input: '{{ input }}', retry: { max_attempts: 10 } };
    const workflow = await drive.createWorkflow([node('count', 'code', data)]);
    const first = await drive.startWorkflow(workflow, { input: { n: 1 } });
    expect(await drive.ended(first)).toMatchObject({ status: 'completed' });

    await sideCar.end('SIGKILL');
    for (let i = 0; i < 3; i++) {
      const { body } = await execute('print(1)').expect(503);
      expect(body).toMatchObject({
        code: 'SANDBOX_UNAVAILABLE',
        detail: expect.stringContaining('SANDBOX_SOCKET') as string,
      });
    }
    await waitFor('health to tell it', health, (seen) => !(seen as { available: boolean }).available);
    const second = await drive.startWorkflow(workflow, { input: { n: 2 } });
    sideCar = await spawnSideCar(socket);
    expect(await drive.ended(second)).toMatchObject({ status: 'completed' });
    expect(await health()).toMatchObject({ available: true, reason: null });
  });
});

describe('under the seccomp profile of its container', () => {
  it.each(['single-use', 'zygote'])('a side-car without any right isolates, %s', async (mode) => {
    const { socket, remove } = makeSocketFolder();
    const settings = { SANDBOX_MODE: mode };
    const sideCar = await spawnSideCar(socket, { settings, profile: PROFILE, user: unprivilegedUser() });
    const { checks } = JSON.parse((await askSideCar(socket, '/health')).text) as { checks: { ok: boolean }[] };
    expect(checks.length).toBeGreaterThan(10);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    await sideCar.end('SIGTERM');
    remove();
  });

  it('there is no socket that leads out, and the listener of this machine hears nothing', async () => {
    let connections = 0;
    const listener = createServer(() => (connections += 1)).listen(0, '127.0.0.1');
    await until(() => listener.listening);
    const { port } = listener.address() as { port: number };
    const code = `
import json, socket
answers = {}
for name, arguments in {
    "unix": (socket.AF_UNIX, socket.SOCK_STREAM), "tcp": (socket.AF_INET, socket.SOCK_STREAM),
    "udp": (socket.AF_INET, socket.SOCK_DGRAM), "tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
    "packet": (socket.AF_PACKET, socket.SOCK_RAW), "netfilter": (socket.AF_NETLINK, socket.SOCK_RAW, 12),
}.items():
    try:
        made = socket.socket(*arguments)
        if name.startswith("tcp"): made.connect(("127.0.0.1", ${port}))
        answers[name] = "made"
    except OSError as error:
        answers[name] = error.errno
print(json.dumps(answers))`;
    const [file = '', ...options] = underSeccomp(PROFILE, ['/usr/bin/python3', '-I', '-c', code]);
    const { stdout } = await promisify(execFile)(file, options);
    expect(JSON.parse(stdout)).toEqual({ unix: 'made', tcp: 1, udp: 1, tcp6: 1, packet: 1, netfilter: 1 });
    expect(connections).toBe(0);
    listener.close();
  });
});
