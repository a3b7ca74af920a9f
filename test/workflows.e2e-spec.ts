import pg from 'pg';
import { edge, node, reviewDefinition } from './definitions.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';

let test: TestApp;
let ann: TestPerson;

beforeAll(async () => {
  // Nothing runs here, so that every query counted below is one of a request.
  test = await startTestApp({ HOLDPOINT_ROLES: 'api' });
  ann = await test.register();
});

afterAll(() => test.close());

interface Problem {
  pointer: string;
  code: string;
  message: string;
}

interface Page {
  data: { id: string; number: number; name: string }[];
  next_cursor: string | null;
}

const create = (fields: object = {}, person = ann) =>
  test
    .http()
    .post('/api/workflows')
    .set(person.auth)
    .send({ name: 'Reply', definition: reviewDefinition(), ...fields });

const created = async (fields: object = {}, person = ann) =>
  (await create(fields, person).expect(201)).body as Workflow;

interface Workflow {
  id: string;
  name: string;
  revision: number;
  current_version: number;
  updated_at: string;
}

const get = (path: string, person = ann) => test.http().get(path).set(person.auth);

const read = async (id: string) => (await get(`/api/workflows/${id}`).expect(200)).body as Workflow;

const update = (id: string, revision: number, changes: object) =>
  test.http().patch(`/api/workflows/${id}`).set(ann.auth).set('If-Match', `"${revision}"`).send(changes);

const deactivate = (id: string, revision: number) =>
  test.http().post(`/api/workflows/${id}/deactivate`).set(ann.auth).set('If-Match', `"${revision}"`);

const start = (workflow_id: string, fields: object = {}) =>
  test
    .http()
    .post('/api/executions')
    .set(ann.auth)
    .send({ workflow_id, input: {}, ...fields });

const numbersOf = async (id: string) =>
  ((await get(`/api/workflows/${id}/versions`).expect(200)).body as Page).data.map(({ number }) => number);

const placesOf = (body: unknown) => (body as { errors: Problem[] }).errors.map(({ pointer, code }) => [pointer, code]);

const summary = ({ status, body }: { status: number; body: unknown }) => ({
  status,
  code: (body as { code?: string }).code,
});

async function everyPage(path: string, limit: number, between: () => Promise<unknown> = () => Promise.resolve()) {
  const pages: Page[] = [];
  let cursor: string | null | undefined;
  do {
    const query = { limit, ...(cursor ? { cursor } : {}) };
    const page = (await get(path).query(query).expect(200)).body as Page;
    pages.push(page);
    cursor = page.next_cursor;
    await between();
  } while (cursor !== null && pages.length < 50);
  return pages;
}

describe('creating a workflow', () => {
  it('answers it as version 1, with where it is and its entity tag', async () => {
    const answer = await create({ description: 'For support' }).expect(201);
    expect(answer.body).toMatchObject({
      name: 'Reply',
      description: 'For support',
      active: true,
      current_version: 1,
      revision: 1,
      created_by: ann.user.id,
      definition: reviewDefinition(),
    });
    expect(answer.headers).toMatchObject({ etag: '"1"', location: `/api/workflows/${answer.body.id}` });
    const again = await get(answer.headers['location'] as string).expect(200);
    expect(again.body).toEqual(answer.body);
    expect(again.headers['etag']).toBe('"1"');
  });

  it('cuts spaces off the name, which then has 1 to 255 characters', async () => {
    expect((await created({ name: ' \t Reply \n' })).name).toBe('Reply');
    expect((await created({ name: 'R' })).name).toBe('R');
    expect((await created({ name: `  ${'x'.repeat(255)}  ` })).name).toHaveLength(255);
    for (const name of ['', '   ', 'x'.repeat(256), 7, null]) {
      const refused = await create({ name }).expect(422);
      expect(placesOf(refused.body)).toEqual([['/name', expect.stringMatching(/^(TOO_SMALL|TOO_BIG|INVALID_TYPE)$/)]]);
    }
  });

  it('without a definition is refused at its place', async () => {
    const refused = await create({ definition: undefined }).expect(422);
    expect(placesOf(refused.body)).toEqual([['/definition', expect.any(String)]]);
  });

  it('with neither nodes nor edges is refused with both problems', async () => {
    const refused = await create({ definition: {} });
    expect(summary(refused)).toEqual({ status: 422, code: 'INVALID_DEFINITION' });
    expect(placesOf(refused.body)).toEqual([
      ['/definition', 'NODES_MISSING'],
      ['/definition', 'EDGES_MISSING'],
    ]);
    expect(refused.body.errors.map(({ message }: Problem) => message)).toEqual([
      expect.stringContaining('"nodes"'),
      expect.stringContaining('"edges"'),
    ]);
  });

  it.each([
    ['null', null],
    ['a list', []],
    ['a text', 'graph'],
  ])('with %s for a definition is refused as no object', async (_, definition) => {
    expect(placesOf((await create({ definition }).expect(422)).body)).toEqual([
      ['/definition', 'DEFINITION_NOT_OBJECT'],
    ]);
  });

  it('is told all problems of a definition at once, in the order of the document, and leaves nothing behind', async () => {
    const before = await everyPage('/api/workflows', 100);
    const refused = await create({ definition: FAULTY }).expect(422);
    expect(placesOf(refused.body)).toEqual(FAULTS.map(([pointer, code]) => [`/definition${pointer}`, code]));
    expect(await everyPage('/api/workflows', 100)).toEqual(before);
  });

  it('is on record', async () => {
    const { id } = await created({ name: 'Recorded' });
    const { body } = await get(`/api/audit?subject_type=workflow&subject_id=${id}`).expect(200);
    expect(body.data).toEqual([
      expect.objectContaining({ action: 'workflow.created', actor_id: ann.user.id, details: { name: 'Recorded' } }),
    ]);
  });
});

