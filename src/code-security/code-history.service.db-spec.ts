import { createHash } from 'node:crypto';
import { jest } from '@jest/globals';
import { addMember } from '../../test/add-member.js';
import { startTestApp, type TestApp, type TestPerson } from '../../test/start-test-app.js';
import { waitFor } from '../../test/wait-for.js';
import { RetentionService } from '../executions/retention.service.js';
import { CodeRunRepository } from './code-run.repository.js';

const EXECUTIONS = '/api/security/executions';

interface Auth extends Record<string, string> {
  Authorization: string;
}

interface Run {
  id: string;
  status: string;
  code_sha256: string;
  queued_seconds: number;
}

let test: TestApp;
let ann: TestPerson;

beforeAll(async () => {
  test = await startTestApp({ HOLDPOINT_ROLES: 'api' });
  ann = await test.register();
});

afterAll(() => test.close());

const get = (path: string, auth: Auth = ann.auth) => test.http().get(path).set(auth);
const execute = (body: object, auth: Auth = ann.auth) => test.http().post('/api/security/execute').set(auth).send(body);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

async function list(query: object, auth: Auth = ann.auth): Promise<Run[]> {
  const { body } = await get(EXECUTIONS, auth).query(query).expect(200);
  return (body as { data: Run[] }).data;
}

async function run(body: object, status: number, auth: Auth = ann.auth): Promise<string> {
  const answer = await execute(body, auth).expect(status);
  return (answer.body as { execution_id: string }).execution_id;
}

async function records(subjectId: string) {
  return test.database.query<{ action: string; actor_id: string; details: object }>(
    'select action, actor_id, details from audit_records where subject_id = $1',
    [subjectId],
  );
}

describe('a run of code', () => {
  it('is kept, and on record, although the database was gone when it began', async () => {
    const insert = jest.spyOn(test.app.get(CodeRunRepository), 'insert').mockRejectedValueOnce(new Error('gone'));
    const id = await run({ code: 'print(1)' }, 200);
    expect(insert).toHaveBeenCalledTimes(2);
    insert.mockRestore();
    expect((await get(`${EXECUTIONS}/${id}`).expect(200)).body).toMatchObject({ status: 'succeeded' });
    expect(await records(id)).toMatchObject([{ action: 'code.executed' }]);
  });

  it('is in the history of its person and on record under the same id, a failed one as well', async () => {
    const code = 'print(1)\nraise KeyError("kept")';
    const id = await run({ code, timeout: 7.5, max_memory_mb: 128 }, 500);
    const { body } = await get(`${EXECUTIONS}/${id}`).expect(200);
    expect(body).toEqual({
      id,
      status: 'failed',
      language: 'python',
      code_sha256: sha256(code),
      timeout_seconds: 7.5,
      max_memory_mb: 128,
      error_type: 'KeyError',
      error_line: 2,
      queued_seconds: expect.any(Number),
      execution_time: expect.any(Number),
      memory_used_mb: expect.any(Number),
      driver: 'bubblewrap',
      api_key_id: null,
      started_at: expect.stringMatching(/Z$/),
      ended_at: expect.stringMatching(/Z$/),
    });
    const { execution_time, memory_used_mb, queued_seconds } = body as Record<string, number>;
    expect(await records(id)).toEqual([
      {
        action: 'code.executed',
        actor_id: ann.user.id,
        details: {
          language: 'python',
          code_sha256: sha256(code),
          timeout: 7.5,
          max_memory_mb: 128,
          outcome: 'failed',
          error_type: 'KeyError',
          queued_seconds,
          execution_time,
          memory_used_mb,
          driver: 'bubblewrap',
        },
      },
    ]);
    const kept = await test.database.query(`select 1 from code_runs run where run::text like '%raise%'`);
    expect(kept).toEqual([]);
  });

  it('names the API key by which it was asked for', async () => {
    const key = await test
      .http()
      .post('/api/auth/api-keys')
      .set(ann.auth)
      .send({ name: 'runner', scopes: ['code:execute'] })
      .expect(201);
    const { id: api_key_id, key: secret } = key.body as { id: string; key: string };
    const auth = { Authorization: `Bearer ${secret}` };
    const id = await run({ code: 'print(1)' }, 200, auth);
    expect((await get(`${EXECUTIONS}/${id}`, auth).expect(200)).body).toMatchObject({ api_key_id });
  });

  it('is running while it runs, and lost when its time is long over and nobody ended it', async () => {
    const hangUp = new AbortController();
    const code = 'import time\ntime.sleep(60)';
    const headers = { ...ann.auth, 'Content-Type': 'application/json' };
    const body = JSON.stringify({ code });
    const asked = fetch(`${test.url}/api/security/execute`, { method: 'POST', headers, body, signal: hangUp.signal });
    const look = () => list({ code_sha256: sha256(code) });
    const [begun] = await waitFor('the run', look, (runs) => runs.length === 1);
    expect(begun).toMatchObject({ status: 'running', execution_time: null, ended_at: null });
    const age = (seconds: number) =>
      test.database.query(`update code_runs set started_at = now() - make_interval(secs => $2) where id = $1`, [
        begun?.id,
        seconds,
      ]);
    await age(80); // of 30 + 60
    expect(await list({ status: 'lost' })).toEqual([]);
    await age(100);
    expect(await list({ status: 'lost' })).toMatchObject([{ id: begun?.id }]);
    expect(await list({ status: 'running' })).toEqual([]);
    hangUp.abort();
    await expect(asked).rejects.toThrow('aborted');
    await waitFor('its end', look, ([ended]) => ended?.status === 'cancelled');
  });
});

