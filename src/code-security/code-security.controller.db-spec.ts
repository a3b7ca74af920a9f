import { createHash } from 'node:crypto';
import { addMember } from '../../test/add-member.js';
import { startTestApp, type TestApp, type TestPerson } from '../../test/start-test-app.js';
import { CodeSecurityService } from './code-security.service.js';
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
      isolation: { driver: 'bubblewrap', level: 'namespaces', cgroup: false },
    });
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
    ['only white space', { code: ' \n\t' }],
    ['50,001 characters', { code: 'x'.repeat(50_001) }],
    ['too short a time', { code: '1', timeout: 0.5 }],
    ['too long a time', { code: '1', timeout: 301 }],
    ['too little memory', { code: '1', max_memory_mb: 63 }],
    ['too much memory', { code: '1', max_memory_mb: 2049 }],
    ['variables that are no object', { code: '1', globals: [1] }],
    [
      'variables over 1 MiB together',
      { code: '1', globals: { a: 'x'.repeat(600_000) }, locals: { b: 'x'.repeat(600_000) } },
    ],
    ['an unknown field', { code: '1', language: 'python' }],
  ])('refuses %s with 422', async (_, body) => {
    const answer = await execute(body).expect(422);
    expect(answer.body).toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  it('is for those who may run code', async () => {
    await test.http().post('/api/security/execute').send({ code: 'print(1)' }).expect(401);
    const viewer = await addMember(test, ann.organization.id, 'viewer');
    await execute({ code: 'print(1)' }, viewer.auth).expect(403);
  });

  it('puts each run on record, with the hash of its code and what came of it', async () => {
    const code = 'raise KeyError("recorded")';
    await execute({ code, timeout: 7 }).expect(500);
    const { body } = await test
      .http()
      .get('/api/audit')
      .query({ subject_type: 'code_run', limit: 1 })
      .set(ann.auth)
      .expect(200);
    expect((body as { data: unknown[] }).data[0]).toMatchObject({
      action: 'code.executed',
      actor_id: ann.user.id,
      details: {
        code_sha256: createHash('sha256').update(code).digest('hex'),
        outcome: 'failed',
        error_type: 'KeyError',
        timeout: 7,
        max_memory_mb: 512,
      },
    });
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
    expect((health.body as { checks: unknown[] }).checks).toHaveLength(14);
    await test.http().get('/api/security/limits').expect(401);
    const limits = await test.http().get('/api/security/limits').set(ann.auth).expect(200);
    expect(limits.body).toEqual({
      timeout: { min: 1, max: 300, default: 30 },
      max_memory_mb: { min: 64, max: 2048, default: 512 },
      code_characters: { min: 1, max: 50_000 },
      variables_bytes: { max: 1_048_576 },
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