const FAULTY = {
  nodes: [
    node('a', 'transform', { output: '{{ input. }}' }),
    node('a', 'transform', { output: '{{ steps.ghost.output }}' }),
    node('b', 'teleport'),
    node('c', 'checkpoint', { title: 'Send?', content: 1, schema: { type: 'string', minLength: -1 }, colour: 'red' }),
  ],
  edges: [edge('a', 'nowhere'), { ...edge('c', 'b', 'maybe'), data: { when: 'input.x >' } }],
};

const FAULTS = [
  ['/nodes/0/data/output', 'EXPRESSION_INVALID'],
  ['/nodes/1/id', 'NODE_ID_DUPLICATE'],
  ['/nodes/1/data/output', 'UNKNOWN_STEP'],
  ['/nodes/2/type', 'NODE_TYPE_UNKNOWN'],
  ['/nodes/3/data/schema/minLength', 'JSON_SCHEMA_INVALID'],
  ['/nodes/3/data/colour', 'UNKNOWN_FIELD'],
  ['/edges/0/target', 'EDGE_TARGET_UNKNOWN'],
  ['/edges/1/data/when', 'EXPRESSION_INVALID'],
] as const;

describe('validating a definition', () => {
  const validate = (definition: unknown) =>
    test.http().post('/api/workflows/validate').set(ann.auth).send({ definition }).expect(200);

  it('says that a good one is good and saves nothing', async () => {
    const before = await everyPage('/api/workflows', 100);
    expect((await validate(reviewDefinition())).body).toEqual({ valid: true, errors: [] });
    expect(await everyPage('/api/workflows', 100)).toEqual(before);
  });

  it('says what is wrong with a bad one, with pointers into the definition', async () => {
    const { body } = await validate(FAULTY);
    expect(body.valid).toBe(false);
    expect(placesOf(body)).toEqual(FAULTS.map(([pointer, code]) => [pointer, code]));
  });
});

describe('a stored definition', () => {
  const drawn = {
    viewport: { zoom: 1.5, y: -3, x: 20 },
    edges: [{ type: 'smoothstep', id: 'e1', target: 'z', source: 'a', animated: true, markerEnd: { type: 'arrow' } }],
    nodes: [
      {
        width: 150,
        type: 'transform',
        selected: false,
        id: 'a',
        position: { y: 2, x: 1 },
        data: { output: { z: 1, a: 2 } },
      },
      { measured: { height: 40 }, id: 'z', type: 'end', data: { label: 'Ünde 🏁' } },
    ],
    zebra: null,
    alpha: [],
  };

  it('comes back byte for byte, its keys in their order and those of React Flow kept', async () => {
    const { id } = await created({ definition: drawn });
    for (const path of [`/api/workflows/${id}`, `/api/workflows/${id}/versions/1`]) {
      expect((await get(path).expect(200)).text).toContain(`"definition":${JSON.stringify(drawn)}`);
    }
    const rows = await test.database.query('select definition::text from workflow_versions where workflow_id = $1', [
      id,
    ]);
    expect(rows).toEqual([{ definition: JSON.stringify(drawn) }]);
  });

  it('whose keys change only their order is another definition', async () => {
    const { id, revision } = await created({ definition: drawn });
    const { edges, nodes, ...rest } = drawn;
    const { body } = await update(id, revision, { definition: { nodes, edges, ...rest } }).expect(200);
    expect(body.current_version).toBe(2);
  });
});

