import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Response, Test } from 'supertest';
import { signAccessToken } from '../src/auth/access-token.js';
import { SigningKeys } from '../src/auth/signing-keys.js';
import { describeApi } from '../src/describe-api.js';
import { addMember, type TestMember } from './add-member.js';
import { edge, node, reviewDefinition } from './definitions.js';
import { driveExecutions } from './drive-executions.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

let test: TestApp;
/** Owns what others try to reach: a workflow, an execution and its open checkpoint. */
let ann: TestPerson;
/** Owns another organization. */
let eve: TestPerson;
/** Views only, in Ann's organization. */
let vic: TestMember;
let workflowId: string;
let executionId: string;
let checkpointId: string;
let endpointId: string;
let groupId: string;
let apiKeyId: string;
let linkId: string;
let delegationId: string;
let earlyId: string;
let codeRunId: string;
let fingerprintSql: string;

beforeAll(async () => {
  test = await startTestApp({ BODY_LIMIT_MB: '1' });
  [ann, eve] = [await test.register('Ann'), await test.register('Eve')];
  vic = await addMember(test, ann.organization.id, 'viewer', 'Vic');
  const send = (path: string, body: object) => test.http().post(path).set(ann.auth).send(body);
  workflowId = (
    await send('/api/workflows', { name: 'Reply', definition: reviewDefinition({ allow_links: 'members' }) }).expect(
      201,
    )
  ).body.id;
  endpointId = (await send('/api/webhooks/endpoints', { url: 'https://a.example/' }).expect(201)).body.id;
  await test.http().put('/api/secrets/OURS').set(ann.auth).send({ value: 'long enough' }).expect(200);
  executionId = (await send('/api/executions', { workflow_id: workflowId, input: { name: 'Bo' } }).expect(202)).body.id;
  groupId = (await send('/api/organizations/current/groups', { name: 'Legal' }).expect(201)).body.id;
  apiKeyId = (await send('/api/auth/api-keys', { name: 'import', scopes: ['workflow:read'] }).expect(201)).body.id;
  const inbox = () => test.http().get('/api/checkpoints?status=open').set(ann.auth);
  const open = await waitFor('a checkpoint', inbox, ({ body }) => body.data.length === 1);
  checkpointId = open.body.data[0].id;
  await waitFor(
    'rest',
    () => read(executionId),
    ({ body }) => body.status === 'awaiting_checkpoint',
  );
  linkId = (await send(`/api/checkpoints/${checkpointId}/links`, { user_id: ann.user.id }).expect(201)).body.id;
  const until = new Date(Date.now() + 3_600_000).toISOString();
  delegationId = (await send('/api/delegations', { to_user: vic.id, ends_at: until }).expect(201)).body.id;
  earlyId = await keepEarly();
  codeRunId = (await send('/api/security/execute', { code: 'print(1)' }).expect(200)).body.execution_id;
  // Notices are delivered in the background.
  const tables = await test.database.query<{ name: string }>(
    `select tablename as name from pg_tables
     where schemaname = 'public' and tablename not in ('migrations', 'webhook_deliveries') order by 1`,
  );
  fingerprintSql = tables.map(({ name }) => fingerprintOf(name)).join(' union all ');
});

afterAll(() => test.close());

/** A decision on a checkpoint that another execution has not reached yet. */
async function keepEarly(): Promise<string> {
  const nodes = [node('go', 'wait', { signal: 'go' }), node('review', 'checkpoint', { title: 'So?', content: 1 })];
  const drive = driveExecutions(test, ann);
  const execution_id = await drive.start(nodes, [edge('go', 'review')]);
  await drive.status(execution_id, 'waiting');
  const early = { execution_id, node_id: 'review', action: 'approve' };
  return (await test.http().post('/api/early-decisions').set(ann.auth).send(early).expect(202)).body.id;
}

const read = (id: string) => test.http().get(`/api/executions/${id}`).set(ann.auth);

const fingerprintOf = (table: string) =>
  `select '${table}' as name, count(*)::int, md5(coalesce(string_agg(t::text, '' order by t::text), '')) from ${table} t`;

/** How many rows each table has, and a hash over all of them. */
const fingerprint = () => test.database.query<{ name: string; count: number }>(fingerprintSql);

interface Refusal {
  status: number;
  code: string;
  /** The places in `errors`; left out where there is no such list. */
  pointers?: string[];
}

