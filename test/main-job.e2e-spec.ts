import { edge, node } from './definitions.js';
import { startTestApp, type TestApp, type TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

const SUPPORT_REPLY = {
  nodes: [
    node('draft', 'code', {
      input: { message: '{{ input.message }}', customer: '{{ input.customer }}' },
      code: [
        'import numpy as np',
        'words = len(input["message"].split())',
        'print("drafting", words, "words")',
        'output = {"subject": "Re: your message", "body": f"Dear {input[\'customer\']}, we are on it.", "mean": float(np.mean([1, 2, 3]))}',
      ].join('\n'),
    }),
    node('review', 'checkpoint', {
      title: 'Reply to {{ input.customer }}',
      content: '{{ steps.draft.output }}',
      schema: { type: 'object', required: ['body'], properties: { body: { type: 'string', minLength: 1 } } },
    }),
    node('format', 'code', {
      input: '{{ steps.review.output.content }}',
      code: 'output = input["subject"] + "\\n\\n" + input["body"].upper()',
    }),
    node('done', 'end', { output: '{{ steps.format.output }}' }),
  ],
  edges: [edge('draft', 'review'), edge('review', 'format', 'approved'), edge('format', 'done')],
};

describe('the main job', () => {
  let test: TestApp;
  let ann: TestPerson;

  beforeAll(async () => {
    test = await startTestApp();
    ann = await test.register();
  });
  afterAll(() => test.close());

  async function start(definition: object, input: unknown) {
    const workflow = await test
      .http()
      .post('/api/workflows')
      .set(ann.auth)
      .send({ name: 'Reply', definition })
      .expect(201);
    const answer = await test
      .http()
      .post('/api/executions')
      .set(ann.auth)
      .send({ workflow_id: workflow.body.id, input })
      .expect(202);
    return answer.body.id as string;
  }

  const read = async (id: string) => (await test.http().get(`/api/executions/${id}`).set(ann.auth).expect(200)).body;

  const openCheckpoint = async (executionId: string) => {
    const url = `/api/checkpoints?status=open&execution_id=${executionId}`;
    const list = await waitFor(
      'a checkpoint',
      async () => (await test.http().get(url).set(ann.auth).expect(200)).body.data,
      (data) => data.length === 1,
    );
    return test.http().get(`/api/checkpoints/${list[0].id}`).set(ann.auth).expect(200);
  };

  it('drafts in the sandbox, stops for a person, takes the edit and goes on to the end', async () => {
    const id = await start(SUPPORT_REPLY, { customer: 'Bo', message: 'Where is my parcel?' });
    const checkpoint = await openCheckpoint(id);
    expect(checkpoint.body).toMatchObject({
      title: 'Reply to Bo',
      status: 'open',
      content: { subject: 'Re: your message', mean: 2 },
    });
    const content = { ...checkpoint.body.content, body: 'Dear Bo, it is on its way.' };
    const decided = await test
      .http()
      .post(`/api/checkpoints/${checkpoint.body.id}/decide`)
      .set(ann.auth)
      .set('If-Match', checkpoint.headers['etag'] as string)
      .send({ action: 'edit', content })
      .expect(200);
    expect(decided.body.decision.patch).toEqual([{ op: 'replace', path: '/body', value: content.body }]);
    const ended = await waitFor(
      'the end',
      () => read(id),
      (execution) => execution.ended_at !== null,
    );
    expect(ended).toMatchObject({ status: 'completed', output: 'Re: your message\n\nDEAR BO, IT IS ON ITS WAY.' });
    expect(ended.steps.map((step: { node_id: string; attempt: number }) => [step.node_id, step.attempt])).toEqual([
      ['draft', 1],
      ['review', 1],
      ['format', 1],
      ['done', 1],
    ]);
    const audit = await test.http().get('/api/audit/verify').set(ann.auth).expect(200);
    expect(audit.body).toMatchObject({ intact: true, broken_at: null });
  });
});