describe('changing a workflow', () => {
  const other = reviewDefinition({ title: 'Really send it?' });

  it('needs If-Match', async () => {
    const { id } = await created();
    for (const request of [
      test.http().patch(`/api/workflows/${id}`).set(ann.auth).send({ name: 'Other' }),
      test.http().post(`/api/workflows/${id}/deactivate`).set(ann.auth),
    ]) {
      expect(summary(await request)).toEqual({ status: 428, code: 'IF_MATCH_REQUIRED' });
    }
    expect(await read(id)).toMatchObject({ name: 'Reply', revision: 1, active: true });
  });

  it('that was read before another change is stale and changes nothing', async () => {
    const { id } = await created();
    await update(id, 1, { name: 'First' }).expect(200);
    const before = await read(id);
    const stale = [
      update(id, 1, { name: 'Second', definition: other }),
      deactivate(id, 1),
      update(id, 3, { name: 'Third' }),
    ];
    for (const answer of await Promise.all(stale)) {
      expect(summary(answer)).toEqual({ status: 412, code: 'STALE_VERSION' });
    }
    expect(await read(id)).toEqual(before);
    expect(await numbersOf(id)).toEqual([1]);
  });

  it.each(['*', 'W/"1"', '1', '"1", "2"', '"x"', '"99999999999999999999"'])(
    'with If-Match %s, which is no tag of ours, is stale',
    async (tag) => {
      const { id } = await created();
      const answer = await test
        .http()
        .patch(`/api/workflows/${id}`)
        .set(ann.auth)
        .set('If-Match', tag)
        .send({ name: 'Other' });
      expect(summary(answer)).toEqual({ status: 412, code: 'STALE_VERSION' });
    },
  );

  it('to another definition makes a new version and leaves the old one as it was', async () => {
    const { id } = await created();
    const changed = await update(id, 1, { definition: other }).expect(200);
    expect(changed.body).toMatchObject({ current_version: 2, revision: 2, definition: other });
    expect(changed.headers['etag']).toBe('"2"');
    const versions = await Promise.all(
      [1, 2].map((number) => get(`/api/workflows/${id}/versions/${number}`).expect(200)),
    );
    expect(versions.map(({ body }) => [body.number, body.definition])).toEqual([
      [1, reviewDefinition()],
      [2, other],
    ]);
    expect(await numbersOf(id)).toEqual([2, 1]);
  });

  it('to the same definition, or in name only, makes no new version', async () => {
    const { id } = await created();
    const same = await update(id, 1, { definition: reviewDefinition() }).expect(200);
    expect(same.body).toMatchObject({ current_version: 1, revision: 2 });
    const named = await update(id, 2, { name: ' Answer ', description: 'New' }).expect(200);
    expect(named.body).toMatchObject({ current_version: 1, revision: 3, name: 'Answer', description: 'New' });
    expect(await numbersOf(id)).toEqual([1]);
  });

  it('to a bad definition is refused with its problems and changes nothing', async () => {
    const workflow = await created();
    const refused = await update(workflow.id, 1, { name: 'Other', definition: { nodes: [] } });
    expect(summary(refused)).toEqual({ status: 422, code: 'INVALID_DEFINITION' });
    expect(await read(workflow.id)).toEqual(workflow);
  });

  it('in nothing is refused', async () => {
    const { id } = await created();
    expect(summary(await update(id, 1, {}))).toEqual({ status: 422, code: 'VALIDATION_FAILED' });
  });

  it('by ten people at once succeeds for exactly one, with one new version', async () => {
    const { id } = await created();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => update(id, 1, { definition: reviewDefinition({ title: `Send ${i}?` }) })),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, ...Array<number>(9).fill(412)]);
    expect(await numbersOf(id)).toEqual([2, 1]);
  });

  it('is on record with what was changed', async () => {
    const { id } = await created();
    await update(id, 1, { definition: other, name: 'Other' }).expect(200);
    await deactivate(id, 2).expect(200);
    const { body } = await get(`/api/audit?subject_id=${id}`).expect(200);
    expect(body.data.map(({ action, details }: Record<string, unknown>) => [action, details])).toEqual([
      ['workflow.deactivated', { changed: ['active'], version: 2 }],
      ['workflow.updated', { changed: ['name', 'definition'], version: 2 }],
      ['workflow.created', { name: 'Reply' }],
    ]);
  });
});

