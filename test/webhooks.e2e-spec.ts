import { Webhook } from 'standardwebhooks';
import type { Notice } from '../src/notifications/notices.events.js';
import { NotificationsService } from '../src/notifications/notifications.service.js';
import { WebhookSendingService } from '../src/notifications/webhook-sending.service.js';
import { Transactions } from '../src/platform/database/transactions.js';
import { answerJson, CALL_LOOPBACK, type LoopbackServer, startLoopbackServer } from './loopback-server.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

interface Endpoint {
  id: string;
  secret: string;
  path: string;
}

let test: TestApp;
let far: LoopbackServer;
let ann: TestPerson;

beforeAll(async () => {
  far = await startLoopbackServer();
  test = await startTestApp(CALL_LOOPBACK);
});
beforeEach(async () => {
  ann = await test.register('Ann');
});
afterAll(async () => {
  await test.close();
  await far.close();
});

const ENDPOINTS = '/api/webhooks/endpoints';
const post = (path: string, body: object = {}) => test.http().post(path).set(ann.auth).send(body);
const get = (path: string) => test.http().get(path).set(ann.auth);
const patch = (id: string, body: object) => test.http().patch(`${ENDPOINTS}/${id}`).set(ann.auth).send(body);

let paths = 0;

/** Each has a path of its own on the far side. */
async function makeEndpoint(events = ['*'], path = `/hooks/${++paths}`): Promise<Endpoint> {
  const { body } = await post(ENDPOINTS, { url: far.url + path, events }).expect(201);
  return { ...body, path };
}

const received = (path: string) => far.received.filter((request) => request.path === path);

const receivedAfter = (path: string, count: number) =>
  waitFor(
    `${count} requests to ${path}`,
    () => Promise.resolve(received(path)),
    (requests) => requests.length >= count,
  );

interface AttemptView {
  webhook_id: string;
  attempt: number;
  status: string;
  http_status: number | null;
  error: string | null;
  next_attempt_at: string | null;
}

const attempts = async (id: string): Promise<AttemptView[]> =>
  (await get(`${ENDPOINTS}/${id}/deliveries`).expect(200)).body.data;

const attemptsAfter = (id: string, count: number) =>
  waitFor(
    `${count} attempts`,
    () => attempts(id),
    (rows) => rows.length >= count,
  );

function notify(given: Partial<Notice> = {}): Promise<void> {
  const notice: Notice = {
    organization_id: ann.organization.id,
    type: 'checkpoint.opened',
    subject: { type: 'checkpoint', id: '01900000-0000-7000-8000-000000000000' },
    recipients: null,
    title: 'Reply to Bo?',
    text: 'Somebody has to look at it.',
    data: {},
    ...given,
  };
  return test.app.get(Transactions).run((tx) => test.app.get(NotificationsService).notify(tx, notice));
}

/** What waits for its moment is due now; the attempt that is made of it counts as `attempt`. */
const hasten = (endpoint: Endpoint, attempt?: number) =>
  waitFor(
    'the next attempt',
    () =>
      test.database.query(
        `update pgboss.job set start_after = now(), data = case when $2::int is null then data else jsonb_set(data, '{attempt}', to_jsonb($2::int)) end
         where name = 'webhooks' and state = 'created' and data->>'endpoint_id' = $1 returning id`,
        [endpoint.id, attempt ?? null],
      ),
    (rows) => rows.length > 0,
  );

const auditOf = async (id: string): Promise<string[]> => {
  const { body } = await get(`/api/audit?subject_id=${id}`).expect(200);
  return body.data.map(({ action }: { action: string }) => action).toReversed();
};

