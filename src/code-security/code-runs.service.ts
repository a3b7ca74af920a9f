import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { Transactions } from '../platform/database/transactions.js';
import { DomainError, type ErrorKind } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import type { ExecuteBody, ExecutionView } from './code-security.dto.js';
import { CodeSecurityService } from './code-security.service.js';
import type { PythonJob, PythonOutcome, PythonResult } from './sandbox/sandbox-driver.js';

type Refusal = [kind: ErrorKind, code: string, message: string];

/** What each outcome but success is to a caller; the problem document carries the result's fields too. */
const REFUSALS: Readonly<Record<Exclude<PythonOutcome, 'succeeded'>, Refusal>> = {
  does_not_compile: ['malformed', 'CODE_DOES_NOT_COMPILE', 'The code is not valid Python. error_line says where.'],
  failed: ['failed', 'CODE_FAILED', 'The code ended with an error. stderr has the traceback.'],
  timed_out: ['timed_out', 'CODE_TIMED_OUT', 'The code ran out of time. Raise timeout or do less at once.'],
  out_of_memory: [
    'out_of_memory',
    'CODE_OUT_OF_MEMORY',
    'The code ran out of memory. Raise max_memory_mb or hold less.',
  ],
  cancelled: ['unavailable', 'CODE_CANCELLED', 'The run was ended by us before it finished. Send the request again.'],
};

/** Code that people run by hand, each run on record. */
@Injectable()
export class CodeRunsService {
  constructor(
    private readonly codeSecurity: CodeSecurityService,
    private readonly audit: AuditService,
    private readonly transactions: Transactions,
  ) {}

  /** Throws DomainError for every outcome but success, with the fields of the result as extensions. */
  async execute(principal: Principal, actor: Actor, body: ExecuteBody, signal: AbortSignal): Promise<ExecutionView> {
    const job = this.jobOf(body);
    const result = await this.codeSecurity.runPython(job, { signal });
    await this.record(principal, actor, job, result);
    const { outcome, output: _, ...fields } = result;
    if (outcome === 'succeeded') return { success: true, ...fields };
    const [kind, code, message] = REFUSALS[outcome];
    throw new DomainError(kind, code, message, { extensions: { success: false, ...fields } });
  }

  private jobOf(body: ExecuteBody): PythonJob {
    return {
      code: body.code,
      timeoutSeconds: body.timeout,
      maxMemoryMb: body.max_memory_mb ?? this.codeSecurity.limits().max_memory_mb.default,
      globals: body.globals ?? {},
      locals: body.locals ?? {},
      captureLocals: body.capture_locals,
    };
  }

  /** The hash, not the code: it proves what ran without keeping what may be secret. */
  private async record(principal: Principal, actor: Actor, job: PythonJob, result: PythonResult): Promise<void> {
    const details = {
      code_sha256: createHash('sha256').update(job.code).digest('hex'),
      timeout: job.timeoutSeconds,
      max_memory_mb: job.maxMemoryMb,
      outcome: result.outcome,
      error_type: result.error_type,
      execution_time: result.execution_time,
      memory_used_mb: result.memory_used_mb,
    };
    const { organization_id } = principal;
    const subject = { type: 'code_run', id: uuidv7() };
    await this.transactions.run((tx) =>
      this.audit.record(tx, actor, { organization_id, action: 'code.executed', subject, details }),
    );
  }
}
