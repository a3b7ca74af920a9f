/**
 * Reads what an engine has left in its tables and says every rule that it breaks. It knows the tables and the README of
 * the executions, and imports nothing of the product: a rule that is wrong there must not be wrong here too.
 *
 * Only syntax that can be erased is used, because `scripts/check-history.mjs` runs this file without compiling it.
 */
import pg from 'pg';

interface History {
  execution: ExecutionRow;
  steps: StepRow[];
  /** By their number. */
  events: EventRow[];
}

interface ExecutionRow {
  id: string;
  status: string;
  wake_at: Date | null;
  epoch: number;
  worker: number | null;
  last_event: number;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
}

interface StepRow {
  node_id: string;
  iteration: number;
  status: string;
  consumed: { edge: string | null; node: string; source: string | null; source_iteration: number }[];
  fired: string[];
  output: unknown;
  error: { handled?: unknown } | null;
  due_at: Date | null;
  ended_at: Date | null;
}

interface EventRow {
  seq: number;
  type: string;
  node_id: string | null;
  iteration: number | null;
}

/** One sentence for each breach, with what it is about. */
type Rule = (history: History) => string[];

const ENDED = ['completed', 'failed', 'cancelled'];
const NEED_A_WORKER = ['queued', 'running', 'compensating'];
const MAY_BE_HELD = ['running', 'compensating'];

/** A moment that a process counted out and the database added up may be off by so much. */
const TOLERANCE_MS = 1_000;

/**
 * What may follow in the story of one step. A step that needs no time is told of only when it has ended; one that was
 * put off for want of capacity goes on without a word. Other kinds of events than these change nothing.
 */