describe('the history', () => {
  it('is a person’s own: nobody else has it, in the organization or outside', async () => {
    const id = await run({ code: 'print(1)' }, 200);
    const others: Auth[] = [
      (await addMember(test, ann.organization.id, 'admin')).auth,
      (await test.register('Eve')).auth,
    ];
    for (const auth of others) {
      const answer = await get(`${EXECUTIONS}/${id}`, auth).expect(404);
      expect(answer.body).toMatchObject({ code: 'NOT_FOUND' });
      expect(await list({}, auth)).toEqual([]);
      expect(await list({ code_sha256: sha256('print(1)') }, auth)).toEqual([]);
    }
    const { body } = await get(EXECUTIONS).query({ limit: 1 }).expect(200);
    const { next_cursor: cursor } = body as { next_cursor: string };
    for (const auth of others) await get(EXECUTIONS, auth).query({ cursor }).expect(422);
    const viewer = await addMember(test, ann.organization.id, 'viewer');
    await get(EXECUTIONS, viewer.auth).expect(403);
    await get(`${EXECUTIONS}/${id}`, viewer.auth).expect(403);
  });

  it('comes newest first, in pages, and can be filtered', async () => {
    const bob = await addMember(test, ann.organization.id, 'editor', 'Bob');
    const ids: string[] = [];
    for (const code of ['print(1)', '1/0', 'print(2)']) {
      ids.unshift(await run({ code }, code === '1/0' ? 500 : 200, bob.auth));
    }
    const first = await get(EXECUTIONS, bob.auth).query({ limit: 2 }).expect(200);
    const { data, next_cursor: cursor } = first.body as { data: Run[]; next_cursor: string };
    const rest = await get(EXECUTIONS, bob.auth).query({ limit: 2, cursor }).expect(200);
    expect(rest.body).toMatchObject({ next_cursor: null });
    expect([...data, ...(rest.body as { data: Run[] }).data].map(({ id }) => id)).toEqual(ids);
    const idsOf = async (query: object) => (await list(query, bob.auth)).map(({ id }) => id);
    const { body } = await get(`${EXECUTIONS}/${ids[1]}`, bob.auth).expect(200);
    const { started_at } = body as { started_at: string };
    expect(await idsOf({ status: 'failed' })).toEqual([ids[1]]);
    expect(await idsOf({ code_sha256: sha256('print(2)') })).toEqual([ids[0]]);
    expect(await idsOf({ language: 'javascript' })).toEqual([]);
    expect(await idsOf({ language: 'python' })).toEqual(ids);
    expect(await idsOf({ created_after: started_at })).toEqual(ids.slice(0, 2));
    expect(await idsOf({ created_before: started_at })).toEqual(ids.slice(2));
    await get(EXECUTIONS, bob.auth).query({ status: 'done' }).expect(422);
    await get(EXECUTIONS, bob.auth).query({ code_sha256: 'DEAD' }).expect(422);
  });

  it('forgets what began long ago; the record stays', async () => {
    const [old, recent] = [await run({ code: 'print(1)' }, 200), await run({ code: 'print(1)' }, 200)];
    await test.database.query(`update code_runs set started_at = now() - interval '91 days' where id = $1`, [old]);
    await test.app.get(RetentionService)['clean'](); // CODE_RUN_RETENTION_DAYS is 90
    await get(`${EXECUTIONS}/${old}`).expect(404);
    await get(`${EXECUTIONS}/${recent}`).expect(200);
    expect(await records(old)).toHaveLength(1);
  });
});

describe('a run that was refused', () => {
  it('is on record with the reason, and not in the history', async () => {
    const off = await startTestApp({ SANDBOX_DRIVER: 'none', HOLDPOINT_ROLES: 'api' }, test.database);
    const eve = await off.register('Eve');
    await off.http().post('/api/security/execute').set(eve.auth).send({ code: 'print(1)' }).expect(503);
    expect(await list({}, eve.auth)).toEqual([]);
    const refused = await off.database.query(
      'select action, details from audit_records where organization_id = $1 and subject_type = $2',
      [eve.organization.id, 'code_run'],
    );
    expect(refused).toEqual([
      {
        action: 'code.refused',
        details: {
          reason: 'SANDBOX_UNAVAILABLE',
          language: 'python',
          code_sha256: sha256('print(1)'),
          timeout: 30,
          max_memory_mb: 512,
        },
      },
    ]);
    await off.close();
  });
});
