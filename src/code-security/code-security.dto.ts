import { z } from 'zod';
import { json, timestamp } from '../platform/http/returns.decorator.js';
import { notStored } from '../platform/http/schema.pipe.js';
import { CODE_CHARACTERS, MEMORY_MB, TIMEOUT_SECONDS, VARIABLES_BYTES } from './code-security.service.js';

const variables = z.record(z.string().max(200), json).optional();

export const executeBody = z
  .strictObject({
    code: z
      .string()
      .min(CODE_CHARACTERS.min)
      .max(CODE_CHARACTERS.max)
      .refine((code) => code.trim() !== '', 'must not be only white space'),
    timeout: z.number().min(TIMEOUT_SECONDS.min).max(TIMEOUT_SECONDS.max).default(TIMEOUT_SECONDS.default),
    max_memory_mb: z.int().min(MEMORY_MB.min).max(MEMORY_MB.max).optional(),
    globals: variables,
    locals: variables,
    capture_locals: z.boolean().default(false),
  })
  .refine(({ globals = {}, locals = {} }) => sizeOf(globals) + sizeOf(locals) <= VARIABLES_BYTES, {
    path: ['globals'],
    message: 'globals and locals together must not exceed 1 MiB of JSON',
  })
  .meta({ id: 'ExecuteCode' })
  .register(notStored, { reason: 'Python judges its own source; only its hash is kept' });
export type ExecuteBody = z.output<typeof executeBody>;

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

const isolationView = z.object({ driver: z.string(), level: z.enum(['namespaces', 'none']), cgroup: z.boolean() });

/** Of a run that did not succeed the problem document has the same members. */
export const executionView = z
  .object({
    success: z.boolean(),
    stdout: z.string(),
    stderr: z.string(),
    stdout_truncated: z.boolean(),
    stderr_truncated: z.boolean(),
    error_type: z.string().nullable(),
    error_message: z.string().nullable(),
    error_line: z.int().nullable(),
    execution_time: z.number().describe('seconds'),
    memory_used_mb: z.number(),
    locals_dict: z.record(z.string(), json).nullable(),
    isolation: isolationView,
  })
  .meta({ id: 'CodeExecution' });
export type ExecutionView = z.output<typeof executionView>;

export const sandboxHealthView = z
  .object({
    available: z.boolean(),
    driver: z.string(),
    level: z.enum(['namespaces', 'none']),
    reason: z.string().nullable(),
    checked_at: timestamp.nullable(),
    checks: z.array(z.object({ check: z.string(), ok: z.boolean(), detail: z.string() })),
  })
  .meta({ id: 'SandboxHealth' });

const limitView = z.object({ min: z.number(), max: z.number(), default: z.number() });

export const limitsView = z
  .object({
    timeout: limitView,
    max_memory_mb: limitView,
    code_characters: z.object({ min: z.number(), max: z.number() }),
    variables_bytes: z.object({ max: z.number() }),
  })
  .meta({ id: 'CodeLimits' });
