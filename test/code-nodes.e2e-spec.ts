import { createHash, randomBytes } from 'node:crypto';
import { edge, node } from './definitions.js';
import { driveExecutions, type Driver, type Step as PlainStep } from './drive-executions.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

interface Logs {
  stdout: string;
  stderr: string;
  stdout_truncated: boolean;
  stderr_truncated: boolean;
}

type Step = PlainStep & { logs: Logs | null };

const RETRY = { max_attempts: 2, backoff: 'fixed', initial_seconds: 0, jitter: false };

/** Everything by which a secret could be read, shown in every place that is kept. */
const TELL_ALL = `
import base64, json, sys, urllib.parse
value = secrets["TOKEN"]
key = secrets["PRIVATE_KEY"]
forms = [value, json.dumps(value), urllib.parse.quote(value, safe=""), base64.b64encode(value.encode()).decode(),
         base64.b64encode(("user:" + value).encode()).decode(), base64.urlsafe_b64encode(value.encode()).decode(),
         value.encode().hex(), *key.split("\\n"), base64.encodebytes(key.encode()).decode(),
         str(secrets), repr(value.encode()), ascii(value)]
for form in forms:
    print("out", form)
    print("err", form, file=sys.stderr)
output = {"values": forms, "keys": {form: 1 for form in forms}}
`;

const FAIL_WITH_IT = `${TELL_ALL}
raise type(value, (Exception,), {})("no " + " ".join(forms))
`;