describe('an id', () => {
  it('in capital letters names the same workflow, and what is done by it is on the same record', async () => {
    const { id } = await created();
    expect((await get(`/api/workflows/${id.toUpperCase()}`).expect(200)).body.id).toBe(id);
    await deactivate(id.toUpperCase(), 1).expect(200);
    const { body } = await get(`/api/audit?subject_id=${id}`).expect(200);
    expect(body.data.map(({ action }: { action: string }) => action)).toEqual([
      'workflow.deactivated',
      'workflow.created',
    ]);
  });
});

describe('an inactive workflow', () => {
  it('starts nothing until it is active again', async () => {
    const { id } = await created();
    expect((await deactivate(id, 1).expect(200)).body).toMatchObject({
      active: false,
      revision: 2,
      current_version: 1,
    });
    expect(summary(await start(id))).toEqual({ status: 409, code: 'WORKFLOW_INACTIVE' });
    expect((await get(`/api/workflows/${id}/executions`).expect(200)).body.data).toEqual([]);
    await update(id, 2, { active: true }).expect(200);
    await start(id).expect(202);
  });
});

describe('versions', () => {
  it('are what an execution starts with: the current one, or the one it asks for', async () => {
    const { id } = await created();
    await update(id, 1, { definition: reviewDefinition({ title: 'Two' }) }).expect(200);
    expect((await start(id).expect(202)).body.version).toBe(2);
    expect((await start(id, { version: 1, input: undefined }).expect(202)).body.version).toBe(1);
    expect(summary(await start(id, { version: 3 }))).toEqual({ status: 404, code: 'NOT_FOUND' });
  });

  it('that are not there are not found, and what is no number is refused', async () => {
    const { id } = await created();
    expect(summary(await get(`/api/workflows/${id}/versions/2`))).toEqual({ status: 404, code: 'NOT_FOUND' });
    for (const number of ['0', '-1', '1.5', 'x', '2147483648', '%20']) {
      const refused = await get(`/api/workflows/${id}/versions/${number}`);
      expect({ number, ...summary(refused) }).toEqual({ number, status: 422, code: 'VALIDATION_FAILED' });
    }
  });

  it.each(['workflow_versions', 'audit_records'])(
    'rows of %s cannot be changed, deleted or truncated by direct SQL',
    async (table) => {
      const workflow = await created();
      const count = () => test.database.query(`select count(*)::int from ${table}`);
      const before = await count();
      for (const sql of [
        `update ${table} set ${table === 'audit_records' ? "action = 'x.y'" : "definition = '{}'"}`,
        `delete from ${table}`,
        `truncate ${table} cascade`,
        `truncate ${table === 'audit_records' ? 'organizations' : 'workflows'} cascade`,
      ]) {
        await expect(test.database.query(sql)).rejects.toThrow(`rows of ${table} are never changed or removed`);
      }
      expect(await count()).toEqual(before);
      expect(await read(workflow.id)).toEqual(workflow);
    },
  );
});

