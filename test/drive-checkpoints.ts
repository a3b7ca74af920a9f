import { FIRST_HASH, hashEvent } from '../src/checkpoints/hash-event.js';
import type { CheckpointEvent } from '../src/checkpoints/checkpoint-event.entity.js';
import { type Driver, driveExecutions, type Execution } from './drive-executions.js';
import { edge, node } from './definitions.js';
import type { TestApp, TestPerson } from './start-test-app.js';
import type { TestDatabase } from './test-database.js';
import { waitFor } from './wait-for.js';

export interface Person {
  auth: { Authorization: string };
}

/** One that waits: its execution, itself, and the entity tag it was read with. */
export interface Parked {
  execution_id: string;
  id: string;
  node_id: string;
  iteration: number;
  tag: string;
}

export interface EarlyView {
  id: string;
  status: string;
  refusal: string | null;
  checkpoint_id: string | null;
}

export interface Answer {
  status: number;
  body: { code?: string };
}

export const APPROVE = { action: 'approve' };
export const REJECT = { action: 'reject', comment: 'No' };
export const edited = (content: unknown) => ({ action: 'edit', content });

export const brief = ({ status, body }: Answer) => (body.code === undefined ? [status] : [status, body.code]);

/** in ─► review ─► an end for each handle, which tells all that the review came to. */
export function reviewFlow(policy: object = {}, handles: readonly string[] = ['approved', 'rejected']) {
  const checkpoint = node('review', 'checkpoint', { title: 'So?', content: '{{ input }}', ...policy });
  const ends = handles.map((handle) => node(`by_${handle}`, 'end', { output: '{{ steps.review.output }}' }));
  return { nodes: [checkpoint, ...ends], edges: handles.map((handle) => edge('review', `by_${handle}`, handle)) };
}

export type CheckpointDriver = ReturnType<typeof driveCheckpoints>;

/** What people do with checkpoints of executions that the owner starts, through the API. */
export function driveCheckpoints(test: TestApp, owner: TestPerson) {
  const executions: Driver = driveExecutions(test, owner);
  const get = (path: string, who: Person = owner) => test.http().get(path).set(who.auth);
  const post = (path: string, who: Person, body: object = {}) => test.http().post(path).set(who.auth).send(body);

  /** Waits until just so many are open. */
  const open = async (execution_id: string, count = 1): Promise<Parked[]> => {
    const { body } = await waitFor(
      `${count} open checkpoints`,
      () => get(`/api/checkpoints?status=open&execution_id=${execution_id}`),
      (answer) => answer.body.data.length === count,
    );
    return (body.data as (Omit<Parked, 'tag'> & { revision: number })[]).map(toParked);
  };

  /** The one that is open at the node. */
  const openAt = async (execution_id: string, node_id: string): Promise<Parked> => {
    const { body } = await waitFor(
      `${node_id} to open`,
      () => get(`/api/checkpoints?status=open&execution_id=${execution_id}&node_id=${node_id}`),
      (answer) => answer.body.data.length === 1,
    );
    return toParked(body.data[0]);
  };

  const start = ({ nodes, edges }: { nodes: object[]; edges: object[] }, input: unknown = { text: 'shown' }) =>
    executions.start(nodes, edges, input);

  /** An execution of the owner's that waits at a review with this policy. */
  const park = async (policy: object = {}, handles?: readonly string[], input?: unknown): Promise<Parked> =>
    openAt(await start(reviewFlow(policy, handles), input), 'review');

  const decide = ({ id, tag }: Pick<Parked, 'id' | 'tag'>, who: Person, body: object = APPROVE) =>
    post(`/api/checkpoints/${id}/decide`, who, body).set('If-Match', tag);

  const read = async ({ id }: { id: string }, who: Person = owner) =>
    (await get(`/api/checkpoints/${id}`, who).expect(200)).body;

  /** As it is now. */
  const again = async (parked: Parked): Promise<Parked> => toParked(await read(parked));

  /** Does something with it: claim, release, reassign … */
  const act = ({ id }: { id: string }, what: string, who: Person, body: object = {}) =>
    post(`/api/checkpoints/${id}/${what}`, who, body);

  /** The page of a link that somebody makes for themselves, and what its form sends. */
  const link = async (parked: Parked, who: Person & { id: string }) => {
    const { body } = await act(parked, 'links', who, { user_id: who.id }).expect(201);
    const form = { action: 'approve', revision: (await read(parked)).revision };
    return { show: () => test.http().get(body.url), decide: () => test.http().post(body.url).type('form').send(form) };
  };

  /** The early decisions on an execution, when the first of them has become that. */
  const untilEarly = async (execution_id: string, status: string): Promise<EarlyView[]> => {
    const { body } = await waitFor(
      `an early decision to be ${status}`,
      () => get(`/api/early-decisions?execution_id=${execution_id}`),
      (answer) => answer.body.data[0]?.status === status,
    );
    return body.data;
  };

  const ended = ({ execution_id }: Pick<Parked, 'execution_id'>): Promise<Execution> => executions.ended(execution_id);

  return {
    ...executions,
    get,
    post,
    open,
    openAt,
    start,
    park,
    decide,
    read,
    again,
    act,
    link,
    untilEarly,
    ended,
    events: ({ id }: { id: string }) => eventsOf(test.database, id),
  };
}