describe('an endpoint', () => {
  it('shows its secret when it is made and when it is rotated, and never else', async () => {
    const made = await post(ENDPOINTS, { url: `${far.url}/shy`, description: 'Ours' }).expect(201);
    const { id, secret } = made.body;
    expect(made.headers['location']).toBe(`${ENDPOINTS}/${id}`);
    expect(made.body).toMatchObject({ description: 'Ours', events: ['*'], active: true, disabled_reason: null });
    expect(secret).toMatch(/^whsec_[\w+/]{43}=$/);
    const rotated = (await post(`${ENDPOINTS}/${id}/rotate-secret`).expect(200)).body;
    expect(rotated.secret).toMatch(/^whsec_/);
    expect(rotated.secret).not.toBe(secret);
    const day = Date.parse(rotated.previous_secret_until) - Date.now();
    expect(Math.round(day / 3_600_000)).toBe(24);
    const others = [get(ENDPOINTS), get(`${ENDPOINTS}/${id}`), patch(id, { active: false })];
    for (const { text } of await Promise.all(others)) expect(text).not.toMatch(/whsec_|"secret"/);
    const [row] = await test.database.query('select secret, previous_secret from webhook_endpoints where id = $1', [
      id,
    ]);
    expect(JSON.stringify(row)).not.toContain(secret.slice(6, 30));
    expect(JSON.stringify(row)).not.toContain(rotated.secret.slice(6, 30));
  });

  it('is changed and deleted, all of it on record', async () => {
    const { id } = await makeEndpoint();
    const changed = await patch(id, { events: ['execution.*'], description: 'New' }).expect(200);
    expect(changed.body).toMatchObject({ id, events: ['execution.*'], description: 'New', active: true });
    expect((await get(ENDPOINTS).expect(200)).body.data.map((endpoint: Endpoint) => endpoint.id)).toEqual([id]);
    await post(`${ENDPOINTS}/${id}/rotate-secret`).expect(200);
    await test.http().delete(`${ENDPOINTS}/${id}`).set(ann.auth).expect(204);
    await get(`${ENDPOINTS}/${id}`).expect(404);
    const verbs = ['created', 'updated', 'secret_rotated', 'deleted'];
    expect(await auditOf(id)).toEqual(verbs.map((verb) => `webhook_endpoint.${verb}`));
  });

  it.each([
    [{ url: 'ftp://example.com/' }, '/url'],
    [{ url: 'https://user:secret@example.com/' }, '/url'],
    [{ url: 'https://example.com/', events: [] }, '/events'],
    [{ url: 'https://example.com/', events: ['Check Point'] }, '/events/0'],
    [{ url: 'https://example.com/', events: ['*.opened'] }, '/events/0'],
  ])('as in %j is refused', async (body, pointer) => {
    const { body: problem } = await post(ENDPOINTS, body).expect(422);
    expect(problem.errors[0].pointer).toBe(pointer);
  });

  it('is one of at most twenty', async () => {
    for (let i = 0; i < 20; i++) await makeEndpoint();
    const { body } = await post(ENDPOINTS, { url: far.url }).expect(409);
    expect(body.code).toBe('TOO_MANY_WEBHOOK_ENDPOINTS');
  });

  it('is tested by an event of its own, unless it is off', async () => {
    const endpoint = await makeEndpoint(['nothing.else']);
    const { body } = await post(`${ENDPOINTS}/${endpoint.id}/test`).expect(202);
    const [request] = await receivedAfter(endpoint.path, 1);
    expect(request?.headers['webhook-id']).toBe(body.webhook_id);
    expect(JSON.parse(request?.body ?? '')).toMatchObject({ type: 'webhook.test', data: {} });
    await patch(endpoint.id, { active: false }).expect(200);
    const refused = await post(`${ENDPOINTS}/${endpoint.id}/test`).expect(409);
    expect(refused.body.code).toBe('WEBHOOK_ENDPOINT_INACTIVE');
  });
});

