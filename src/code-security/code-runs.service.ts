import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { DomainError, type ErrorKind, type Problem } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { type AskedRun, CodeHistoryService } from './code-history.service.js';
import { CodePolicyService, type OrganizationCodePolicy } from './code-policy.service.js';
import type { ExecuteBody, ExecutionView } from './code-security.dto.js';
import { CodeSecurityService, type Limit } from './code-security.service.js';
import { isInNetworks } from './match-address.js';
import type { CodeJob, CodeOutcome, CodeResult } from './sandbox/sandbox-driver.js';

type Refusal = [kind: ErrorKind, code: string, message: string];

/** What each outcome but success is to a caller; the problem document carries the result's fields too. */
const REFUSALS: Readonly<Record<Exclude<CodeOutcome, 'succeeded'>, Refusal>> = {
  does_not_compile: ['malformed', 'CODE_DOES_NOT_COMPILE', 'The code cannot be compiled. error_line says where.'],
  failed: ['failed', 'CODE_FAILED', 'The code ended with an error. stderr has the traceback.'],
  timed_out: ['timed_out', 'CODE_TIMED_OUT', 'The code ran out of time. Raise timeout or do less at once.'],
  out_of_memory: [
    'out_of_memory',
    'CODE_OUT_OF_MEMORY',
    'The code ran out of memory. Raise max_memory_mb or hold less.',
  ],
  cancelled: ['unavailable', 'CODE_CANCELLED', 'The run was ended by us before it finished. Send the request again.'],
};

/** Runs of one person that may wait for a place. */
const MAY_WAIT = 20;

type Limits = ReturnType<CodeSecurityService['limits']>;

/** Code that people run by hand, each run on record. */
@Injectable()
export class CodeRunsService {
  constructor(
    private readonly codeSecurity: CodeSecurityService,
    private readonly policies: CodePolicyService,
    private readonly history: CodeHistoryService,
  ) {}

  /**
   * Throws DomainError for every outcome but success, with the fields of the result as extensions; for more than the
   * limits allow; for an address that the organization does not allow; and as `CodeSecurityService.run` does.
   */
  async execute(principal: Principal, actor: Actor, body: ExecuteBody, signal: AbortSignal): Promise<ExecutionView> {
    const policy = await this.policies.find(principal.organization_id);
    const job = jobOf(body, this.limitsUnder(policy));
    const code_sha256 = createHash('sha256').update(job.code).digest('hex');
    const run = { id: uuidv7(), principal, actor, job, code_sha256 };
    return answerOf(run.id, await this.runOnRecord(run, policy, signal));
  }

  /** What one run of the organization may have. */
  async limits(organizationId: string): Promise<Limits> {
    return this.limitsUnder(await this.policies.find(organizationId));
  }

  private limitsUnder({ max_timeout_seconds, max_memory_mb }: OrganizationCodePolicy): Limits {
    const host = this.codeSecurity.limits();
    const timeout = atMost(host.timeout, max_timeout_seconds);
    return { ...host, timeout, max_memory_mb: atMost(host.max_memory_mb, max_memory_mb) };
  }

  private async runOnRecord(run: AskedRun, policy: OrganizationCodePolicy, signal: AbortSignal): Promise<CodeResult> {
    try {
      mustComeFrom(policy, run.actor);
      return await this.runInHistory(run, signal);
    } catch (error) {
      if (error instanceof DomainError) await this.history.refuse(run, error.code);
      throw error;
    }
  }

  /** The row is written while the code runs, so that its commit makes nobody wait. */
  private async runInHistory(run: AskedRun, signal: AbortSignal): Promise<CodeResult> {
    const admitted: { queuedSeconds: number; write: () => Promise<void>; written: Promise<void> }[] = [];
    const onAdmitted = (seconds: number) => {
      const queuedSeconds = Number(seconds.toFixed(4));
      const write = () => this.history.begin(run, queuedSeconds, this.codeSecurity.health().driver);
      const written = write();
      written.catch(() => undefined); // it is awaited below, perhaps only after it failed
      admitted.push({ queuedSeconds, write, written });
    };
    const options = { signal, party: run.principal.user_id, mayWait: MAY_WAIT, onAdmitted };
    const [ended] = await Promise.allSettled([this.codeSecurity.run(run.job, options)]);
    const [admission] = admitted;
    // What ran is on record, also if the database was gone for a moment meanwhile.
    await admission?.written.catch(admission.write);
    if (ended.status === 'rejected') throw ended.reason;
    if (admission) await this.history.end(run, admission.queuedSeconds, ended.value);
    else await this.history.refuse(run, REFUSALS.cancelled[1]); // its caller went away while it waited
    return ended.value;
  }
}

function atMost(limit: Limit, most: number): Limit {
  const max = Math.min(limit.max, most);
  return { ...limit, max, default: Math.min(limit.default, max) };
}

/** @throws DomainError VALIDATION_FAILED */
function jobOf(body: ExecuteBody, limits: Limits): CodeJob {
  const { timeout = limits.timeout.default, max_memory_mb = limits.max_memory_mb.default } = body;
  const problems = [
    ...overLimit('timeout', timeout, limits.timeout, 's'),
    ...overLimit('max_memory_mb', max_memory_mb, limits.max_memory_mb, 'MB'),
  ];
  if (problems.length > 0) {
    const message = problems.map((problem) => problem.message).join(' ');
    throw new DomainError('invalid', 'VALIDATION_FAILED', message, { errors: problems });
  }
  return {
    language: body.language,
    code: body.code,
    timeoutSeconds: timeout,
    maxMemoryMb: max_memory_mb,
    globals: body.globals ?? {},
    locals: body.locals ?? {},
    captureLocals: body.capture_locals,
  };
}

function overLimit(field: string, value: number, { max }: Limit, unit: string): Problem[] {
  if (value <= max) return [];
  const message = `Your organization and this host allow at most ${max} ${unit} as ${field}, not ${value}.`;
  return [{ pointer: `/${field}`, code: 'TOO_BIG', message }];
}

/** @throws DomainError ADDRESS_NOT_ALLOWED */
function mustComeFrom({ allowed_addresses: allowed }: OrganizationCodePolicy, { address }: Actor): void {
  if (allowed.length === 0 || isInNetworks(address, allowed)) return;
  const message = `Your organization does not allow running code from ${address ?? 'an unknown address'}. Ask an admin to add it to the policy.`;
  throw new DomainError('forbidden', 'ADDRESS_NOT_ALLOWED', message);
}

function answerOf(execution_id: string, result: CodeResult): ExecutionView {
  const { outcome, output: _, ...fields } = result;
  if (outcome === 'succeeded') return { success: true, ...fields, execution_id };
  const [kind, code, message] = REFUSALS[outcome];
  throw new DomainError(kind, code, message, { extensions: { success: false, ...fields, execution_id } });
}
