import { z } from 'zod';
import {
  CODE_OUTCOMES,
  ISOLATION_LEVELS,
  LANGUAGES,
  type CodeJob,
  type CodeResult,
  type Isolation,
} from './sandbox-driver.js';

/**
 * What the two ends of the side-car's socket say to each other: HTTP/1.1 over a UNIX socket. `POST /run` takes a request
 * and answers lines of JSON: any number of `output`, then one `result` or `refused`. An empty line only says that the
 * side-car lives; one comes every few seconds. Hanging up ends the job.
 */
export const HEARTBEAT_MS = 5_000;
/** Of a request, in bytes; 413 above it. */
export const LARGEST_REQUEST = 16 << 20;
/** Of a line of an answer, in bytes. Two streams of 1 MiB, each byte written as an escape, and the result fit. */
export const LARGEST_LINE = 32 << 20;

/** Not z.record: it would copy what may be large, and lose a key named __proto__. */
const jsonObject = z.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be a JSON object',
);

const job = z.strictObject({
  language: z.enum(LANGUAGES),
  name: z.string().optional(),
  code: z.string(),
  timeoutSeconds: z.number().positive(),
  maxMemoryMb: z.int().positive(),
  globals: jsonObject.optional(),
  locals: jsonObject.optional(),
  captureLocals: z.boolean().optional(),
  resultVariable: z.string().optional(),
} satisfies Record<keyof Omit<CodeJob, 'secrets'>, z.ZodType>);

/** `follow`: whether output is told as it comes; the result has all of it in any case. */
export const runRequest = z.strictObject({ job, follow: z.boolean() });

const isolation = z.object({
  driver: z.string(),
  level: z.enum(ISOLATION_LEVELS),
  cgroup: z.boolean(),
} satisfies Record<keyof Isolation, z.ZodType>);

const result = z.object({
  outcome: z.enum(CODE_OUTCOMES),
  stdout: z.string(),
  stderr: z.string(),
  stdout_truncated: z.boolean(),
  stderr_truncated: z.boolean(),
  error_type: z.string().nullable(),
  error_message: z.string().nullable(),
  error_line: z.int().nullable(),
  execution_time: z.number(),
  memory_used_mb: z.number(),
  locals_dict: jsonObject.nullable(),
  output: z.unknown(),
  isolation,
} satisfies Record<keyof CodeResult, z.ZodType>);

const refused = z.strictObject({
  message: z.string(),
  /** Null: not for being busy. */
  retry_after_seconds: z.number().nullable(),
});

export const answerLine = z.union([
  z.strictObject({ output: z.strictObject({ stream: z.enum(['stdout', 'stderr']), text: z.string() }) }),
  z.strictObject({ result }),
  z.strictObject({ refused }),
]);
export type AnswerLine = z.output<typeof answerLine>;

/** The answer of `GET /health`, as far as somebody asks for it. */
export const sideCarHealth = z.object({
  available: z.boolean(),
  driver: z.string(),
  level: z.string(),
  reason: z.string().nullable(),
  checks: z.array(z.object({ check: z.string(), ok: z.boolean(), detail: z.string() })),
  running: z.int(),
  queued: z.int(),
});
export type SideCarHealth = z.output<typeof sideCarHealth>;