/** It is refused so, as a complete problem document (RFC 9457), and no row of any table has changed. */
async function expectRefusal(send: () => Test, { status, code, pointers }: Refusal): Promise<Response> {
  const before = await fingerprint();
  const answer = await send();
  const { errors, ...body } = answer.body as { errors?: { pointer: string }[] };
  expect({ ...body, pointers: errors?.map(({ pointer }) => pointer) }).toMatchObject({ status, code, pointers });
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(body).toMatchObject({
    type: `/docs/errors#${code.toLowerCase().replaceAll('_', '-')}`,
    title: expect.stringMatching(/^[A-Z]/),
    detail: expect.stringMatching(/\S.*\.$/s),
    instance: new URL(answer.request.url).pathname,
    request_id: answer.headers['x-request-id'],
  });
  expect(await fingerprint()).toEqual(before);
  return answer;
}

const post = (path: string, auth: { Authorization: string } = ann.auth) => test.http().post(path).set(auth);
const get = (path: string, auth: { Authorization: string } = ann.auth) => test.http().get(path).set(auth);
const sendText = (path: string, text: string) => post(path).set('Content-Type', 'application/json').send(text);
const start = (input: string) => sendText('/api/executions', `{"workflow_id":"${workflowId}","input":${input}}`);
const create = (definition: object) => post('/api/workflows').send({ name: 'Reply', definition });