function toParked({ revision, ...checkpoint }: Omit<Parked, 'tag'> & { revision: number }): Parked {
  const { execution_id, id, node_id, iteration } = checkpoint;
  return { execution_id, id, node_id, iteration, tag: `"${revision}"` };
}

type ChainEnd = Parameters<typeof breaksIn>[1];

/** The history of a checkpoint, of which the chain was verified. */
export async function eventsOf(database: TestDatabase, checkpointId: string): Promise<CheckpointEvent[]> {
  // One statement: the end of the chain is that of the same moment.
  const rows = await database.query<CheckpointEvent & ChainEnd>(
    `select e.*, c.history_length, c.history_hash from checkpoints c join checkpoint_events e on e.checkpoint_id = c.id
     where c.id = $1 order by e.seq`,
    [checkpointId],
  );
  const { history_length, history_hash } = rows[0] ?? { history_length: 0, history_hash: FIRST_HASH };
  const events = rows.map(({ history_length: _length, history_hash: _hash, ...event }) => event);
  const broken = breaksIn(events, { history_length, history_hash });
  if (broken.length > 0) throw new Error(`checkpoint ${checkpointId}: ${broken.join(', ')}`);
  return events;
}

/** What is wrong with the chain, as sentences. */
export function breaksIn(
  events: readonly CheckpointEvent[],
  end: { history_length: number; history_hash: string },
): string[] {
  const found: string[] = [];
  let before = FIRST_HASH;
  for (const [i, event] of events.entries()) {
    if (event.seq !== i + 1) found.push(`event ${event.seq} is at place ${i + 1}`);
    if (event.previous_hash !== before) found.push(`event ${event.seq} does not follow the one before`);
    if (event.hash !== hashEvent(event)) found.push(`event ${event.seq} has another hash than its content`);
    before = event.hash;
  }
  if (end.history_length !== events.length) found.push(`${end.history_length} events are said to be there`);
  if (end.history_hash !== before) found.push('the chain ends with another hash');
  return found;
}

/** Lets time pass: its due moment, and all that the clock has to do until then, is now. Nobody looks unless `wakes`. */
export async function becomeDue(database: TestDatabase, ids: readonly string[], wakes: boolean): Promise<void> {
  await database.query(
    `update checkpoints c set due_at = t.now, next_at = case when $2 then t.now end,
       schedule = (select json_agg(s || jsonb_build_object('at', to_char(t.now at time zone 'utc', $3)))
                   from jsonb_array_elements(c.schedule::jsonb) s)
     from (select date_trunc('milliseconds', clock_timestamp()) as now) t where c.id = any($1)`,
    [ids, wakes, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'],
  );
}
