/** Histories as an engine may leave them, and spoiled ones, each with what a checker has to say of it. */

export const PAST = '2026-01-01T00:00:00Z';
const SOON = '2026-01-01T00:00:05Z';
const LATER = '2026-01-01T00:01:00Z';

export interface Row {
  [column: string]: unknown;
}

export interface Planted {
  execution: Row;
  steps: Row[];
  events: string[];
}

/** `edge` goes from `source` to this step; without one it is an entry. */
const step = (node_id: string, source: string | null, more: Row = {}): Row => ({
  node_id,
  iteration: 1,
  node_type: 'transform',
  status: 'completed',
  consumed: [token(source, node_id)],
  fired: [],
  output: null,
  started_at: PAST,
  ended_at: PAST,
  ...more,
});

export const token = (source: string | null, node: string, source_iteration = 1) =>
  source === null
    ? { edge: null, node, source, source_iteration: 0 }
    : { edge: `${source}-${node}`, node, source, source_iteration };

const execution = (status: string, more: Row = {}): Row => ({
  version: 1,
  status,
  wake_at: null,
  epoch: 1,
  created_at: PAST,
  started_at: PAST,
  ended_at: ['completed', 'failed', 'cancelled'].includes(status) ? PAST : null,
  ...more,
});

/** a ─► b ─► c, done; b was tried twice. */
export const chain = (): Planted => ({
  execution: execution('completed'),
  steps: [
    step('a', null, { fired: ['a-b'], output: 1 }),
    step('b', 'a', { fired: ['b-c'], output: 2, attempt: 2 }),
    step('c', 'b', { output: 3 }),
  ],
  events: [
    'execution.started',
    'step.completed a',
    'step.started b',
    'step.retry_scheduled b',
    'step.started b',
    'step.completed b',
    'step.completed c',
    'execution.completed',
  ],
});

/** a ─► b, where b is as given. */
const halfway = (of: Row, b: Row, tells: string): Planted => ({
  execution: of,
  steps: [step('a', null, { fired: ['a-b'] }), step('b', 'a', { ended_at: null, ...b })],
  events: ['execution.started', 'step.completed a', tells],
});

const atCheckpoint = () =>
  halfway(execution('awaiting_checkpoint'), { status: 'waiting', node_type: 'checkpoint' }, 'step.waiting b');
const inDelay = () =>
  halfway(execution('waiting', { wake_at: SOON }), { status: 'waiting', due_at: SOON }, 'step.waiting b');
export const held = () =>
  halfway(execution('running', { worker: 7, wake_at: SOON }), { status: 'running' }, 'step.started b');

export const LEGITIMATE: [string, Planted][] = [
  ['a chain that is done', chain()],
  ['a wait for a person', atCheckpoint()],
  ['a delay', inDelay()],
  ['a claim', held()],
  ['a claim whose worker is gone', { ...held(), execution: execution('running', { wake_at: PAST }) }],
  [
    'a wait before a retry',
    halfway(execution('waiting', { wake_at: SOON }), { status: 'backing_off', due_at: SOON }, 'step.retry_scheduled b'),
  ],
  ['a pause', { ...held(), execution: execution('paused') }],
  [
    'a start nobody has claimed',
    {
      execution: execution('queued', { wake_at: PAST, epoch: 0, started_at: null }),
      steps: [],
      events: ['execution.started'],
    },
  ],
  [
    'a cancelled wait',
    {
      ...atCheckpoint(),
      execution: execution('cancelled'),
      steps: [step('a', null, { fired: ['a-b'] }), step('b', 'a', { status: 'cancelled' })],
      events: [...atCheckpoint().events, 'execution.cancelled'],
    },
  ],
  [
    'a failure that was handled',
    {
      ...chain(),
      steps: [step('a', null, { status: 'failed', error: { handled: 'continue' }, fired: ['a-b'] }), step('b', 'a')],
      events: ['execution.started', 'step.failed a', 'step.completed b', 'execution.completed'],
    },
  ],
  [
    'a start that withdrew a token of another node',
    {
      ...chain(),
      steps: [
        step('a', null, { fired: ['a-b', 'a-c'] }),
        step('b', 'a', { consumed: [token('a', 'b'), token('a', 'c')] }),
      ],
      events: ['execution.started', 'step.completed a', 'step.completed b', 'execution.completed'],
    },
  ],
];

