import { z } from 'zod';
import { json, pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';
import { EXECUTION_STATUSES } from '../workflows/engine/execution-status.js';
import { STEP_STATUSES } from '../workflows/engine/step-status.js';
import { EVENT_TYPES } from './execution-events.js';
import { MAX_SIGNAL_NAME } from './signal.entity.js';

const input = json.meta({ description: 'Any JSON; expressions read it as `input`.' });

const version = z.int().min(1).max(2_147_483_647).optional().meta({ description: 'The current version if left out' });

const priorityName = z.enum(['high', 'normal', 'low']);

/** By name on the wire; workers take the highest number first. */
export const PRIORITIES = { high: 1, normal: 0, low: -1 } as const satisfies Record<
  z.output<typeof priorityName>,
  number
>;

const concurrencyKey = z.string().min(1).max(255).optional().meta({
  description: 'Executions with the same key run one after the other, in the order in which they were started',
});

export const startExecutionBody = z
  .strictObject({
    workflow_id: z.uuid(),
    version,
    input: input.default(null),
    priority: priorityName.default('normal').meta({ description: 'Due executions of a higher one are taken first' }),
    concurrency_key: concurrencyKey,
  })
  .meta({ id: 'StartExecution' });
export type StartExecutionBody = z.output<typeof startExecutionBody>;

const search = {
  ...pageQuery,
  status: z.enum(EXECUTION_STATUSES).optional(),
  created_after: z.iso.datetime({ offset: true }).optional(),
  created_before: z.iso.datetime({ offset: true }).optional(),
  error: z.string().min(1).max(200).optional().meta({ description: 'Part of the code or message of the error' }),
};

export const listExecutionsQuery = z.strictObject({
  ...search,
  workflow_id: z.uuid().optional(),
  parent_id: z.uuid().optional().meta({ description: 'Only what steps of this execution made' }),
  forked_from: z.uuid().optional().meta({ description: 'Only what repeats this execution' }),
});
export type ListExecutionsQuery = z.output<typeof listExecutionsQuery>;

export const listOfWorkflowQuery = z.strictObject(search);
export type ListOfWorkflowQuery = z.output<typeof listOfWorkflowQuery>;

export const listEventsQuery = z.strictObject({
  after: z.coerce.number().int().min(0).max(2_147_483_647).default(0),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
export type ListEventsQuery = z.output<typeof listEventsQuery>;

export const nodeParameter = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -');
export const iterationParameter = z.coerce.number().int().min(1).max(2_147_483_647);

export const rerunBody = z
  .strictObject({
    from: z.strictObject({ node_id: nodeParameter, iteration: z.int().min(1).max(2_147_483_647).default(1) }),
  })
  .meta({ id: 'RerunExecution' });
export type RerunBody = z.output<typeof rerunBody>;

const signalName = z.string().min(1).max(MAX_SIGNAL_NAME);
const correlationKey = z.string().min(1).max(MAX_SIGNAL_NAME);

export const sendSignalBody = z
  .strictObject({ name: signalName, correlation_key: correlationKey.optional(), payload: json.default(null) })
  .meta({ id: 'SendSignal' });
export type SendSignalBody = z.output<typeof sendSignalBody>;

export const sendSignalByKeyBody = z
  .strictObject({ name: signalName, correlation_key: correlationKey, payload: json.default(null) })
  .meta({ id: 'SendSignalByKey' });
export type SendSignalByKeyBody = z.output<typeof sendSignalByKeyBody>;

export const signalView = z.object({ id: z.uuid() }).meta({ id: 'Signal' });

const failure = z.object({
  code: z.string(),
  message: z.string(),
  node_id: z.string().optional(),
  iteration: z.int().optional(),
  handled: z.boolean().optional(),
  details: json.optional(),
});

const summary = {
  id: z.uuid(),
  workflow_id: z.uuid(),
  version: z.int(),
  status: z.enum(EXECUTION_STATUSES),
  error: failure.nullable(),
  priority: z.codec(z.int(), priorityName, {
    decode: (number) => (number > 0 ? 'high' : number < 0 ? 'low' : 'normal'),
    encode: (name) => PRIORITIES[name],
  }),
  concurrency_key: z.string().nullable(),
  paused_at: timestamp.nullable(),
  parent_id: z.uuid().nullable(),
  parent_node: z.string().nullable(),
  parent_iteration: z.int().nullable(),
  item_index: z.int().nullable(),
  forked_from: z.uuid().nullable(),
  forked_node: z.string().nullable(),
  forked_iteration: z.int().nullable(),
  started_by: z.uuid().nullable(),
  created_at: timestamp,
  started_at: timestamp.nullable(),
  ended_at: timestamp.nullable(),
};

const logs = z
  .object({
    stdout: z.string(),
    stderr: z.string(),
    stdout_truncated: z.boolean().default(false),
    stderr_truncated: z.boolean().default(false),
  })
  .nullable()
  .meta({ description: 'What code printed, while it runs so far; the first 65,536 characters of each stream' });

const stepView = z
  .object({
    node_id: z.string(),
    iteration: z.int(),
    node_type: z.string(),
    status: z.enum(STEP_STATUSES),
    attempt: z.int(),
    input: json,
    output: json,
    values_left_out: z.boolean().meta({
      description: 'The steps have more values than one answer holds; read those of this one by its attempts',
    }),
    error: failure.nullable(),
    logs,
    due_at: timestamp.nullable(),
    started_at: timestamp,
    ended_at: timestamp.nullable(),
  })
  .meta({ id: 'Step' });

export const attemptsView = z
  .object({
    data: z.array(
      z.object({
        attempt: z.int(),
        status: z.enum(STEP_STATUSES),
        input: json,
        output: json,
        error: failure.nullable(),
        logs,
        started_at: timestamp,
        ended_at: timestamp.nullable(),
      }),
    ),
  })
  .meta({ id: 'Attempts' });

export const executionSummaryView = z.object(summary).meta({ id: 'ExecutionSummary' });

export const executionView = z
  .object({ ...summary, input: json, output: json, steps: z.array(stepView) })
  .meta({ id: 'Execution' });

export const executionPage = pageOf(executionSummaryView, 'ExecutionPage');

const eventView = z
  .object({
    seq: z.int(),
    type: z.enum(EVENT_TYPES),
    node_id: z.string().nullable(),
    iteration: z.int().nullable(),
    data: json,
    occurred_at: timestamp,
  })
  .meta({ id: 'ExecutionEvent' });

export const timelineView = z
  .object({
    data: z.array(eventView),
    next_after: z.int().nullable().meta({ description: 'Pass it as `after` to read on; null at the end' }),
  })
  .meta({ id: 'Timeline' });
