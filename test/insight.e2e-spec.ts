import { Settings } from '../src/config/settings.js';
import { SignedToken } from '../src/platform/http/signed-token.js';
import { reviewDefinition } from './definitions.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

const PAGE = '/pages/checkpoint-analytics';

let test: TestApp;
let ann: TestPerson;
let eve: TestPerson;

beforeAll(async () => {
  test = await startTestApp();
  [ann, eve] = [await test.register('Ann'), await test.register('Eve')];
  await decideOne();
});

afterAll(() => test.close());

async function decideOne() {
  const send = (path: string, body: object) => test.http().post(path).set(ann.auth).send(body);
  const name = '<b>Reply</b>';
  const { body: workflow } = await send('/api/workflows', { name, definition: reviewDefinition() }).expect(201);
  await send('/api/executions', { workflow_id: workflow.id, input: { name: 'Bo' } }).expect(202);
  const inbox = () => test.http().get('/api/checkpoints?status=open').set(ann.auth);
  const { body } = await waitFor('a checkpoint', inbox, (answer) => answer.body.data.length === 1);
  await send(`/api/checkpoints/${body.data[0].id}/decide`, { action: 'approve' }).set('If-Match', '"1"').expect(200);
}

const analytics = (query = '', { auth }: TestPerson = ann) =>
  test.http().get(`/api/checkpoint-analytics${query}`).set(auth);

describe('analytics of checkpoints', () => {
  it('tell what was decided, and where the charts are', async () => {
    const { body } = await analytics().expect(200);
    expect(body).toMatchObject({
      period: 'day',
      time_zone: 'UTC',
      workflow_id: null,
      totals: { created: 1, decided: 1, approved: 1, edit_rate: 0, open_now: 0 },
      nodes: [{ workflow_name: '<b>Reply</b>', created: 1, approved: 1, rounds: { mean: 1, max: 1 } }],
      nodes_left_out: 0,
      chart_url: expect.stringMatching(/^\/pages\/checkpoint-analytics\?token=[\w.-]+$/),
    });
    expect(body.periods).toHaveLength(30);
    expect(body.periods.at(-1)).toMatchObject({ approved: 1 });
  });

  it('show another organization nothing, also when it names the workflow', async () => {
    const { body: own } = await analytics().expect(200);
    const { body } = await analytics(`?workflow_id=${own.nodes[0].workflow_id}`, eve).expect(200);
    expect(body).toMatchObject({ totals: { created: 0, decided: 0 }, nodes: [] });
  });

  it.each([
    ['?period=hour', '/period'],
    ['?time_zone=Nowhere/Land', '/time_zone'],
    ['?from=yesterday', '/from'],
    ['?workflow_id=1', '/workflow_id'],
    ['?colour=red', '/colour'],
    ['?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', '/from'],
    ['?from=2020-02-01T00:00:00Z&to=2026-01-01T00:00:00Z', '/period'],
  ])('refuse %s at its place', async (query, pointer) => {
    const { body } = await analytics(query).expect(422);
    expect(body.errors.map((problem: { pointer: string }) => problem.pointer)).toEqual([pointer]);
  });
});