describe('a body', () => {
  it.each(['{"name":', '{name: "x"}', "{'a': 1}", '{"a":1}}', '\u{1F4A5}', '{"a":\t"\n"}', '[1,]'])(
    'of malformed JSON is refused: %j',
    async (text) => {
      await expectRefusal(() => sendText('/api/workflows', text), { status: 400, code: 'MALFORMED_REQUEST' });
    },
  );

  it.each([
    ['nothing at all', undefined],
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', '"name"'],
    ['a number', '1'],
  ])('of %s, where an object belongs, is refused as a whole', async (_, text) => {
    const send = () => (text === undefined ? post('/api/workflows') : sendText('/api/workflows', text));
    await expectRefusal(send, { status: 422, code: 'VALIDATION_FAILED', pointers: [''] });
  });

  it('with fields that do not exist is refused with each of their places', async () => {
    const body = { name: 'Reply', definition: reviewDefinition(), organization_id: eve.organization.id, 'a/b~c': 1 };
    const pointers = ['/organization_id', '/a~1b~0c'];
    await expectRefusal(() => post('/api/workflows').send(body), { status: 422, code: 'VALIDATION_FAILED', pointers });
  });

  it('with more problems than anybody reads is told the first hundred', async () => {
    const body = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`field_${i}`, i]));
    const answer = await post('/api/workflows').send(body).expect(422);
    expect(answer.body.errors).toHaveLength(100);
    expect(answer.body.detail).toContain('5002 problems');
  });

  it('of half a megabyte never makes a larger answer', async () => {
    const output = { ['key'.repeat(1_000)]: Array.from({ length: 15_000 }, () => '{{ steps.ghost.output }}') };
    const definition = { nodes: [node('a', 'transform', { output })], edges: [] };
    const bodies = [
      ['/api/workflows/validate', { definition }],
      ['/api/workflows', { name: 'Reply', definition }],
      ['/api/workflows', { name: 'Reply', ['key'.repeat(100_000)]: 1, ['kex'.repeat(60_000)]: 1 }],
      ['/api/executions', { workflow_id: workflowId, input: { ['key'.repeat(100_000)]: Array(20).fill('\0') } }],
    ] as const;
    for (const [path, body] of bodies) {
      const { text, body: answer } = await post(path).send(body);
      expect(answer.errors.length).toBeGreaterThan(0);
      expect(answer.errors.length).toBeLessThanOrEqual(100);
      expect(text.length).toBeLessThan(250_000);
    }
  });

  it('over the size limit is refused, also when it is small until it is unpacked', async () => {
    const large = JSON.stringify({ name: ' '.repeat(1_100_000) });
    await expectRefusal(() => sendText('/api/workflows', large), { status: 413, code: 'BODY_TOO_LARGE' });
    const packed = gzipSync(large);
    expect(packed.length).toBeLessThan(2_000);
    const sendPacked = () =>
      post('/api/workflows')
        .set('Content-Type', 'application/json')
        .set('Content-Encoding', 'gzip')
        .serialize((body: unknown) => body as string)
        .send(packed);
    await expectRefusal(sendPacked, { status: 413, code: 'BODY_TOO_LARGE' });
  });

  it.each([
    ['text/plain', {}],
    ['application/xml', {}],
    ['multipart/form-data; boundary=x', {}],
    ['application/x-www-form-urlencoded', {}],
    ['application/json; charset=utf-7', {}],
    ['application/json; charset="UTF-16LE"', {}],
    ['application/json', { 'Content-Encoding': 'compress' }],
  ])('of type %s %j is refused', async (type, headers) => {
    const send = () => post('/api/workflows').set('Content-Type', type).set(headers).send('{"name":"Reply"}');
    await expectRefusal(send, { status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
  });

  it('without a type is refused', async () => {
    const answer = await exchange(
      `POST /api/workflows HTTP/1.1\r\nHost: x\r\nAuthorization: ${ann.auth.Authorization}\r\n` +
        'Connection: close\r\nContent-Length: 2\r\n\r\n{}',
    );
    expect(answer).toMatch(/^HTTP\/1.1 415 /);
    expect(answer).toContain('"code":"UNSUPPORTED_MEDIA_TYPE"');
  });

  it.each([
    ['a NUL character', String.raw`"a\u0000b"`, '/input'],
    ['half of a surrogate pair', String.raw`"\ud83d"`, '/input'],
    ['the other half', String.raw`"x\udca9"`, '/input'],
    ['a NUL character deep inside', String.raw`{"a":[1,{"b":"\u0000"}]}`, '/input/a/1/b'],
    ['a NUL character in a key', String.raw`{"a\u0000":1}`, '/input/a\uFFFD'],
    ['half of a surrogate pair in a key', String.raw`{"\ud800":1}`, '/input/\uFFFD'],
    ['a __proto__ key', '{"__proto__":{"admin":true}}', '/input/__proto__'],
    ['a __proto__ key deep inside', '{"a":[{"__proto__":1}]}', '/input/a/0/__proto__'],
    ['a number too large for JSON readers', '{"a":1e400}', '/input/a'],
  ])('with %s is refused at its place', async (_, input, pointer) => {
    await expectRefusal(() => start(input), { status: 422, code: 'VALIDATION_FAILED', pointers: [pointer] });
  });

  it.each([
    ['__proto__', '{"__proto__":{"name":"x"},"name":"x","definition":{}}', '/__proto__'],
    ['a NUL character', String.raw`{"name":"a\u0000","definition":{}}`, '/name'],
  ])('with %s at its top is refused', async (_, text, pointer) => {
    const refusal = { status: 422, code: 'VALIDATION_FAILED', pointers: [pointer] };
    await expectRefusal(() => sendText('/api/workflows', text), refusal);
  });

  it('with a NUL character or half of a surrogate pair is refused on every route that takes text', async () => {
    const refusal = (pointer: string) => ({ status: 422, code: 'VALIDATION_FAILED', pointers: [pointer] });
    for (const bad of ['\0', '\ud800']) {
      const account = { email: 'a@test.example', password: `long enough ${bad} password`, name: 'A' };
      await expectRefusal(() => post('/api/auth/register').send(account), refusal('/password'));
      await expectRefusal(() => post('/api/auth/login').send(account), refusal('/password'));
      await expectRefusal(() => post('/api/auth/refresh').send({ refresh_token: bad }), refusal('/refresh_token'));
      await expectRefusal(() => create({ nodes: [node(bad, 'end')], edges: [] }), refusal('/definition/nodes/0/id'));
      await expectRefusal(
        () => post('/api/auth/api-keys').send({ name: bad, scopes: ['workflow:read'] }),
        refusal('/name'),
      );
      await expectRefusal(() => post('/api/organizations/current/groups').send({ name: bad }), refusal('/name'));
      const reject = () =>
        decide(checkpointId)
          .set('If-Match', '"1"')
          .send({ action: 'reject', comment: `no ${bad}` });
      await expectRefusal(reject, refusal('/comment'));
      const endpoint = { url: 'https://a.example/', description: bad };
      await expectRefusal(() => post('/api/webhooks/endpoints').send(endpoint), refusal('/description'));
    }
  });

  it('with a __proto__ key or deep nesting is refused also where text is not stored', async () => {
    const nuls = `"text":[${String.raw`"\u0000",`.repeat(30)}""]`;
    const execute = (globals: string) =>
      sendText('/api/security/execute', `{"code":"x = 1","globals":{${nuls},${globals}}}`);
    const refusal = (pointer: string) => ({ status: 422, code: 'VALIDATION_FAILED', pointers: [pointer] });
    await expectRefusal(() => execute('"__proto__":1'), refusal('/globals/__proto__'));
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    await expectRefusal(() => execute(`"deep":${deep}`), refusal(`/globals/deep${'/0'.repeat(62)}`));
  });

  it('nested over 64 levels is refused, however deep, and one of 64 is taken', async () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    for (const levels of [64, 65, 200_000]) {
      const refusal = { status: 422, code: 'VALIDATION_FAILED', pointers: [`/input${'/0'.repeat(63)}`] };
      await expectRefusal(() => start(nested(levels)), refusal);
    }
    const { body } = await start(nested(63)).expect(202);
    await waitFor(
      'its end',
      () => read(body.id),
      (answer) => answer.body.ended_at !== null,
    );
  });
});

