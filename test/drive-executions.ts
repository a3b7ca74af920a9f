import type { TestApp, TestPerson } from './start-test-app.js';
import { waitFor } from './wait-for.js';

export interface Failure {
  code: string;
  message: string;
  node_id?: string;
  iteration?: number;
  handled?: boolean;
  details?: Record<string, unknown>;
}

export interface Step {
  node_id: string;
  iteration: number;
  attempt: number;
  status: string;
  input: unknown;
  output: unknown;
  error: Failure | null;
  started_at: string;
  ended_at: string | null;
}

export interface Execution {
  id: string;
  workflow_id: string;
  version: number;
  status: string;
  priority: string;
  output: unknown;
  error: Failure | null;
  item_index: number | null;
  parent_id: string | null;
  forked_from: string | null;
  steps: Step[];
  paused_at: string | null;
  started_at: string | null;
  ended_at: string | null;
}

export interface Event {
  seq: number;
  type: string;
  node_id: string | null;
  data: Record<string, unknown> | null;
}

export type Driver = ReturnType<typeof driveExecutions>;

/** What one person does with executions, through the API. */
export function driveExecutions(test: TestApp, person: Pick<TestPerson, 'auth'>) {
  const get = async (path: string) => (await test.http().get(path).set(person.auth).expect(200)).body;
  const post = (path: string, body: object = {}) => test.http().post(path).set(person.auth).send(body);

  const createWorkflow = async (nodes: object[], edges: object[] = []): Promise<string> =>
    (await post('/api/workflows', { name: 'Test', definition: { nodes, edges } }).expect(201)).body.id;

  const changeFields = async (id: string, fields: object): Promise<void> => {
    const { headers } = await test.http().get(`/api/workflows/${id}`).set(person.auth).expect(200);
    const patch = test.http().patch(`/api/workflows/${id}`).set(person.auth);
    await patch
      .set('If-Match', headers['etag'] as string)
      .send(fields)
      .expect(200);
  };

  /** Makes another definition its next version. */
  const changeWorkflow = (id: string, definition: object) => changeFields(id, { definition });

  const startWorkflow = async (workflow_id: string, given: object = {}): Promise<string> =>
    (await post('/api/executions', { workflow_id, ...given }).expect(202)).body.id;

  const start = async (nodes: object[], edges: object[] = [], input: unknown = null): Promise<string> =>
    startWorkflow(await createWorkflow(nodes, edges), { input });

  const read = (id: string): Promise<Execution> => get(`/api/executions/${id}`);

  const until = (id: string, what: string, holds: (execution: Execution) => boolean) =>
    waitFor(what, () => read(id), holds);

  const ended = (id: string) => until(id, 'the end', ({ ended_at }) => ended_at !== null);

  const status = (id: string, wanted: string) => until(id, wanted, (execution) => execution.status === wanted);

  /** Waits until the step is there and stands so. */
  const step = async (id: string, node: string, wanted: string, iteration = 1): Promise<Step> => {
    const isIt = (one: Step) => one.node_id === node && one.iteration === iteration && one.status === wanted;
    const { steps } = await until(id, `${node} to be ${wanted}`, (execution) => execution.steps.some(isIt));
    return steps.find(isIt)!;
  };

  const list = async (query: string): Promise<Execution[]> => (await get(`/api/executions?${query}`)).data;

  const events = async (id: string): Promise<Event[]> => (await get(`/api/executions/${id}/events?limit=500`)).data;

  const checkpoints = async (id: string): Promise<{ id: string; node_id: string; status: string }[]> =>
    (await get(`/api/checkpoints?execution_id=${id}`)).data;

  /** Of the first open checkpoint, at the node if one is named. */
  const decide = async (id: string, decision: object, node?: string): Promise<void> => {
    const isOpen = (one: { node_id: string; status: string }) =>
      one.status === 'open' && (node === undefined || one.node_id === node);
    const all = await waitFor(
      'a checkpoint',
      () => checkpoints(id),
      (found) => found.some(isOpen),
    );
    const { id: checkpoint } = all.find(isOpen)!;
    await post(`/api/checkpoints/${checkpoint}/decide`, decision).set('If-Match', '"1"').expect(200);
  };

  const signal = (id: string, name: string, payload: unknown = null) =>
    post(`/api/executions/${id}/signals`, { name, payload }).expect(202);

  const signalByKey = (name: string, correlation_key: string, payload: unknown = null) =>
    post('/api/signals', { name, correlation_key, payload }).expect(202);

  return {
    get,
    post,
    createWorkflow,
    changeFields,
    changeWorkflow,
    startWorkflow,
    start,
    read,
    until,
    ended,
    status,
    step,
    list,
    events,
    checkpoints,
    decide,
    signal,
    signalByKey,
  };
}

/** Statuses by node; of a node with several iterations the last one. */
export const statusesOf = ({ steps }: Pick<Execution, 'steps'>) =>
  Object.fromEntries(steps.map(({ node_id, status }) => [node_id, status]));
