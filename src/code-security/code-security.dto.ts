import { z } from 'zod';
import { json, pageOf, timestamp } from '../platform/http/returns.decorator.js';
import { notStored } from '../platform/http/schema.pipe.js';
import { pageQuery } from '../platform/http/signed-cursor.js';
import { CODE_RUN_STATUSES } from './code-run.repository.js';
import { CODE_CHARACTERS, MEMORY_MB, TIMEOUT_SECONDS, VARIABLES_BYTES } from './code-security.service.js';
import { isAddressOrNetwork } from './match-address.js';
import { ISOLATION_LEVELS, LANGUAGES } from './sandbox/sandbox-driver.js';

const language = z.enum(LANGUAGES);

const variables = z.record(z.string().max(200), json).optional();

export const executeBody = z
  .strictObject({
    language: language.default('python'),
    code: z
      .string()
      .min(CODE_CHARACTERS.min)
      .max(CODE_CHARACTERS.max)
      .refine((code) => code.trim() !== '', 'must not be only white space'),
    timeout: z.number().min(TIMEOUT_SECONDS.min).max(TIMEOUT_SECONDS.max).optional().describe('seconds'),
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
  .register(notStored, { reason: 'the language judges its own source; only its hash is kept' });
export type ExecuteBody = z.output<typeof executeBody>;

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

const isolationView = z.object({ driver: z.string(), level: z.enum(ISOLATION_LEVELS), cgroup: z.boolean() });

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
    execution_id: z.uuid().describe('under which the history has the run'),
  })
  .meta({ id: 'CodeExecution' });
export type ExecutionView = z.output<typeof executionView>;

export const sandboxHealthView = z
  .object({
    available: z.boolean(),
    driver: z.string(),
    level: z.enum(ISOLATION_LEVELS),
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
    languages: z.array(language),
    code_characters: z.object({ min: z.number(), max: z.number() }),
    variables_bytes: z.object({ max: z.number() }),
  })
  .meta({ id: 'CodeLimits' });

export const listCodeRunsQuery = z.strictObject({
  ...pageQuery,
  status: z.enum(CODE_RUN_STATUSES).optional(),
  language: language.optional(),
  code_sha256: z
    .string()
    .regex(/^[\da-f]{64}$/, 'must be 64 hexadecimal digits in lower case')
    .optional(),
  created_after: z.iso.datetime({ offset: true }).optional(),
  created_before: z.iso.datetime({ offset: true }).optional(),
});
export type ListCodeRunsQuery = z.output<typeof listCodeRunsQuery>;

export const codeRunView = z
  .object({
    id: z.uuid(),
    status: z.enum(CODE_RUN_STATUSES).describe('lost: the process that ran it died before it ended'),
    language,
    code_sha256: z.string(),
    timeout_seconds: z.number(),
    max_memory_mb: z.int(),
    error_type: z.string().nullable(),
    error_line: z.int().nullable(),
    queued_seconds: z.number(),
    execution_time: z.number().nullable().describe('seconds'),
    memory_used_mb: z.number().nullable(),
    driver: z.string(),
    api_key_id: z.uuid().nullable(),
    started_at: timestamp,
    ended_at: timestamp.nullable(),
  })
  .meta({ id: 'CodeRun' });

export const codeRunPage = pageOf(codeRunView, 'CodeRunPage');

export const changeCodePolicyBody = z
  .strictObject({
    allowed_addresses: z
      .array(
        z
          .string()
          .max(64)
          .refine(isAddressOrNetwork, 'must be an IP address, or a network such as 10.1.0.0/16 or 2001:db8::/32'),
      )
      .max(100)
      .describe('From where code may be sent to be run; empty: from everywhere'),
    max_timeout_seconds: z.int().min(TIMEOUT_SECONDS.min).max(TIMEOUT_SECONDS.max),
    max_memory_mb: z.int().min(MEMORY_MB.min).max(MEMORY_MB.max),
  })
  .meta({ id: 'ChangeCodePolicy' });
export type ChangeCodePolicyBody = z.output<typeof changeCodePolicyBody>;

export const codePolicyView = z
  .object({
    allowed_addresses: z.array(z.string()),
    max_timeout_seconds: z.int(),
    max_memory_mb: z.int(),
    version: z.int(),
  })
  .meta({ id: 'CodePolicy' });
