import { z } from 'zod';
import { json, pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { pageQuery } from '../platform/http/signed-cursor.js';

const name = z
  .string()
  .trim()
  .min(1, 'Give the workflow a name of 1 to 255 characters.')
  .max(255, 'Shorten the name to 255 characters.')
  .meta({ example: 'Support reply' });

const description = z.string().max(4_000);

const maxRunning = z.int().min(1).max(100_000).nullable().meta({
  description: 'How many of its executions run at the same time, those that wait not counted; null: no limit',
});

/** Checked by `validateDefinition`, which reports all problems of a graph at once. */
const definition = z
  .unknown()
  .refine((value) => value !== undefined, 'Send a definition with nodes and edges.')
  .meta({
    type: 'object',
    description: 'A React Flow graph: {nodes: [{id, type, data}], edges: [{id, source, target, sourceHandle?, data?}]}',
  });

export const createWorkflowBody = z
  .strictObject({ name, description: description.default(''), definition, max_running: maxRunning.default(null) })
  .meta({ id: 'CreateWorkflow' });
export type CreateWorkflowBody = z.output<typeof createWorkflowBody>;

export const updateWorkflowBody = z
  .strictObject({
    name: name.optional(),
    description: description.optional(),
    definition: definition.optional(),
    active: z.boolean().optional(),
    max_running: maxRunning.optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), 'Name at least one field to change.')
  .meta({ id: 'UpdateWorkflow' });
export type UpdateWorkflowBody = z.output<typeof updateWorkflowBody>;

export const validateDefinitionBody = z.strictObject({ definition }).meta({ id: 'ValidateDefinition' });
export type ValidateDefinitionBody = z.output<typeof validateDefinitionBody>;

/** A version in a path, from 1. */
export const versionNumber = z.coerce.number().int().min(1).max(2_147_483_647);

export const listQuery = z.strictObject(pageQuery);
export type ListQuery = z.output<typeof listQuery>;

const summary = {
  id: z.uuid(),
  name: z.string(),
  description: z.string(),
  active: z.boolean(),
  max_running: z.int().nullable(),
  current_version: z.int(),
  revision: z.int(),
  created_by: z.uuid(),
  created_at: timestamp,
  updated_at: timestamp,
};

export const workflowView = z.object({ ...summary, definition: json }).meta({ id: 'Workflow' });
export const workflowPage = pageOf(z.object(summary).meta({ id: 'WorkflowSummary' }), 'WorkflowPage');

const versionSummary = { workflow_id: z.uuid(), number: z.int(), created_by: z.uuid(), created_at: timestamp };

export const versionView = z.object({ ...versionSummary, definition: json }).meta({ id: 'WorkflowVersion' });
export const versionPage = pageOf(
  z.object(versionSummary).meta({ id: 'WorkflowVersionSummary' }),
  'WorkflowVersionPage',
);

export const validationView = z
  .object({
    valid: z.boolean(),
    errors: z.array(z.object({ pointer: z.string(), code: z.string(), message: z.string() })),
  })
  .meta({ id: 'DefinitionValidation' });