describe('the page of charts', () => {
  const urlFor = async (person?: TestPerson) => String((await analytics('', person).expect(200)).body.chart_url);

  it('opens without signing in, runs nothing, loads nothing and is not kept', async () => {
    const { text, headers } = await test
      .http()
      .get(await urlFor())
      .expect(200);
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    const policy = String(headers['content-security-policy']);
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-/,
    );
    expect(policy).not.toMatch(/script|unsafe/);
    expect(text).toContain('&#60;b&#62;Reply');
    expect(text).not.toMatch(/<script|<b>Reply|\s(on\w+|style|src|href)=/);
  });

  it('shows the organization that is in the token, and no other', async () => {
    const { text } = await test
      .http()
      .get(await urlFor(eve))
      .expect(200);
    expect(text).not.toContain('Reply');
    expect(text).toContain('Nothing was decided in this time');
  });

  it('opens with nothing but a token that was made for it, by this server, lately', async () => {
    const settings: Settings = test.app.get(Settings);
    const claims = { organization_id: ann.organization.id, period: 'day', time_zone: 'UTC' };
    const [past, soon] = [new Date(Date.now() - 1_000), new Date(Date.now() + 60_000)];
    const foreign = new SignedToken({ ...settings, SECRET_KEY: 'the key of another installation'.repeat(2) });
    const own = new SignedToken(settings);
    const [payload, signature] = (await urlFor()).split('token=')[1]?.split('.') ?? [];
    const bad = [
      '',
      'x',
      `${payload}.`,
      `${payload}x.${signature}`,
      own.issue('checkpoint analytics', claims, past),
      own.issue('another purpose', claims, soon),
      foreign.issue('checkpoint analytics', claims, soon),
      ann.access_token,
    ];
    for (const token of bad) {
      const { text, headers } = await test.http().get(PAGE).query({ token }).expect(403);
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(text).toContain('This link does not work any more');
      expect(text).not.toContain('Reply');
    }
    await test.http().get(PAGE).expect(403);
    await test
      .http()
      .get(`${PAGE}?token=${own.issue('checkpoint analytics', claims, soon)}`)
      .expect(200);
  });
});

describe('metrics', () => {
  it('tell of requests by route, of the pool and of checkpoints, and of no organization', async () => {
    await test.http().get('/api/executions/01900000-0000-7000-8000-000000000000').set(ann.auth).expect(404);
    await test.http().get('/api/nowhere/at-all').expect(404);
    const { text, headers } = await test.http().get('/metrics').expect(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    for (const line of [
      /^holdpoint_http_request_duration_seconds_count\{method="GET",route="\/api\/executions\/:id",status="404"\} 1$/m,
      /^holdpoint_http_request_duration_seconds_count\{method="GET",route="none",status="404"\} 1$/m,
      /^holdpoint_database_pool_size 16$/m,
      /^holdpoint_database_pool_connections [1-9]/m,
      /^holdpoint_checkpoints_decided_total\{action="custom"\} 0$/m,
      /^process_cpu_seconds_total \d/m,
      /^nodejs_eventloop_lag_p99_seconds \d/m,
    ]) {
      expect(text).toMatch(line);
    }
    expect(text).not.toContain(ann.organization.id);
    expect(text).not.toMatch(/nowhere|00000000/);
  });

  it('want the token where one is set, also of a process that only works', async () => {
    const METRICS_TOKEN = 'a token that prometheus sends';
    const guarded = await startTestApp({ METRICS_TOKEN, HOLDPOINT_ROLES: 'worker' }, test.database);
    try {
      const read = (authorization: string) => guarded.http().get('/metrics').set('Authorization', authorization);
      for (const wrong of ['', 'Bearer', 'Bearer x', METRICS_TOKEN, `Basic ${METRICS_TOKEN}`, ann.auth.Authorization]) {
        expect((await read(wrong).expect(401)).body).toMatchObject({ code: 'UNAUTHENTICATED' });
      }
      await read(`Bearer ${METRICS_TOKEN}`).expect(200);
    } finally {
      await guarded.close();
    }
  });

  it('are not told in production without a token', async () => {
    const settings: Settings = test.app.get(Settings);
    const production = {
      NODE_ENV: 'production',
      SECRET_KEY: 'kGv3mXq8Zt1LrP5wYb7NcJd2HfSa9UeT4oQi6W',
      JWT_PRIVATE_KEY: settings.JWT_PRIVATE_KEY,
    };
    const closed = await startTestApp(production, test.database);
    try {
      expect((await closed.http().get('/metrics').expect(404)).body).toMatchObject({ code: 'ROUTE_NOT_FOUND' });
    } finally {
      await closed.close();
    }
  });
});