/** What is planted, how a sound history is spoiled, and what has to be said of it. */
export const BREACHES: [string, () => Planted, string[]][] = [
  [
    'an end without a moment',
    () => changed(chain(), { ended_at: null }),
    ['is completed and has no moment at which it ended'],
  ],
  [
    'a moment of an end that was none',
    () => changed(held(), { ended_at: SOON }),
    ['is running and has a moment at which it ended'],
  ],
  [
    'an ended execution that is due',
    () => changed(chain(), { wake_at: PAST }),
    [`is completed and still due at ${new Date(PAST).toISOString()}`],
  ],
  [
    'an ended execution that is held',
    () => changed(chain(), { worker: 3 }),
    ['is completed and still held by worker 3'],
  ],
  ['an end before the beginning', () => changed(chain(), { created_at: LATER }), ['ended before it was made']],
  ['a run without a claim', () => changed(held(), { epoch: 0 }), ['is running under epoch 0: nobody has claimed it']],
  [
    'a run without a start',
    () => changed(held(), { started_at: null }),
    ['is running and has no moment at which it started'],
  ],
  ['a holder of a wait', () => changed(inDelay(), { worker: 3 }), ['is waiting and held by worker 3']],
  ['a claim for ever', () => changed(held(), { wake_at: null }), ['is held by worker 7 without a lease that runs out']],
  [
    'a queue that nobody looks at',
    () => changed(held(), { worker: null, wake_at: null }),
    ['is running, held by nobody and never due'],
  ],
  [
    'a wait for nothing',
    () =>
      changedStep({ ...atCheckpoint(), events: [...atCheckpoint().events, 'step.completed b'] }, 1, {
        status: 'completed',
        ended_at: PAST,
      }),
    ['is awaiting_checkpoint, never due, and has no step that waits for anything'],
  ],
  [
    'a delay that nobody ends',
    () => changed(inDelay(), { wake_at: null }),
    ['is never due although its step b#1 is waiting and needs a worker'],
  ],
  [
    'a step that runs nowhere',
    () => changed(held(), { status: 'waiting', worker: null, wake_at: null }),
    ['is never due although its step b#1 is running and needs a worker'],
  ],
  [
    'a delay that is overslept',
    () => changed(inDelay(), { wake_at: LATER }),
    [`is due at ${new Date(LATER).toISOString()}, later than its step b#1`],
  ],
  ['a lost last event', () => changed(chain(), { last_event: 9 }), ['has 8 events and counts 9']],
  [
    'a lost start',
    () => ({ ...chain(), events: chain().events.slice(1) }),
    ['tells 0 times that it started', 'begins with step.completed'],
  ],
  [
    'a second start',
    () => ({ ...chain(), events: ['execution.started', ...chain().events] }),
    ['tells 2 times that it started'],
  ],
  [
    'a second end',
    () => ({ ...chain(), events: [...chain().events, 'execution.completed'] }),
    ['tells 2 times that it ended', 'goes on after its end: event 9 is execution.completed'],
  ],
  [
    'an end that is not told',
    () => ({ ...chain(), events: chain().events.slice(0, -1) }),
    ['is completed and does not tell so'],
  ],
  [
    'an end that is told too early',
    () => ({ ...held(), events: [...held().events, 'execution.failed'] }),
    ['is running and tells execution.failed'],
  ],
  [
    'another end than the one told',
    () => ({ ...chain(), events: [...chain().events.slice(0, -1), 'execution.cancelled'] }),
    ['is completed and tells execution.cancelled'],
  ],
  [
    'an event after the end',
    () => ({ ...chain(), events: [...chain().events, 'step.cancelled d'] }),
    ['goes on after its end: event 9 is step.cancelled', 'tells of a step d#1 that is not there'],
  ],
  [
    'a step that ended twice',
    () => ({ ...chain(), events: [...chain().events.slice(0, -1), 'step.completed c', 'execution.completed'] }),
    ['tells by event 8 that step c#1 was completed after it was completed'],
  ],
  [
    'a failure after success',
    () => ({ ...chain(), events: [...chain().events.slice(0, -1), 'step.failed c', 'execution.completed'] }),
    [
      'tells by event 8 that step c#1 was failed after it was completed',
      'has a step c#1 that is completed and told to be failed',
    ],
  ],
  [
    'a step that began after its end',
    () => ({ ...chain(), events: swapped(chain().events, 4, 5) }),
    [
      'tells by event 6 that step b#1 was started after it was completed',
      'has a step b#1 that is completed and told to be started',
    ],
  ],
  [
    'a step that began twice',
    () => ({ ...held(), events: [...held().events, 'step.started b'] }),
    ['tells by event 4 that step b#1 was started after it was started'],
  ],
  [
    'a step that nothing tells of',
    () => ({ ...chain(), events: chain().events.filter((event) => event !== 'step.completed c') }),
    ['has a step c#1 that is completed and told to be nothing'],
  ],
  [
    'an open step of an ended execution',
    () =>
      changedStep({ ...chain(), events: chain().events.map((event) => event.replace('completed c', 'waiting c')) }, 2, {
        status: 'waiting',
        ended_at: null,
      }),
    ['is completed and its step c#1 is waiting'],
  ],
  [
    'an open step that ended',
    () => changedStep(held(), 1, { ended_at: PAST }),
    ['has a step b#1 that is running and ended'],
  ],
  [
    'a finished step that never ended',
    () => changedStep(chain(), 2, { ended_at: null }),
    ['has a step c#1 that is completed and never ended'],
  ],
  [
    'a gap in the iterations',
    () =>
      changedStep(
        { ...chain(), events: chain().events.map((event) => event.replace('completed c', 'completed c 2')) },
        2,
        { iteration: 2 },
      ),
    ['has the iterations 2 of node c'],
  ],
  [
    'a token that two steps consumed',
    () => changedStep(chain(), 2, { consumed: [token('a', 'b')] }),
    ['has steps b#1 and c#1 that both consumed the token on edge a-b of a#1'],
  ],
  [
    'an entry that started twice',
    () => ({
      ...chain(),
      steps: [...chain().steps, step('a', null, { iteration: 2 })],
      events: withEvent(chain(), 'step.completed a 2'),
    }),
    ['has steps a#1 and a#2 that both consumed the token of entry a'],
  ],
  [
    'a token that nobody fired',
    () => changedStep(chain(), 0, { fired: [] }),
    ['has a step b#1 that consumed a token on edge a-b, which a#1 never fired'],
  ],
  [
    'a token of a step that is not there',
    () => changedStep(chain(), 2, { consumed: [token('b', 'c', 5)] }),
    ['has a step c#1 that consumed a token on edge b-c, which b#5 never fired'],
  ],
  [
    'an edge fired by a step that failed unhandled',
    () =>
      changedStep({ ...chain(), events: chain().events.map((event) => event.replace('completed c', 'failed c')) }, 2, {
        status: 'failed',
        error: { code: 'X' },
        fired: ['c-d'],
      }),
    ['has a step c#1 that is failed and fired edges'],
  ],
  [
    'an edge fired twice',
    () => changedStep(chain(), 0, { fired: ['a-b', 'a-b'] }),
    ['has a step a#1 that fired an edge twice'],
  ],
  [
    'a step before its source',
    () => ({ ...chain(), events: swapped(chain().events, 5, 6) }),
    ['tells of step c#1 before the end of b, which it follows'],
  ],
];

const changed = (planted: Planted, columns: Row): Planted => ({
  ...planted,
  execution: { ...planted.execution, ...columns },
});

export const changedStep = (planted: Planted, index: number, columns: Row): Planted => ({
  ...planted,
  steps: planted.steps.map((row, at) => (at === index ? { ...row, ...columns } : row)),
});

const withEvent = ({ events }: Planted, event: string) => [...events.slice(0, -1), event, ...events.slice(-1)];

export const swapped = (events: string[], one: number, other: number) =>
  events.with(one, events[other] ?? '').with(other, events[one] ?? '');