describe('an event', () => {
  it('arrives as Standard Webhooks says, with the data as they were given', async () => {
    const endpoint = await makeEndpoint();
    const data = { zebra: 1, ant: [{ longer: 'Grüße', a: 1.5 }], 'x y': null };
    await notify({ data });
    const [request] = await receivedAfter(endpoint.path, 1);
    const { headers, body } = request ?? { headers: {}, body: '' };
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': expect.stringMatching(/^msg_[\da-f-]{36}$/),
      'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
      'webhook-signature': expect.stringMatching(/^v1,\S{44}$/),
    });
    const event = new Webhook(endpoint.secret).verify(body, headers as Record<string, string>);
    expect(event).toEqual({
      type: 'checkpoint.opened',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      organization_id: ann.organization.id,
      subject: { type: 'checkpoint', id: '01900000-0000-7000-8000-000000000000' },
      data,
    });
    expect(body).toContain(JSON.stringify(data));
    const [attempt] = await attemptsAfter(endpoint.id, 1);
    expect(attempt).toMatchObject({ status: 'succeeded', http_status: 200, attempt: 1, next_attempt_at: null });
  });

  it('goes to who asked for it, in this organization', async () => {
    const [all, group, exact, other] = [
      await makeEndpoint(['*']),
      await makeEndpoint(['checkpoint.*']),
      await makeEndpoint(['checkpoint.opened', 'x.y']),
      await makeEndpoint(['checkpoint.closed', 'execution.*']),
    ];
    const off = await makeEndpoint();
    await patch(off.id, { active: false }).expect(200);
    const here = ann;
    ann = await test.register('Eve');
    const foreign = await makeEndpoint();
    ann = here;
    await notify();
    await notify({ type: 'execution.failed' });
    await receivedAfter(all.path, 2);
    await receivedAfter(other.path, 1);
    await receivedAfter(group.path, 1);
    await receivedAfter(exact.path, 1);
    const counts = [all, group, exact, other, off, foreign].map(({ path }) => received(path).length);
    expect(counts).toEqual([2, 1, 1, 1, 0, 0]);
  });

  it('is signed with both secrets while they are changed', async () => {
    const endpoint = await makeEndpoint();
    const { body } = await post(`${ENDPOINTS}/${endpoint.id}/rotate-secret`).expect(200);
    await notify();
    const [request] = await receivedAfter(endpoint.path, 1);
    for (const secret of [endpoint.secret, body.secret as string]) {
      new Webhook(secret).verify(request?.body ?? '', request?.headers as Record<string, string>);
    }
    await test.database.query('update webhook_endpoints set previous_secret_until = now() where id = $1', [
      endpoint.id,
    ]);
    await notify();
    const [, later] = await receivedAfter(endpoint.path, 2);
    expect(later?.headers['webhook-signature']).toMatch(/^v1,\S{44}$/);
    new Webhook(body.secret as string).verify(later?.body ?? '', later?.headers as Record<string, string>);
  });

  it('that was not taken is sent again after five seconds, as the same', async () => {
    const endpoint = await makeEndpoint();
    let calls = 0;
    far.on(endpoint.path, (_, response) => answerJson(response, ++calls === 1 ? 503 : 204, null));
    await notify();
    const [first] = await attemptsAfter(endpoint.id, 1);
    expect(first).toMatchObject({ status: 'failed', http_status: 503, error: 'It answered 503.' });
    const wait = Date.parse(first?.next_attempt_at ?? '') - Date.now();
    expect(wait).toBeGreaterThan(3_000);
    expect(wait).toBeLessThan(5_500);
    await hasten(endpoint);
    const [second] = await attemptsAfter(endpoint.id, 2);
    expect(second).toMatchObject({ attempt: 2, status: 'succeeded', webhook_id: first?.webhook_id });
    const [before, after] = received(endpoint.path);
    expect(after?.body).toBe(before?.body);
    expect(after?.headers['webhook-id']).toBe(before?.headers['webhook-id']);
    new Webhook(endpoint.secret).verify(after?.body ?? '', after?.headers as Record<string, string>);
  });

  it('is not carried along by a redirect', async () => {
    const endpoint = await makeEndpoint();
    far.on(endpoint.path, (_, response) => response.writeHead(302, { location: `${far.url}/elsewhere` }).end());
    await notify();
    const [attempt] = await attemptsAfter(endpoint.id, 1);
    expect(attempt).toMatchObject({ status: 'failed', http_status: 302 });
    expect(received('/elsewhere')).toEqual([]);
  });

  it('answered 410 is the last that the endpoint gets', async () => {
    const endpoint = await makeEndpoint();
    far.on(endpoint.path, (_, response) => answerJson(response, 410, null));
    await notify();
    const off = await waitFor(
      'the endpoint to be off',
      async () => (await get(`${ENDPOINTS}/${endpoint.id}`)).body,
      ({ active }) => active === false,
    );
    expect(off.disabled_reason).toBe('It answered 410 Gone.');
    expect((await attempts(endpoint.id))[0]).toMatchObject({ http_status: 410, next_attempt_at: null });
    expect(await auditOf(endpoint.id)).toEqual(['webhook_endpoint.created', 'webhook_endpoint.disabled']);
    await patch(endpoint.id, { active: true }).expect(200);
    expect((await get(`${ENDPOINTS}/${endpoint.id}`)).body.disabled_reason).toBeNull();
  });

  it('that failed ten times switches off an endpoint that took nothing since', async () => {
    const endpoint = await makeEndpoint();
    far.on(endpoint.path, (_, response) => answerJson(response, 500, null));
    await notify();
    await attemptsAfter(endpoint.id, 1);
    await hasten(endpoint, 10);
    const [last] = await attemptsAfter(endpoint.id, 2);
    expect(last).toMatchObject({ attempt: 10, status: 'failed', next_attempt_at: null });
    expect((await get(`${ENDPOINTS}/${endpoint.id}`)).body).toMatchObject({
      active: false,
      disabled_reason: 'It took nothing for three days, in ten attempts to deliver one event.',
    });
    expect(await auditOf(endpoint.id)).toContain('webhook_endpoint.disabled');
  });

  it('that failed ten times leaves an endpoint alone that took others', async () => {
    const endpoint = await makeEndpoint();
    far.on(endpoint.path, ({ body }, response) => answerJson(response, body.includes('bad') ? 500 : 200, null));
    await notify({ data: 'bad' });
    await attemptsAfter(endpoint.id, 1);
    await notify({ data: 'good' });
    await attemptsAfter(endpoint.id, 2);
    await hasten(endpoint, 10);
    await attemptsAfter(endpoint.id, 3);
    expect((await get(`${ENDPOINTS}/${endpoint.id}`)).body.active).toBe(true);
  });

  it('for an endpoint that is deleted meanwhile is not sent again', async () => {
    const endpoint = await makeEndpoint();
    far.on(endpoint.path, (_, response) => answerJson(response, 500, null));
    await notify();
    await attemptsAfter(endpoint.id, 1);
    await test.http().delete(`${ENDPOINTS}/${endpoint.id}`).set(ann.auth).expect(204);
    await hasten(endpoint);
    await waitFor(
      'the job to end',
      () =>
        test.database.query(`select 1 from pgboss.job where data->>'endpoint_id' = $1 and state <> 'completed'`, [
          endpoint.id,
        ]),
      (rows) => rows.length === 0,
    );
    expect(received(endpoint.path)).toHaveLength(1);
  });

  it('that was recorded is not sent again when its job runs a second time', async () => {
    const endpoint = await makeEndpoint();
    await notify();
    await attemptsAfter(endpoint.id, 1);
    await waitFor(
      'the job to run again',
      () =>
        test.database.query(
          `update pgboss.job set state = 'retry', start_after = now(), completed_on = null
           where data->>'endpoint_id' = $1 and state = 'completed' returning id`,
          [endpoint.id],
        ),
      (rows) => rows.length > 0,
    );
    await waitFor(
      'the job to end',
      () =>
        test.database.query(`select 1 from pgboss.job where data->>'endpoint_id' = $1 and state <> 'completed'`, [
          endpoint.id,
        ]),
      (rows) => rows.length === 0,
    );
    expect(received(endpoint.path)).toHaveLength(1);
  });
});