describe('a code node', () => {
  let test: TestApp;
  let ann: TestPerson;
  let drive: Driver;

  beforeAll(async () => {
    test = await startTestApp({ SANDBOX_MEMORY_MB: '256' });
    ann = await test.register();
    drive = driveExecutions(test, ann);
  });
  afterAll(() => test.close());

  const setSecret = (name: string, value: string, person = ann) =>
    test.http().put(`/api/secrets/${name}`).set(person.auth).send({ value }).expect(200);

  const stepOf = async (id: string, of = 'run'): Promise<Step> => {
    const { steps } = await drive.read(id);
    return steps.find(({ node_id }) => node_id === of) as Step;
  };

  const run = async (data: object): Promise<Step> => {
    const id = await drive.start([node('run', 'code', data)]);
    await drive.ended(id);
    return stepOf(id);
  };

  const untilLogged = (id: string, text: string) =>
    drive.until(id, `${text} in the logs`, ({ steps }) =>
      steps.some((step) => (step as Step).logs?.stdout.includes(text)),
    );

  describe('shows what it prints', () => {
    it('while it runs, and all of it in the end', async () => {
      const code = 'import time\nprint("first", flush=True)\ntime.sleep(2.5)\nprint("last")\noutput = 1';
      const id = await drive.start([node('run', 'code', { code })]);
      await untilLogged(id, 'first');
      const live = await stepOf(id);
      expect(live).toMatchObject({ status: 'running', output: null, ended_at: null });
      expect(live.logs).toEqual({ stdout: 'first\n', stderr: '', stdout_truncated: false, stderr_truncated: false });
      await drive.ended(id);
      expect(await stepOf(id)).toMatchObject({ status: 'completed', output: 1, logs: { stdout: 'first\nlast\n' } });
    });

    it('when it is cancelled, too', async () => {
      const code = 'import time\nprint("so far", flush=True)\ntime.sleep(60)';
      const id = await drive.start([node('run', 'code', { code })]);
      await untilLogged(id, 'so far');
      await drive.post(`/api/executions/${id}/cancel`).expect(200);
      await drive.status(id, 'cancelled');
      expect(await stepOf(id)).toMatchObject({ status: 'cancelled', logs: { stdout: 'so far\n' } });
    });

    it('up to 65,536 characters a stream, live and in the end, and says that there was more', async () => {
      const code =
        'import sys, time\nprint("é" * 70_000, flush=True)\nprint("few", file=sys.stderr, flush=True)\ntime.sleep(2.5)';
      const id = await drive.start([node('run', 'code', { code })]);
      await untilLogged(id, 'é');
      const logs = { stdout: 'é'.repeat(65_536), stderr: 'few\n', stdout_truncated: true, stderr_truncated: false };
      const live = await stepOf(id);
      expect([live.status, live.logs]).toEqual(['running', logs]);
      await drive.ended(id);
      expect((await stepOf(id)).logs).toEqual(logs);
    });
  });

  it.each([
    ['text', 'x = 1\nif x\n  y', 2, 'SyntaxError: '],
    [
      'a function that others call',
      'def inner():\n  return {}["k"]\ndef outer():\n  inner()\nouter()',
      2,
      'KeyError: ',
    ],
    ['a library that it calls', 'import json\n\njson.loads("{")', 3, 'JSONDecodeError: '],
  ])('names the node and its line when %s is wrong', async (_, code, line, type) => {
    const { error, logs } = await run({ code });
    expect(error?.message).toContain(type);
    expect(error?.message.match(/<node run>, line \d+/g)).toEqual([`<node run>, line ${line}`]);
    expect(error?.details).toMatchObject({ error_line: line });
    expect(logs?.stderr).toContain(`File "<node run>", line ${line}`);
  });

  it('gets the memory that the host can give when it asks for more', async () => {
    expect(await run({ code: 'output = 1', max_memory_mb: 2048 })).toMatchObject({ status: 'completed', output: 1 });
    const { error } = await run({ code: 'held = bytearray(300 << 20)', max_memory_mb: 2048 });
    expect(error).toMatchObject({ code: 'CODE_OUT_OF_MEMORY' });
  });

  it('gets no more time and memory than its organization allows, from the next try on', async () => {
    const bob = await test.register('Bob');
    const his = driveExecutions(test, bob);
    const workflow = await his.createWorkflow([
      node('memory', 'code', { code: 'held = bytearray(100 << 20)\noutput = len(held)', on_error: 'continue' }),
      node('time', 'code', { code: 'while True: pass', timeout_seconds: 300, on_error: 'continue' }),
    ]);
    const policy = { allowed_addresses: [], max_timeout_seconds: 1, max_memory_mb: 64 };
    await test.http().put('/api/security/policy').set(bob.auth).set('If-Match', '"1"').send(policy).expect(200);
    const { steps } = await his.ended(await his.startWorkflow(workflow));
    const codes = Object.fromEntries(steps.map(({ node_id, error }) => [node_id, error?.code]));
    expect(codes).toEqual({ memory: 'CODE_OUT_OF_MEMORY', time: 'CODE_TIMED_OUT' });
    await test
      .http()
      .put('/api/security/policy')
      .set(bob.auth)
      .set('If-Match', '"2"')
      .send({ ...policy, max_memory_mb: 256 })
      .expect(200);
    const again = await his.ended(await his.startWorkflow(workflow));
    expect(again.steps.find(({ node_id }) => node_id === 'memory')).toMatchObject({ output: 100 << 20 });
  });

  describe('with secrets', () => {
    const token = `t/${randomBytes(12).toString('base64url')} ö"\\+`;
    const privateKey = `-----BEGIN-----\n${randomBytes(45).toString('base64')}\n-----END-----\n`;
    /** Nothing of these is in a value that is hidden, whatever is made of it. */
    const traces = [
      token,
      JSON.stringify(token).slice(1, -1),
      token.replace('\\', '\\\\'),
      token.replace('\\', '\\\\').replace('ö', String.raw`\xf6`),
      encodeURIComponent(token),
      Buffer.from(token).toString('base64'),
      Buffer.from(token).toString('base64url'),
      Buffer.from(`user:${token}`).toString('base64').slice(8, 36),
      Buffer.from(token).toString('hex'),
      ...privateKey.split('\n').filter((line) => line !== ''),
      Buffer.from(privateKey).toString('base64').slice(0, 60),
    ];

    beforeAll(async () => {
      await setSecret('TOKEN', token);
      await setSecret('PRIVATE_KEY', privateKey);
      await setSecret('OTHER', 'nobody asks for it');
    });

    const everyRow = async (): Promise<string> => {
      const tables: { name: string }[] = await test.database.query(
        `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
      );
      const texts = await Promise.all(
        tables.map(({ name }) => test.database.query<{ row: string }>(`select t::text as row from ${name} t`)),
      );
      return texts.flatMap((rows) => rows.map(({ row }) => row)).join('\n');
    };

    it('knows exactly those that it names', async () => {
      const code = 'output = {name: len(value) for name, value in secrets.items()}';
      const { output } = await run({ code, secrets: ['TOKEN', 'PRIVATE_KEY'] });
      expect(output).toEqual({ TOKEN: [...token].length, PRIVATE_KEY: privateKey.length });
      expect((await run({ code })).output).toEqual({});
    });

    it('shows them nowhere: in no row of the database and in no answer, however they are written', async () => {
      const secrets = ['TOKEN', 'PRIVATE_KEY'];
      const told = await drive.start(
        [node('run', 'code', { code: TELL_ALL, secrets }), node('done', 'end', { output: '{{ steps.run.output }}' })],
        [edge('run', 'done')],
      );
      const failed = await drive.start([node('run', 'code', { code: FAIL_WITH_IT, secrets, retry: RETRY })]);
      await Promise.all([drive.ended(told), drive.ended(failed)]);
      const step = await stepOf(told);
      expect(step.status).toBe('completed');
      expect(step.logs?.stdout).toMatch(/^out \*\*\*\n/);
      expect((await stepOf(failed)).error?.message).toMatch(/^\*\*\*: no \*\*\*/);
      const answers = [];
      for (const id of [told, failed])
        for (const path of ['', '/events', '/steps/run/1/attempts'])
          answers.push(JSON.stringify(await drive.get(`/api/executions/${id}${path}`)));
      answers.push(JSON.stringify(await drive.get('/api/audit?limit=100')));
      answers.push(JSON.stringify(await drive.get('/api/secrets')));
      const rows = await everyRow();
      expect(rows).toContain('***'); // it was kept, masked
      for (const trace of traces) {
        expect(answers.filter((answer) => answer.includes(trace))).toEqual([]);
        // As it would stand in a text, and escaped as in JSON that is kept as text.
        for (const kept of [trace, JSON.stringify(trace).slice(1, -1)]) expect(rows.includes(kept)).toBe(false);
      }
    });

    it('shows none of them live, though it prints one in two parts', async () => {
      const code = `import sys, time
half = len(secrets["TOKEN"]) // 2
sys.stdout.write("before " + secrets["TOKEN"][:half]); sys.stdout.flush()
time.sleep(2.2)
sys.stdout.write(secrets["TOKEN"][half:] + " after"); sys.stdout.flush()
time.sleep(2.2)`;
      const id = await drive.start([node('run', 'code', { code, secrets: ['TOKEN'] })]);
      await untilLogged(id, 'before');
      const live = await stepOf(id);
      expect([live.status, live.logs?.stdout]).toEqual(['running', 'before ']);
      await untilLogged(id, 'after');
      expect((await stepOf(id)).logs?.stdout).toBe('before *** after');
      await drive.ended(id);
      expect((await stepOf(id)).logs?.stdout).toBe('before *** after');
    });

    it('that are not there, or another organization’s, fails at once and names them', async () => {
      const bob = await test.register('Bob');
      await setSecret('THEIRS', 'the secret of somebody else', bob);
      const data = { code: 'print("ran")', secrets: ['TOKEN', 'THEIRS', 'NONE'], retry: RETRY };
      expect(await run(data)).toMatchObject({
        status: 'failed',
        attempt: 1,
        logs: null,
        error: { code: 'SECRET_MISSING', message: expect.stringContaining('THEIRS, NONE') },
      });
    });

    it('that were sealed for another organization or under another name does not get them', async () => {
      const bob = await test.register('Bob');
      await setSecret('MOVED', 'the secret of somebody else', bob);
      await test.database.query(
        `insert into secrets (organization_id, name, sealed_value, set_by)
         select $1, 'MOVED', sealed_value, $2 from secrets where organization_id = $3`,
        [ann.organization.id, ann.user.id, bob.organization.id],
      );
      await test.database.query(
        `insert into secrets (organization_id, name, sealed_value, set_by)
         select organization_id, 'RENAMED', sealed_value, set_by from secrets where organization_id = $1 and name = 'OTHER'`,
        [ann.organization.id],
      );
      const { error, logs } = await run({ code: 'print("ran")', secrets: ['MOVED', 'RENAMED'] });
      expect(error).toMatchObject({ code: 'SECRET_UNREADABLE', message: expect.stringContaining('MOVED, RENAMED') });
      expect(logs).toBeNull();
    });

    it('gets the value they have when it runs', async () => {
      const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
      const code = 'import hashlib\noutput = hashlib.sha256(secrets["TURNING"].encode()).hexdigest()';
      const workflow = await drive.createWorkflow([node('run', 'code', { code, secrets: ['TURNING'] })]);
      for (const value of ['the first value', 'the second value']) {
        await setSecret('TURNING', value);
        const id = await drive.startWorkflow(workflow);
        await drive.ended(id);
        expect((await stepOf(id)).output).toBe(sha256(value));
      }
    });

    it('that are too much together does not run', async () => {
      for (const name of ['LONG_A', 'LONG_B', 'LONG_C']) await setSecret(name, randomBytes(4_000).toString('hex'));
      const { error, logs } = await run({ code: 'print("ran")', secrets: ['LONG_A', 'LONG_B', 'LONG_C'] });
      expect([error?.code, logs]).toEqual(['SECRETS_TOO_LARGE', null]);
    });
  });
});

describe('a workflow of many code nodes at once', () => {
  it('leaves room in the queue for those who call the API', async () => {
    const test = await startTestApp({ SANDBOX_CONCURRENCY: '1', WORKER_CONCURRENCY: '1' });
    try {
      const [ann, bob] = [await test.register(), await test.register('Bob')];
      const drive = driveExecutions(test, ann);
      const code = 'import time\ntime.sleep(0.2)';
      const id = await drive.start(Array.from({ length: 120 }, (_, index) => node(`n${index}`, 'code', { code })));
      await drive.until(id, 'a step that ended', ({ steps }) => steps.some(({ status }) => status === 'completed'));
      const run = () => test.http().post('/api/security/execute').set(bob.auth).send({ code: 'print(1)' });
      const answers = await Promise.all(Array.from({ length: 10 }, run));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      await drive.post(`/api/executions/${id}/cancel`).expect(200);
    } finally {
      await test.close();
    }
  });
});