const decide = (id: string, auth?: { Authorization: string }) => post(`/api/checkpoints/${id}/decide`, auth);

describe('a query', () => {
  it.each([
    '/api/workflows?limit=1&limit=2',
    '/api/executions?status=failed&status=completed',
    '/api/nowhere?a=1&a=1',
    '/api/auth/me?a=1&b=2&%61=3',
  ])('with a key given twice is refused: %s', async (path) => {
    await expectRefusal(() => get(path), { status: 422, code: 'REPEATED_QUERY_KEY' });
  });

  it.each([
    ['/api/workflows?colour=red', '/colour'],
    ['/api/workflows?limit[]=5', '/limit[]'],
    ['/api/workflows?__proto__=1', '/__proto__'],
    ['/api/workflows?__proto__[admin]=1', '/__proto__[admin]'],
    ['/api/executions?status=asleep', '/status'],
    ['/api/executions?workflow_id=7', '/workflow_id'],
    ['/api/executions?error=%00', '/error'],
    ['/api/executions?created_after=yesterday', '/created_after'],
    ['/api/checkpoints?execution_id=%00', '/execution_id'],
    ['/api/audit?subject_id=a%00b', '/subject_id'],
    ['/api/audit?subject_type=%00', '/subject_type'],
  ])('that its route does not understand is refused: %s', async (path, pointer) => {
    await expectRefusal(() => get(path), { status: 422, code: 'VALIDATION_FAILED', pointers: [pointer] });
  });
});

describe('a path', () => {
  it.each(['/api/nowhere', '/api', '/', '/health', '/api/workflows/x/y', '/api//workflows', '/.env'])(
    'that leads nowhere is not found: %s',
    async (path) => {
      await expectRefusal(() => get(path), { status: 404, code: 'ROUTE_NOT_FOUND' });
    },
  );

  it.each(['7', 'x', '%00', '..%2f..%2fetc%2fpasswd', "' or 1=1 --", '00000000-0000-0000-0000-00000000000g'])(
    'with an id that is no UUID is refused: %s',
    async (id) => {
      const at = id.includes('%') ? id : encodeURIComponent(id);
      for (const path of [`/api/workflows/${at}`, `/api/executions/${at}`, `/api/checkpoints/${at}`]) {
        await expectRefusal(() => get(path), { status: 422, code: 'VALIDATION_FAILED', pointers: [''] });
      }
    },
  );

  it.each(['%00', 'a%20b', '%F0%9F%92%A5', 'x'.repeat(65)])(
    'with an id that no node can have is refused: %s',
    async (id) => {
      const send = () => get(`/api/executions/${executionId}/steps/${id}/1/attempts`);
      await expectRefusal(send, { status: 422, code: 'VALIDATION_FAILED', pointers: [''] });
    },
  );

  it('that cannot be decoded is refused', async () => {
    await expectRefusal(() => get('/api/workflows/%E0%A4%A'), { status: 400, code: 'MALFORMED_REQUEST' });
  });
});