const AFTER: Readonly<Record<string, readonly string[]>> = {
  '': ['started', 'waiting', 'retry_scheduled', 'completed', 'failed', 'cancelled'],
  started: ['waiting', 'retry_scheduled', 'completed', 'failed', 'cancelled'],
  waiting: ['completed', 'failed', 'cancelled'],
  retry_scheduled: ['started', 'completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
};

/** How a step may stand after the last of its events. The end of its execution cancels it without a word. */
const STANDS_AFTER: Readonly<Record<string, readonly string[]>> = {
  '': ['cancelled'],
  started: ['running', 'backing_off', 'cancelled'],
  waiting: ['waiting', 'cancelled'],
  retry_scheduled: ['backing_off', 'running', 'cancelled'],
  completed: ['completed'],
  failed: ['failed'],
  cancelled: ['cancelled'],
};

const RULES: readonly Rule[] = [
  endAgrees,
  claimAgrees,
  wakesAgain,
  eventsHaveNoGaps,
  beginsAndEndsOnce,
  stepsMoveLegally,
  stepsAgreeWithEvents,
  stepsEndWithTheirExecution,
  iterationsHaveNoGaps,
  tokensAreConsumedOnce,
  tokensWereFired,
  stepsFollowTheirSources,
];

/** All breaches in the executions of this database, as of one moment: it may be in use meanwhile. */
export async function checkHistory(url: string): Promise<string[]> {
  return onSnapshot(url, async (client) => {
    const found = await strayRows(client);
    for await (const history of histories(client, '')) found.push(...breachesOf(history));
    return found;
  });
}

/**
 * All breaches in executions of one workflow that is a chain of these nodes, each run once. `linked` says whether an
 * output follows from the one before it; before the first there is `undefined`.
 */
export async function checkChain(
  url: string,
  workflowId: string,
  nodes: readonly string[],
  linked: (before: unknown, after: unknown) => boolean,
): Promise<string[]> {
  return onSnapshot(url, async (client) => {
    const found: string[] = [];
    const where = `and workflow_id = ${client.escapeLiteral(workflowId)}`;
    for await (const history of histories(client, where)) found.push(...chainBreaches(history, nodes, linked));
    return found;
  });
}

function breachesOf(history: History): string[] {
  return RULES.flatMap((rule) => rule(history)).map((breach) => `execution ${history.execution.id} ${breach}`);
}

function chainBreaches(
  { execution, steps, events }: History,
  nodes: readonly string[],
  linked: (before: unknown, after: unknown) => boolean,
): string[] {
  const found: string[] = [];
  const told = events.filter((event) => event.type === 'step.completed').map((event) => event.node_id);
  if (execution.status !== 'completed') found.push(`is ${execution.status}, not completed`);
  if (told.join() !== nodes.join()) found.push(`tells of the ends of ${told.join(', ')}, not of ${nodes.join(', ')}`);
  if (steps.length !== nodes.length) found.push(`has ${steps.length} steps, not ${nodes.length}`);
  let before: StepRow | undefined;
  for (const node of nodes) {
    const step = steps.find((row) => row.node_id === node && row.status === 'completed');
    if (!step) found.push(`has no completed step ${node}`);
    else if ((step.consumed[0]?.source ?? null) !== (before?.node_id ?? null)) {
      found.push(`has a step ${node} that was started by ${step.consumed[0]?.source}, not by ${before?.node_id}`);
    } else if (!linked(before?.output, step.output)) {
      found.push(`has a step ${node} whose output ${JSON.stringify(step.output)} does not follow from the one before`);
    }
    before = step;
  }
  return found.map((breach) => `execution ${execution.id} ${breach}`);
}

function endAgrees({ execution: { status, ended_at, created_at, wake_at, worker } }: History): string[] {
  const found: string[] = [];
  const ended = ENDED.includes(status);
  if (ended && ended_at === null) found.push(`is ${status} and has no moment at which it ended`);
  if (!ended && ended_at !== null) found.push(`is ${status} and has a moment at which it ended`);
  if (ended && wake_at !== null) found.push(`is ${status} and still due at ${wake_at.toISOString()}`);
  if (ended && worker !== null) found.push(`is ${status} and still held by worker ${worker}`);
  if (ended_at !== null && ended_at < created_at) found.push('ended before it was made');
  return found;
}

function claimAgrees({ execution: { status, worker, epoch, started_at, wake_at } }: History): string[] {
  const found: string[] = [];
  const wasHeld = worker !== null || [...MAY_BE_HELD, 'completed', 'failed'].includes(status) || started_at !== null;
  if (wasHeld && epoch < 1) found.push(`is ${status} under epoch ${epoch}: nobody has claimed it`);
  if (wasHeld && started_at === null) found.push(`is ${status} and has no moment at which it started`);
  if (worker === null || ENDED.includes(status)) return found;
  if (!MAY_BE_HELD.includes(status)) found.push(`is ${status} and held by worker ${worker}`);
  if (wake_at === null) found.push(`is held by worker ${worker} without a lease that runs out`);
  return found;
}

/** Nobody comes by himself to an execution without a moment: then each of its open steps must wait for something else. */
function wakesAgain({ execution: { status, worker, wake_at }, steps }: History): string[] {
  if (worker !== null || status === 'paused' || ENDED.includes(status)) return [];
  const open = steps.filter(isOpen);
  if (wake_at === null) {
    if (NEED_A_WORKER.includes(status)) return [`is ${status}, held by nobody and never due`];
    if (open.length === 0) return [`is ${status}, never due, and has no step that waits for anything`];
    const stuck = open.filter((step) => step.status !== 'waiting' || step.due_at !== null);
    return stuck.map((step) => `is never due although its step ${nameOf(step)} is ${step.status} and needs a worker`);
  }
  const late = open.filter(({ due_at }) => due_at !== null && Number(wake_at) > Number(due_at) + TOLERANCE_MS);
  if (NEED_A_WORKER.includes(status)) return [];
  return late.map((step) => `is due at ${wake_at.toISOString()}, later than its step ${nameOf(step)}`);
}

function eventsHaveNoGaps({ execution, events }: History): string[] {
  const wrong = events.findIndex((event, index) => event.seq !== index + 1);
  if (wrong >= 0) return [`has event ${events[wrong]?.seq} where event ${wrong + 1} should be`];
  if (events.length === execution.last_event) return [];
  return [`has ${events.length} events and counts ${execution.last_event}`];
}

function beginsAndEndsOnce({ execution: { status }, events }: History): string[] {
  const found: string[] = [];
  const starts = events.filter((event) => event.type === 'execution.started');
  const ends = events.filter((event) => ENDED.some((end) => event.type === `execution.${end}`));
  if (starts.length !== 1) found.push(`tells ${starts.length} times that it started`);
  if (events[0]?.type !== 'execution.started') found.push(`begins with ${events[0]?.type ?? 'nothing'}`);
  if (ends.length > 1) found.push(`tells ${ends.length} times that it ended`);
  if (ENDED.includes(status) && ends.length === 0) found.push(`is ${status} and does not tell so`);
  if (!ENDED.includes(status) && ends.length > 0) found.push(`is ${status} and tells ${ends[0]?.type}`);
  if (ENDED.includes(status) && ends.length === 1 && ends[0]?.type !== `execution.${status}`) {
    found.push(`is ${status} and tells ${ends[0]?.type}`);
  }
  const end = events.findIndex((event) => ends.includes(event));
  const after = end < 0 ? [] : events.slice(end + 1);
  return [...found, ...after.map((event) => `goes on after its end: event ${event.seq} is ${event.type}`)];
}

function stepsMoveLegally({ events }: History): string[] {
  const found: string[] = [];
  const stands = new Map<string, string>();
  for (const event of events.filter(isStepEvent)) {
    const move = event.type.replace('step.', '');
    if (!(move in AFTER)) continue;
    const name = nameOf(event);
    const before = stands.get(name) ?? '';
    if (!AFTER[before]?.includes(move)) {
      found.push(`tells by event ${event.seq} that step ${name} was ${move} after it was ${before}`);
    }
    stands.set(name, move);
  }
  return found;
}

function stepsAgreeWithEvents({ steps, events }: History): string[] {
  const found: string[] = [];
  const last = new Map<string, string>();
  for (const event of events.filter(isStepEvent)) {
    const move = event.type.replace('step.', '');
    if (move in AFTER) last.set(nameOf(event), move);
  }
  for (const step of steps) {
    const name = nameOf(step);
    const told = last.get(name) ?? '';
    if (!STANDS_AFTER[told]?.includes(step.status)) {
      found.push(`has a step ${name} that is ${step.status} and told to be ${told || 'nothing'}`);
    }
    last.delete(name);
  }
  for (const name of last.keys()) found.push(`tells of a step ${name} that is not there`);
  return found;
}

function stepsEndWithTheirExecution({ execution: { status }, steps }: History): string[] {
  const found: string[] = [];
  for (const step of steps) {
    const name = nameOf(step);
    if (isOpen(step) && ENDED.includes(status)) found.push(`is ${status} and its step ${name} is ${step.status}`);
    if (isOpen(step) && step.ended_at !== null) found.push(`has a step ${name} that is ${step.status} and ended`);
    if (!isOpen(step) && step.ended_at === null)
      found.push(`has a step ${name} that is ${step.status} and never ended`);
  }
  return found;
}

function iterationsHaveNoGaps({ steps }: History): string[] {
  const iterations = Map.groupBy(steps, (step) => step.node_id);
  return [...iterations].flatMap(([node, rows]) => {
    const numbers = rows.map((row) => row.iteration).toSorted((a, b) => a - b);
    return numbers.every((number, index) => number === index + 1)
      ? []
      : [`has the iterations ${numbers.join(', ')} of node ${node}`];
  });
}

/** Also the tokens that a start withdrew, which waited at another node, are gone with it. */
function tokensAreConsumedOnce({ steps }: History): string[] {
  const by = new Map<string, string>();
  const found: string[] = [];
  for (const step of steps) {
    for (const { edge, node, source, source_iteration } of step.consumed) {
      const token = edge === null ? `of entry ${node}` : `on edge ${edge} of ${source}#${source_iteration}`;
      const other = by.get(token);
      if (other) found.push(`has steps ${other} and ${nameOf(step)} that both consumed the token ${token}`);
      by.set(token, nameOf(step));
    }
  }
  return found;
}

function tokensWereFired({ steps }: History): string[] {
  const byName = new Map(steps.map((step) => [nameOf(step), step]));
  const found: string[] = [];
  for (const step of steps) {
    const name = nameOf(step);
    const mayFire = step.status === 'completed' || (step.status === 'failed' && Boolean(step.error?.handled));
    if (step.fired.length > 0 && !mayFire) found.push(`has a step ${name} that is ${step.status} and fired edges`);
    if (new Set(step.fired).size < step.fired.length) found.push(`has a step ${name} that fired an edge twice`);
    for (const { edge, source, source_iteration } of step.consumed) {
      if (edge === null || source === null) continue;
      const from = byName.get(`${source}#${source_iteration}`);
      if (!from?.fired.includes(edge)) {
        found.push(
          `has a step ${name} that consumed a token on edge ${edge}, which ${source}#${source_iteration} never fired`,
        );
      }
    }
  }
  return found;
}

function stepsFollowTheirSources({ steps, events }: History): string[] {
  const told = Map.groupBy(events.filter(isStepEvent), nameOf);
  return steps.flatMap((step) => {
    const first = told.get(nameOf(step))?.[0];
    if (!first) return [];
    const late = step.consumed.filter(({ source, source_iteration }) => {
      const end = told.get(`${source}#${source_iteration}`)?.at(-1);
      return end !== undefined && end.seq > first.seq;
    });
    return late.map((token) => `tells of step ${nameOf(step)} before the end of ${token.source}, which it follows`);
  });
}

function isOpen(step: StepRow): boolean {
  return !ENDED.includes(step.status);
}

function isStepEvent(event: EventRow): boolean {
  return event.node_id !== null && event.type.startsWith('step.');
}

function nameOf(of: { node_id: string | null; iteration: number | null }): string {
  return `${of.node_id}#${of.iteration}`;
}

/** Rows whose execution is not there: no foreign key keeps them out. */
async function strayRows(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ kind: string; execution_id: string }>(
    `select 'steps' as kind, execution_id from steps where execution_id not in (select id from executions)
     union
     select 'events', execution_id from execution_events where execution_id not in (select id from executions)`,
  );
  return rows.map(({ kind, execution_id }) => `there are ${kind} of execution ${execution_id}, which is not there`);
}

