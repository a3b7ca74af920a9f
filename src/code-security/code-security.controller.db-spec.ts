import { addMember } from '../../test/add-member.js';
import { startTestApp, type TestApp, type TestPerson } from '../../test/start-test-app.js';
import { CodeSecurityService } from './code-security.service.js';
import { CODE_OUTCOMES } from './sandbox/sandbox-driver.js';
import { areGone, descendantsOf } from './sandbox/processes.fixture.js';
import { until } from './sandbox/real-sandbox.fixture.js';

let test: TestApp;
let ann: TestPerson;

beforeAll(async () => {
  test = await startTestApp({ HOLDPOINT_ROLES: 'api' });
  ann = await test.register();
});

afterAll(() => test.close());

const execute = (body: object, auth: { Authorization: string } = ann.auth) =>
  test.http().post('/api/security/execute').set(auth).send(body);

const js = (code: string) => ({ language: 'javascript', code });

describe('POST /api/security/execute', () => {
  it('answers what the code did', async () => {
    const code = 'import numpy as np\nprint("hello")\ntotal = float(np.sum([a, b]))';
    const body = { code, globals: { a: 1 }, locals: { b: 2 }, capture_locals: true };
    const answer = await execute(body).expect(200);
    expect(answer.body).toEqual({
      success: true,
      stdout: 'hello\n',
      stderr: '',
      stdout_truncated: false,
      stderr_truncated: false,
      error_type: null,
      error_message: null,
      error_line: null,
      execution_time: expect.any(Number),
      memory_used_mb: expect.any(Number),
      locals_dict: { b: 2, total: 3 },
      isolation: { driver: 'bubblewrap', level: 'namespaces', cgroup: expect.any(Boolean) as boolean },
      execution_id: expect.stringMatching(/^[\da-f-]{36}$/),
    });
  });

  it.each([
    ['prints', { code: 'print(1)' }, { stdout: '1\n', stderr: '' }],
    [
      'writes to both streams',
      { code: 'import sys\nsys.stdout.write("out")\nsys.stderr.write("err")' },
      { stdout: 'out', stderr: 'err' },
    ],
    ['reads globals', { code: 'print(x * y)', globals: { x: 6, y: 7 } }, { stdout: '42\n', locals_dict: null }],
    ['reads locals, which win', { code: 'print(x)', globals: { x: 1 }, locals: { x: 2 } }, { stdout: '2\n' }],
    [
      'leaves variables',
      { code: 'a = [1, "b"]\ndef f(): pass\ndel b', locals: { b: 1 }, capture_locals: true },
      { locals_dict: { a: [1, 'b'], f: { $type: 'function', repr: expect.stringContaining('<function f') } } },
    ],
    [
      'computes with NumPy',
      { code: 'import numpy as np\nprint(np.linalg.det(np.eye(3) * 2).round(6), np.mean([1, 2, 3]))' },
      { stdout: '8.0 2.0\n' },
    ],
    [
      'does several things one after the other',
      {
        code: 'import json, math\nn = sum(range(10))\nprint(n)\nprint(json.dumps({"r": math.isqrt(n)}))\nn += 1\nprint(n)',
      },
      { stdout: '45\n{"r": 6}\n46\n' },
    ],
    [
      'is JavaScript',
      { language: 'javascript', code: 'console.log(x); var y = x + 1', globals: { x: 1 }, capture_locals: true },
      { stdout: '1\n', locals_dict: { y: 2 } },
    ],
    ['says its language', { language: 'python', code: 'print("py")' }, { stdout: 'py\n' }],
    ['has the least time and memory', { code: 'print(1)', timeout: 1, max_memory_mb: 64 }, { stdout: '1\n' }],
    ['has the most time and memory', { code: 'print(1)', timeout: 300, max_memory_mb: 2048 }, { stdout: '1\n' }],
    ['has 50,000 characters', { code: `print(1)${' '.repeat(49_992)}` }, { stdout: '1\n' }],
  ])('runs code that %s', async (_, body, fields) => {
    const answer = await execute(body).expect(200);
    expect(answer.body).toMatchObject({ success: true, error_type: null, ...fields });
  });

  it.each([
    [
      'does not compile',
      { code: 'def f(:' },
      400,
      'CODE_DOES_NOT_COMPILE',
      { error_type: 'SyntaxError', error_line: 1 },
    ],
    ['has a NUL character', { code: 'x=1\u0000' }, 400, 'CODE_DOES_NOT_COMPILE', { success: false }],
    [
      'runs out of time',
      { code: 'print("partial", flush=True)\nwhile True: pass', timeout: 1 },
      408,
      'CODE_TIMED_OUT',
      { stdout: 'partial\n' },
    ],
    [
      'runs out of memory',
      { code: 'x = bytearray(1 << 30)', max_memory_mb: 64 },
      507,
      'CODE_OUT_OF_MEMORY',
      { error_type: 'MemoryError' },
    ],
    [
      'fails',
      { code: 'print("before")\n1/0' },
      500,
      'CODE_FAILED',
      { stdout: 'before\n', error_type: 'ZeroDivisionError', error_line: 2 },
    ],
    ['is no JavaScript', js('let = ;'), 400, 'CODE_DOES_NOT_COMPILE', { error_type: 'SyntaxError', error_line: 1 }],
    ['is JavaScript without end', { ...js('for (;;);'), timeout: 1 }, 408, 'CODE_TIMED_OUT', {}],
    ['is JavaScript without measure', js('new ArrayBuffer(2 ** 40)'), 507, 'CODE_OUT_OF_MEMORY', { error_line: 1 }],
    ['is JavaScript that fails', js('null.x'), 500, 'CODE_FAILED', { error_type: 'TypeError' }],
    ['crashes', { code: 'import os\nos.abort()' }, 500, 'CODE_FAILED', { error_type: 'Crashed' }],
    ['leaves without a result', { code: 'import os\nos._exit(0)' }, 500, 'CODE_FAILED', { error_type: 'NoResult' }],
  ])(
    'answers with a problem that has the fields of the result when the code %s',
    async (_, body, status, code, fields) => {
      const answer = await execute(body)
        .expect(status)
        .expect('Content-Type', /^application\/problem\+json/);
      expect(answer.body).toMatchObject({ success: false, status, code, ...fields });
      expect(answer.body).toMatchObject({
        locals_dict: null,
        isolation: { driver: 'bubblewrap' },
        request_id: expect.any(String),
      });
    },
  );

  it.each([
    ['no code', {}],
    ['empty code', { code: '' }],
    ['only white space', { code: ' \n\t' }],
    ['code that is no text', { code: 1 }],
    ['a language that there is not', { code: '1', language: 'ruby' }],
    ['50,001 characters', { code: 'x'.repeat(50_001) }],
    ['too short a time', { code: '1', timeout: 0.5 }],
    ['too long a time', { code: '1', timeout: 301 }],
    ['a negative time', { code: '1', timeout: -1 }],
    ['a time that is no number', { code: '1', timeout: '5' }],
    ['too little memory', { code: '1', max_memory_mb: 63 }],
    ['too much memory', { code: '1', max_memory_mb: 2049 }],
    ['negative memory', { code: '1', max_memory_mb: -64 }],
    ['a fraction of a megabyte', { code: '1', max_memory_mb: 64.5 }],
    ['capture_locals that is not true or false', { code: '1', capture_locals: 'yes' }],
    ['variables that are no object', { code: '1', globals: [1] }],
    [
      'variables over 1 MiB together',
      { code: '1', globals: { a: 'x'.repeat(600_000) }, locals: { b: 'x'.repeat(600_000) } },
    ],
    ['an unknown field', { code: '1', memory: 64 }],
  ])('refuses %s with 422', async (_, body) => {
    const answer = await execute(body).expect(422);
    expect(answer.body).toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  it('is for those who may run code', async () => {
    await test.http().post('/api/security/execute').send({ code: 'print(1)' }).expect(401);
    const viewer = await addMember(test, ann.organization.id, 'viewer');
    await execute({ code: 'print(1)' }, viewer.auth).expect(403);
  });

  it('frees the sandbox within a second when the client hangs up', async () => {
    const hangUp = new AbortController();
    const before = new Set(descendantsOf(process.pid));
    const body = JSON.stringify({ code: 'import time\ntime.sleep(60)' });
    const headers = { ...ann.auth, 'Content-Type': 'application/json' };
    const request = fetch(`${test.url}/api/security/execute`, { method: 'POST', headers, body, signal: hangUp.signal });
    const started = () => descendantsOf(process.pid).filter((pid) => !before.has(pid));
    await until(() => started().length === 3);
    const pids = started();
    const hungUpAt = performance.now();
    hangUp.abort();
    await expect(request).rejects.toThrow('aborted');
    await until(() => areGone(pids));
    expect(performance.now() - hungUpAt).toBeLessThan(1000);
    await until(() => test.app.get(CodeSecurityService).health().running === 0);
  });
});

describe('GET /api/security/health and /limits', () => {
  it('say to anybody whether code can run, and to members within which limits', async () => {
    const health = await test.http().get('/api/security/health').expect(200);
    expect(health.body).toMatchObject({ available: true, driver: 'bubblewrap', level: 'namespaces', reason: null });
    expect((health.body as { checks: unknown[] }).checks).toHaveLength(16);
    await test.http().get('/api/security/limits').expect(401);
    const limits = await test.http().get('/api/security/limits').set(ann.auth).expect(200);
    expect(limits.body).toEqual({
      timeout: { min: 1, max: 300, default: 30 },
      max_memory_mb: { min: 64, max: 2048, default: 512 },
      code_characters: { min: 1, max: 50_000 },
      variables_bytes: { max: 1_048_576 },
      languages: ['python', 'javascript'],
    });
  });

  it('say why code cannot run, and running it is answered with 503', async () => {
    const off = await startTestApp({ SANDBOX_DRIVER: 'none', HOLDPOINT_ROLES: 'api' }, test.database);
    const answer = await off
      .http()
      .post('/api/security/execute')
      .set((await off.register()).auth)
      .send({ code: 'print(1)' })
      .expect(503);
    expect(answer.body).toMatchObject({
      code: 'SANDBOX_UNAVAILABLE',
      detail: expect.stringContaining('SANDBOX_DRIVER=none') as string,
    });
    const health = await off.http().get('/api/security/health').expect(200);
    expect(health.body).toMatchObject({ available: false, driver: 'none', level: 'none' });
    await off.close();
  });
});

describe('every outcome', () => {
  it('is reached by a run: one that the end of the service cancels is answered with 503', async () => {
    const stopping = await startTestApp({ HOLDPOINT_ROLES: 'api' }, test.database);
    const security = stopping.app.get(CodeSecurityService);
    const { auth } = await stopping.register();
    const answer = stopping
      .http()
      .post('/api/security/execute')
      .set(auth)
      .send({ code: 'print("begun", flush=True)\nimport time\ntime.sleep(60)' })
      .then((response) => response);
    await until(() => security.health().running === 1);
    await security['options'].driver.close(); // as the service does when its jobs take longer than it waits for them
    const { status, body } = await answer;
    expect([status, body]).toEqual([503, expect.objectContaining({ code: 'CODE_CANCELLED', success: false })]);
    const late = await stopping.http().post('/api/security/execute').set(auth).send({ code: 'print(1)' }).expect(503);
    expect(late.body).toMatchObject({ code: 'SANDBOX_UNAVAILABLE' });
    const history = await stopping.http().get('/api/security/executions').set(auth).expect(200);
    expect((history.body as { data: object[] }).data).toMatchObject([{ status: 'cancelled' }]);
    await stopping.close();
  });

  it('is reached by a run of this file, and its status told', async () => {
    const rows = await test.database.query<{ outcome: string }>('select distinct outcome from code_runs');
    expect(rows.map(({ outcome }) => outcome).toSorted()).toEqual(CODE_OUTCOMES.toSorted());
  });
});

describe('many runs at once', () => {
  let small: TestApp;

  beforeAll(async () => {
    small = await startTestApp({ HOLDPOINT_ROLES: 'api', SANDBOX_CONCURRENCY: '2', CODE_RATE_LIMIT_PER_HOUR: '40' });
  });

  afterAll(() => small.close());

  it('of one person wait, twenty at most, hold up nobody else, and leave the queue with their clients', async () => {
    const security = small.app.get(CodeSecurityService);
    const [eve, bob] = [await small.register('Eve'), await small.register('Bob')];
    const hangUp = new AbortController();
    const url = `${small.url}/api/security/execute`;
    const headers = { ...eve.auth, 'Content-Type': 'application/json' };
    const body = JSON.stringify({ code: 'import time\ntime.sleep(60)' });
    const flood = Array.from({ length: 21 }, () =>
      fetch(url, { method: 'POST', headers, body, signal: hangUp.signal }),
    );
    const given = Promise.allSettled(flood);
    await until(() => security.health().queued === 20);
    const refused = await small.http().post('/api/security/execute').set(eve.auth).send({ code: '1' }).expect(429);
    expect(refused.body).toMatchObject({ code: 'SANDBOX_QUEUE_FULL' });
    const seconds = Number(refused.headers['retry-after']);
    expect([seconds >= 1, seconds <= 60]).toEqual([true, true]);
    const other = await small.http().post('/api/security/execute').set(bob.auth).send({ code: 'print(1)' }).expect(200);
    expect(other.body).toMatchObject({ stdout: '1\n' });
    hangUp.abort();
    expect((await given).map(({ status }) => status)).toEqual(flood.map(() => 'rejected'));
    await until(() => security.health().queued === 0 && security.health().running === 0);
  });

  it('use up the budget of the hour, each person alone', async () => {
    const [dan, bob] = [await small.register('Dan'), await small.register('Bob')];
    const run = (person: TestPerson) => small.http().post('/api/security/execute').set(person.auth).send({});
    for (let count = 0; count < 40; count += 1) await run(dan).expect(422);
    const refused = await run(dan).expect(429);
    expect(refused.body).toMatchObject({ code: 'RATE_LIMITED' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(60);
    await run(bob).expect(422);
    await small.http().get('/api/security/limits').set(dan.auth).expect(200);
  });
});