describe('a stranger', () => {
  type Named = [route: string, send: (auth: { Authorization: string }) => Test];
  const routes = (): Named[] => {
    const [w, e, c] = [
      `/api/workflows/${workflowId}`,
      `/api/executions/${executionId}`,
      `/api/checkpoints/${checkpointId}`,
    ];
    const h = `/api/webhooks/endpoints/${endpointId}`;
    const step = `${e}/steps/review/1`;
    const organization = '/api/organizations/current';
    const [g, m] = [`${organization}/groups/${groupId}`, `${organization}/members/${vic.id}`];
    return [
      ['GET /api/workflows/{id}', (auth) => get(w, auth)],
      [
        'PATCH /api/workflows/{id}',
        (auth) => test.http().patch(w).set(auth).set('If-Match', '"1"').send({ name: 'Hers' }),
      ],
      ['POST /api/workflows/{id}/deactivate', (auth) => post(`${w}/deactivate`, auth).set('If-Match', '"1"')],
      ['GET /api/workflows/{id}/versions', (auth) => get(`${w}/versions`, auth)],
      ['GET /api/workflows/{id}/versions/{number}', (auth) => get(`${w}/versions/1`, auth)],
      ['GET /api/workflows/{id}/executions', (auth) => get(`${w}/executions`, auth)],
      ['GET /api/executions/{id}', (auth) => get(e, auth)],
      ['GET /api/executions/{id}/events', (auth) => get(`${e}/events`, auth)],
      ['GET /api/executions/{id}/steps/{node_id}/{iteration}/attempts', (auth) => get(`${step}/attempts`, auth)],
      ['POST /api/executions/{id}/steps/{node_id}/{iteration}/cancel', (auth) => post(`${step}/cancel`, auth)],
      ...['cancel', 'pause', 'resume', 'retry'].map((act): Named => {
        return [`POST /api/executions/{id}/${act}`, (auth) => post(`${e}/${act}`, auth)];
      }),
      ['POST /api/executions/{id}/rerun', (auth) => post(`${e}/rerun`, auth).send({ from: { node_id: 'review' } })],
      ['POST /api/executions/{id}/signals', (auth) => post(`${e}/signals`, auth).send({ name: 'go' })],
      ['GET /api/security/executions/{id}', (auth) => get(`/api/security/executions/${codeRunId}`, auth)],
      ['GET /api/checkpoints/{id}', (auth) => get(c, auth)],
      ['GET /api/checkpoints/{id}/history', (auth) => get(`${c}/history`, auth)],
      ['GET /api/checkpoints/{id}/evidence', (auth) => get(`${c}/evidence`, auth)],
      [
        'POST /api/checkpoints/{id}/decide',
        (auth) => decide(checkpointId, auth).set('If-Match', '"1"').send({ action: 'approve' }),
      ],
      ...['claim', 'release', 'withdraw-decision'].map((act): Named => {
        return [`POST /api/checkpoints/{id}/${act}`, (auth) => post(`${c}/${act}`, auth)];
      }),
      ['POST /api/checkpoints/{id}/reassign', (auth) => post(`${c}/reassign`, auth).send({ users: [eve.email] })],
      ['POST /api/checkpoints/{id}/comments', (auth) => post(`${c}/comments`, auth).send({ text: 'Mine' })],
      ['GET /api/checkpoints/{id}/links', (auth) => get(`${c}/links`, auth)],
      ['POST /api/checkpoints/{id}/links', (auth) => post(`${c}/links`, auth).send({})],
      ['POST /api/checkpoints/links/{id}/revoke', (auth) => post(`/api/checkpoints/links/${linkId}/revoke`, auth)],
      ['POST /api/delegations/{id}/revoke', (auth) => post(`/api/delegations/${delegationId}/revoke`, auth)],
      ['POST /api/early-decisions/{id}/cancel', (auth) => post(`/api/early-decisions/${earlyId}/cancel`, auth)],
      ['GET /api/webhooks/endpoints/{id}', (auth) => get(h, auth)],
      ['PATCH /api/webhooks/endpoints/{id}', (auth) => test.http().patch(h).set(auth).send({ active: false })],
      ['DELETE /api/webhooks/endpoints/{id}', (auth) => test.http().delete(h).set(auth)],
      ['POST /api/webhooks/endpoints/{id}/rotate-secret', (auth) => post(`${h}/rotate-secret`, auth)],
      ['POST /api/webhooks/endpoints/{id}/test', (auth) => post(`${h}/test`, auth)],
      ['GET /api/webhooks/endpoints/{id}/deliveries', (auth) => get(`${h}/deliveries`, auth)],
      ['DELETE /api/secrets/{name}', (auth) => test.http().delete('/api/secrets/OURS').set(auth)],
      ['DELETE /api/auth/api-keys/{id}', (auth) => test.http().delete(`/api/auth/api-keys/${apiKeyId}`).set(auth)],
      ['PATCH /api/organizations/current/groups/{id}', (auth) => test.http().patch(g).set(auth).send({ name: 'Hers' })],
      ['DELETE /api/organizations/current/groups/{id}', (auth) => test.http().delete(g).set(auth)],
      ['GET /api/organizations/current/groups/{id}/members', (auth) => get(`${g}/members`, auth)],
      [
        'PUT /api/organizations/current/groups/{id}/members/{user_id}',
        (auth) => test.http().put(`${g}/members/${eve.user.id}`).set(auth),
      ],
      [
        'DELETE /api/organizations/current/groups/{id}/members/{user_id}',
        (auth) => test.http().delete(`${g}/members/${vic.id}`).set(auth),
      ],
      [
        'PATCH /api/organizations/current/members/{user_id}',
        (auth) => test.http().patch(m).set(auth).send({ role: 'owner' }),
      ],
      ['DELETE /api/organizations/current/members/{user_id}', (auth) => test.http().delete(m).set(auth)],
      [
        'DELETE /api/auth/sessions/{id}',
        (auth) =>
          test
            .http()
            .delete(`/api/auth/sessions/${sessionOf(ann)}`)
            .set(auth),
      ],
    ];
  };
  const sessionOf = ({ refresh_token }: TestPerson) => refresh_token.slice(4, 40);

  it('is tried below on every route that names a thing', () => {
    const documented = Object.entries(describeApi(test.app).paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    // What a decision link opens is found by its token alone, whoever asks; who sets a secret has it in their own organization.
    const others = ['/decide/', 'PUT /api/secrets/'];
    const named = documented.filter((route) => route.includes('{') && !others.some((other) => route.includes(other)));
    expect(
      routes()
        .map(([route]) => route)
        .toSorted(),
    ).toEqual(named.toSorted());
  });

  it('finds nothing of ours by its id, whether to read or to write', async () => {
    for (const [, send] of routes()) await expectRefusal(() => send(eve.auth), { status: 404, code: 'NOT_FOUND' });
  });

  it('gets the same answer for our ids as for ids of nothing', async () => {
    const nothing = '01900000-0000-7000-8000-000000000000';
    for (const path of ['/api/workflows/', '/api/executions/', '/api/checkpoints/']) {
      const id = { '/api/workflows/': workflowId, '/api/executions/': executionId }[path] ?? checkpointId;
      const [ours, none] = [await get(path + id, eve.auth), await get(path + nothing, eve.auth)];
      const comparable = ({ status, body }: Response, own: string) =>
        JSON.stringify({ status, ...body, request_id: '' }).replaceAll(own, 'ID');
      expect(comparable(ours, id)).toBe(comparable(none, nothing));
    }
  });

  it('cannot start our workflow or list by it', async () => {
    const notFound = { status: 404, code: 'NOT_FOUND' };
    await expectRefusal(() => post('/api/executions', eve.auth).send({ workflow_id: workflowId }), notFound);
    await expectRefusal(() => get(`/api/executions?workflow_id=${workflowId}`, eve.auth), notFound);
  });

  it('finds nothing of ours in any list or by any filter', async () => {
    for (const path of [
      '/api/workflows',
      '/api/executions',
      '/api/checkpoints',
      `/api/checkpoints?execution_id=${executionId}`,
      `/api/audit?subject_id=${workflowId}`,
      '/api/webhooks/endpoints',
      '/api/organizations/current/groups',
      '/api/auth/api-keys',
      '/api/security/executions',
    ]) {
      expect((await get(path, eve.auth).expect(200)).body).toEqual({ data: [], next_cursor: null });
    }
    const everything = [
      '/api/organizations',
      '/api/organizations/current',
      '/api/organizations/current/members',
      '/api/audit',
      '/api/auth/me',
    ];
    for (const path of everything) {
      const { text } = await get(path, eve.auth).expect(200);
      for (const id of [ann.user.id, ann.organization.id, vic.id, workflowId, executionId])
        expect(text).not.toContain(id);
    }
  });
});

describe('a viewer', () => {
  it('may write nothing', async () => {
    const forbidden = { status: 403, code: 'PERMISSION_MISSING' };
    const [w, e] = [`/api/workflows/${workflowId}`, `/api/executions/${executionId}`];
    for (const send of [
      () => post('/api/workflows', vic.auth).send({ name: 'Reply', definition: reviewDefinition() }),
      () => test.http().patch(w).set(vic.auth).set('If-Match', '"1"').send({ name: 'Other' }),
      () => post(`${w}/deactivate`, vic.auth).set('If-Match', '"1"'),
      () => post('/api/executions', vic.auth).send({ workflow_id: workflowId }),
      ...['cancel', 'pause', 'resume', 'retry'].map((act) => () => post(`${e}/${act}`, vic.auth)),
      () => post(`${e}/steps/review/1/cancel`, vic.auth),
      () => post(`${e}/rerun`, vic.auth).send({ from: { node_id: 'review' } }),
      () => post(`${e}/signals`, vic.auth).send({ name: 'go' }),
      () => post('/api/signals', vic.auth).send({ name: 'go', correlation_key: 'key' }),
      () => post('/api/organizations/current/members', vic.auth).send({ email: eve.email, role: 'viewer' }),
      () => test.http().patch(`/api/organizations/current/members/${vic.id}`).set(vic.auth).send({ role: 'owner' }),
      () => test.http().delete(`/api/organizations/current/members/${ann.user.id}`).set(vic.auth),
      () => post('/api/organizations/current/groups', vic.auth).send({ name: 'Mine' }),
      () => test.http().delete(`/api/organizations/current/groups/${groupId}`).set(vic.auth),
      () => test.http().put(`/api/organizations/current/groups/${groupId}/members/${vic.id}`).set(vic.auth),
      () => post('/api/security/execute', vic.auth).send({ code: 'print(1)' }),
      () => test.http().put('/api/security/policy').set(vic.auth).set('If-Match', '"1"').send({}),
      () => post('/api/webhooks/endpoints', vic.auth).send({ url: 'https://a.example/' }),
    ]) {
      await expectRefusal(send, forbidden);
    }
  });

  it('decides nothing, and the attempt is on record', async () => {
    const open = async () => (await get(`/api/checkpoints/${checkpointId}`, ann.auth)).body;
    const before = await open();
    const refused = await decide(checkpointId, vic.auth).set('If-Match', '"1"').send({ action: 'approve' }).expect(403);
    expect(refused.body).toMatchObject({ code: 'PERMISSION_MISSING' });
    expect(await open()).toEqual(before);
    const { body } = await get(`/api/audit?subject_id=${checkpointId}`, ann.auth);
    expect(body.data[0]).toMatchObject({ action: 'checkpoint.refused', actor_id: vic.id });
  });

  it('is refused before a bad body is described', async () => {
    await expectRefusal(() => post('/api/workflows', vic.auth).send({}), { status: 403, code: 'PERMISSION_MISSING' });
  });
});

describe('who does not say who they are', () => {
  it.each([
    'GET /api/workflows',
    'POST /api/workflows',
    'POST /api/executions',
    'GET /api/audit',
    'GET /api/audit/export',
    'POST /api/auth/logout',
  ])('is refused: %s', async (route) => {
    const [method = '', path = ''] = route.split(' ');
    const send = () => (method === 'GET' ? test.http().get(path) : test.http().post(path).send({}));
    const answer = await expectRefusal(send, { status: 401, code: 'UNAUTHENTICATED' });
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  });

  it('is refused with an expired or a forged token', async () => {
    const session_id = ann.refresh_token.slice(4, 40);
    const expired = await signAccessToken(test.app.get(SigningKeys), { user_id: ann.user.id, session_id }, -60);
    const [head = '', body = ''] = ann.access_token.split('.');
    const unsigned = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${body}.`;
    const stranger = eve.access_token.split('.');
    for (const [token, code] of [
      [expired, 'TOKEN_EXPIRED'],
      [unsigned, 'TOKEN_INVALID'],
      [`${head}.${stranger[1] ?? ''}.${ann.access_token.split('.')[2] ?? ''}`, 'TOKEN_INVALID'],
      [`${ann.access_token}x`, 'TOKEN_INVALID'],
    ] as const) {
      const auth = { Authorization: `Bearer ${token}` };
      await expectRefusal(() => post('/api/executions', auth).send({ workflow_id: workflowId }), { status: 401, code });
    }
  });

  it('is refused with a token in the query', async () => {
    const send = () => test.http().get(`/api/workflows?access_token=${ann.access_token}`);
    await expectRefusal(send, { status: 401, code: 'UNAUTHENTICATED' });
  });
});

describe('a change of something', () => {
  it('that was read before it changed is refused, and one that says nothing of it as well', async () => {
    const path = `/api/workflows/${workflowId}`;
    const rename = (tag: Record<string, string>) => () =>
      test.http().patch(path).set(ann.auth).set(tag).send({ name: 'Other' });
    await expectRefusal(rename({ 'If-Match': '"7"' }), { status: 412, code: 'STALE_VERSION' });
    await expectRefusal(rename({}), { status: 428, code: 'IF_MATCH_REQUIRED' });
    const approve = () => decide(checkpointId).send({ action: 'approve' });
    await expectRefusal(approve, { status: 428, code: 'IF_MATCH_REQUIRED' });
  });
});

describe('a definition', () => {
  const again = (when?: string) => ({ ...edge('b', 'a'), ...(when ? { data: { when } } : {}) });

  it('with a cycle that cannot end is refused at each node of it', async () => {
    const nodes = [
      node('in', 'transform', { output: 1 }),
      node('a', 'transform', { output: 1 }),
      node('b', 'transform', { output: 1 }),
    ];
    const definition = { nodes, edges: [edge('in', 'a'), edge('a', 'b'), again()] };
    const pointers = ['/definition/nodes/1', '/definition/nodes/2'];
    const { body } = await expectRefusal(() => create(definition), {
      status: 422,
      code: 'INVALID_DEFINITION',
      pointers,
    });
    expect(body.errors[0].code).toBe('CYCLE_WITHOUT_EXIT');
    const leaving = { nodes, edges: [edge('in', 'a'), edge('a', 'b'), again('steps.a.output > 3')] };
    await create(leaving).expect(201);
  });

  it.each(['{{ input. }}', '{{ 1 + }}', '{{ "open }}', '{{ input.name', '{{ }}', '{{ process.exit() }}'])(
    'with an expression that does not parse is refused at its place: %s',
    async (output) => {
      const definition = { nodes: [node('a', 'transform', { output: { deep: [output] } })], edges: [] };
      const pointers = ['/definition/nodes/0/data/output/deep/0'];
      await expectRefusal(() => create(definition), { status: 422, code: 'INVALID_DEFINITION', pointers });
    },
  );
});

describe('every answer', () => {
  const idOf = async (headers: Record<string, string>, path = '/health/liveness') =>
    (await test.http().get(path).set(headers)).headers['x-request-id'] as string;
  const OWN = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

  it('has a request id of its own', async () => {
    const paths = [
      '/health/liveness',
      '/api/nowhere',
      '/api/workflows',
      '/docs',
      '/docs/json',
      '/api/auth/jwks',
      '/x?a=1&a=2',
    ];
    const ids = await Promise.all(paths.map((path) => idOf({}, path)));
    for (const id of ids) expect(id).toMatch(OWN);
    expect(new Set(ids).size).toBe(paths.length);
  });

  it.each(['abcdefgh', 'A-b_9'.repeat(2), 'x'.repeat(64)])('echoes the request id %s', async (id) => {
    expect(await idOf({ 'X-Request-Id': id })).toBe(id);
    expect((await get('/api/nowhere').set('X-Request-Id', id)).body.request_id).toBe(id);
  });

  it.each(['short', 'x'.repeat(65), 'with space', 'abcdefgh%0d%0aSet-Cookie:a', 'abcdefgh,ijklmnop', 'ünïcödé-id', ''])(
    'ignores the request id %j',
    async (id) => {
      expect(await idOf({ 'X-Request-Id': id })).toMatch(OWN);
    },
  );

  it.each(['\r\n Set-Cookie: a=1', '\rSet-Cookie: a=1', '\nSet-Cookie: a=1', '\r\nSet-Cookie: a=1'])(
    'cannot be given headers by a line break in the request id: %j',
    async (rest) => {
      const answer = await exchange(
        `GET /health/liveness HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: abcdefgh${rest}\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1.1 (200|400) /);
      expect(answer.toLowerCase()).not.toContain('set-cookie');
    },
  );

  it('takes the trace id of traceparent where no request id is given', async () => {
    const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;
    expect(await idOf({ traceparent })).toBe(TRACE);
    expect(await idOf({ traceparent, 'X-Request-Id': 'abcdefgh' })).toBe('abcdefgh');
    expect(await idOf({ traceparent, 'X-Request-Id': 'bad id' })).toBe(TRACE);
  });

  it.each([
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-00f067aa0ba902b7-01`,
    `00-${TRACE.toUpperCase()}-00f067aa0ba902b7-01`,
    `00-${TRACE}-00f067aa0ba902b7`,
    `00-${TRACE}-00f067aa0ba902b7-01-more`,
    TRACE,
  ])('ignores a traceparent that is none: %s', async (traceparent) => {
    expect(await idOf({ traceparent })).toMatch(OWN);
  });

  it('has its request id in the audit record of what it did', async () => {
    const id = 'audited-request-1';
    await create({ nodes: [node('a', 'end')], edges: [] })
      .set('X-Request-Id', id)
      .expect(201);
    const { body } = await get('/api/audit?limit=1').expect(200);
    expect(body.data[0]).toMatchObject({ action: 'workflow.created', request_id: id });
  });
});

/** What the server answers to these very bytes. */
function exchange(bytes: string): Promise<string> {
  const { port } = new URL(test.url);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (answer += chunk));
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}