const BATCH = 100;

async function* histories(client: pg.Client, where: string): AsyncGenerator<History> {
  for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
    const { rows } = await client.query<ExecutionRow>(
      `select id, status, wake_at, epoch, worker, last_event, created_at, started_at, ended_at
       from executions where id > $1 ${where} order by id limit ${BATCH}`,
      [after],
    );
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
    const [steps, events] = [await rowsOf(client, rows, STEPS), await rowsOf<EventRow>(client, rows, EVENTS)];
    for (const execution of rows) {
      yield { execution, steps: steps.get(execution.id) ?? [], events: events.get(execution.id) ?? [] };
    }
  }
}

const STEPS = `select execution_id, node_id, iteration, status, consumed, fired, output, error, due_at, ended_at
  from steps where execution_id = any($1::uuid[]) order by node_id, iteration`;
const EVENTS = `select execution_id, seq, type, node_id, iteration
  from execution_events where execution_id = any($1::uuid[]) order by seq`;

async function rowsOf<Row = StepRow>(client: pg.Client, executions: ExecutionRow[], select: string) {
  const { rows } = await client.query<Row & { execution_id: string }>(select, [executions.map(({ id }) => id)]);
  return Map.groupBy(rows, (row) => row.execution_id);
}

async function onSnapshot<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'history check' });
  await client.connect();
  try {
    await client.query('begin transaction isolation level repeatable read, read only');
    return await work(client);
  } finally {
    await client.end();
  }
}
