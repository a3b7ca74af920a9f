import { z } from 'zod';
import { json, pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';
import { EXECUTION_STATUSES } from '../workflows/engine/execution-status.js';
import { STEP_STATUSES } from '../workflows/engine/step-status.js';
import { EVENT_TYPES } from './execution-events.js';

const input = json.meta({ description: 'Any JSON; expressions read it as `input`.' });

const version = z.int().min(1).max(2_147_483_647).optional().meta({ description: 'The current version if left out' });

export const startExecutionBody = z
  .strictObject({ workflow_id: z.uuid(), version, input: input.default(null) })
  .meta({ id: 'StartExecution' });
export type StartExecutionBody = z.output<typeof startExecutionBody>;

export const listExecutionsQuery = z.strictObject({
  ...pageQuery,
  workflow_id: z.uuid().optional(),
  status: z.enum(EXECUTION_STATUSES).optional(),
});
export type ListExecutionsQuery = z.output<typeof listExecutionsQuery>;

export const listOfWorkflowQuery = z.strictObject({ ...pageQuery, status: z.enum(EXECUTION_STATUSES).optional() });
export type ListOfWorkflowQuery = z.output<typeof listOfWorkflowQuery>;

export const listEventsQuery = z.strictObject({
  after: z.coerce.number().int().min(0).max(2_147_483_647).default(0),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
export type ListEventsQuery = z.output<typeof listEventsQuery>;

const failure = z.object({
  code: z.string(),
  message: z.string(),
  node_id: z.string().optional(),
  iteration: z.int().optional(),
  details: json.optional(),
});

const summary = {
  id: z.uuid(),
  workflow_id: z.uuid(),
  version: z.int(),
  status: z.enum(EXECUTION_STATUSES),
  error: failure.nullable(),
  started_by: z.uuid().nullable(),
  created_at: timestamp,
  started_at: timestamp.nullable(),
  ended_at: timestamp.nullable(),
};

const stepView = z
  .object({
    node_id: z.string(),
    iteration: z.int(),
    node_type: z.string(),
    status: z.enum(STEP_STATUSES),
    attempt: z.int(),
    input: json,
    output: json,
    error: failure.nullable(),
    logs: z.object({ stdout: z.string(), stderr: z.string() }).nullable(),
    due_at: timestamp.nullable(),
    started_at: timestamp,
    ended_at: timestamp.nullable(),
  })
  .meta({ id: 'Step' });

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