describe('lists', () => {
  it('of workflows are complete and newest first, page by page, while others are added', async () => {
    const ben = await test.register('Ben');
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.push((await created({ name: `W${i}` }, ben)).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query = { limit: 3, ...(cursor ? { cursor } : {}) };
      const page: Page = (await get('/api/workflows', ben).query(query).expect(200)).body;
      seen.push(...page.data.map(({ id }) => id));
      cursor = page.next_cursor;
      await created({ name: 'Late' }, ben);
    } while (cursor);
    expect(seen).toEqual(ids.toReversed());
  });

  it('of versions are complete and newest first, and leave the definitions out', async () => {
    const { id } = await created();
    for (let revision = 1; revision <= 4; revision++) {
      await update(id, revision, { definition: reviewDefinition({ title: `Title ${revision}` }) }).expect(200);
    }
    const pages = await everyPage(`/api/workflows/${id}/versions`, 2);
    expect(pages.map(({ data }) => data.map(({ number }) => number))).toEqual([[5, 4], [3, 2], [1]]);
    expect(Object.keys(pages[0]?.data[0] ?? {})).toEqual(['workflow_id', 'number', 'created_by', 'created_at']);
  });

  it('end with a page that says so, also when it is full', async () => {
    const cleo = await test.register('Cleo');
    expect((await get('/api/workflows', cleo).expect(200)).body).toEqual({ data: [], next_cursor: null });
    await created({}, cleo);
    await created({}, cleo);
    const { body } = await get('/api/workflows?limit=2', cleo).expect(200);
    expect(body.data).toHaveLength(2);
    expect(body.next_cursor).toBeNull();
  });

  it('refuse a cursor that was forged or belongs to another list or organization', async () => {
    const dan = await test.register('Dan');
    const { id } = await created();
    await created();
    await update(id, 1, { definition: reviewDefinition({ title: 'Two' }) }).expect(200);
    const cursorOf = async (path: string) =>
      ((await get(`${path}?limit=1`).expect(200)).body as Page).next_cursor ?? '';
    const [ours, ofVersions] = [await cursorOf('/api/workflows'), await cursorOf(`/api/workflows/${id}/versions`)];
    const [, signature = ''] = ours.split('.');
    const elsewhere = Buffer.from('ffffffff-ffff-7fff-bfff-ffffffffffff').toString('base64url');
    const attempts = [
      get('/api/workflows', dan).query({ cursor: ours }),
      get('/api/executions').query({ cursor: ours }),
      get('/api/workflows').query({ cursor: ofVersions }),
      get('/api/workflows').query({ cursor: `${elsewhere}.${signature}` }),
      get('/api/workflows').query({ cursor: id }),
      get('/api/workflows').query({ cursor: '' }),
      get('/api/workflows').query({ cursor: '💥.💥' }),
    ];
    for (const answer of await Promise.all(attempts)) {
      expect(summary(answer)).toEqual({ status: 422, code: 'INVALID_CURSOR' });
      expect(placesOf(answer.body)).toEqual([['/cursor', 'INVALID_CURSOR']]);
    }
    await get('/api/workflows').query({ cursor: ours }).expect(200);
  });

  it.each(['0', '101', '-1', '1.5', 'ten', ''])('refuse a limit of %j', async (limit) => {
    const refused = await get('/api/workflows').query({ limit });
    expect(summary(refused)).toEqual({ status: 422, code: 'VALIDATION_FAILED' });
    expect(placesOf(refused.body)).toEqual([['/limit', expect.any(String)]]);
  });

  it('of the executions of a workflow cost 3 queries, with 1 execution as with 50', async () => {
    const { id } = await created();
    const list = () => get(`/api/workflows/${id}/executions?limit=100`).expect(200);
    await start(id).expect(202);
    const one = await queriesOf(list);
    await Promise.all(Array.from({ length: 49 }, () => start(id).expect(202)));
    const fifty = await queriesOf(list);
    expect([one.result.body.data.length, fifty.result.body.data.length]).toEqual([1, 50]);
    expect(fifty.queries).toEqual(one.queries);
    expect(one.queries).toHaveLength(3);
  });
});

/** The SQL that this process sends to PostgreSQL while `work` runs. */
async function queriesOf<T>(work: () => PromiseLike<T>): Promise<{ result: T; queries: string[] }> {
  const queries: string[] = [];
  const spy = jest.spyOn(pg.Client.prototype, 'query');
  try {
    const result = await work();
    for (const [query] of spy.mock.calls as unknown as [string | { text: string }][]) {
      queries.push(typeof query === 'string' ? query : query.text);
    }
    // The wake-up of a start before is sent after its answer.
    return { result, queries: queries.filter((query) => !query.includes('pg_notify')) };
  } finally {
    spy.mockRestore();
  }
}