describe('attempts', () => {
  it('are kept for thirty days', async () => {
    const endpoint = await makeEndpoint();
    await notify();
    await notify();
    await attemptsAfter(endpoint.id, 2);
    await test.database.query(
      `update webhook_deliveries set at = now() - interval '31 days'
       where id = (select min(id::text)::uuid from webhook_deliveries where endpoint_id = $1)`,
      [endpoint.id],
    );
    expect(await test.app.get(WebhookSendingService).deleteOld()).toBe(1);
    expect(await attempts(endpoint.id)).toHaveLength(1);
  });

  it('at an address that is not public are refused before anything is opened', async () => {
    const closed = await startTestApp();
    const bob = await closed.register('Bob');
    const opened = far.connections();
    const send = (path: string, body: object = {}) => closed.http().post(path).set(bob.auth).send(body);
    const { body } = await send(ENDPOINTS, { url: `${far.url}/private` }).expect(201);
    await send(`${ENDPOINTS}/${body.id}/test`).expect(202);
    const rows = await waitFor(
      'the attempt',
      async () => (await closed.http().get(`${ENDPOINTS}/${body.id}/deliveries`).set(bob.auth)).body.data,
      (data: AttemptView[]) => data.length > 0,
    );
    expect(rows[0]).toMatchObject({ status: 'failed', http_status: null });
    expect(rows[0]?.error).toContain('OUTBOUND_ALLOW');
    expect(far.connections()).toBe(opened);
    await closed.close();
  });
});
