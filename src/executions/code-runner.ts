import { Injectable, Logger } from '@nestjs/common';
import { CodePolicyService } from '../code-security/code-policy.service.js';
import { CodeSecurityService } from '../code-security/code-security.service.js';
import type { CodeOutcome, CodeResult } from '../code-security/sandbox/sandbox-driver.js';
import { Settings } from '../config/settings.js';
import { Transactions } from '../platform/database/transactions.js';
import { type Revealed, SecretsService } from '../secrets/secrets.service.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import type { SlowNode } from './begin-node.js';
import { LiveLogs, logsOf } from './live-logs.js';
import type { NodeOutcome } from './node-outcome.js';
import { StepLogsRepository } from './step-logs.repository.js';
import type { OpenStep } from './turn-state.js';
import type { Claim } from './turn.repository.js';

type CodeNode = SlowNode & { type: 'code' };

/** Before the next try where the database could not be asked. */
const POSTPONE_SECONDS = 1;

/** Of the secrets of one node together. Characters: what hides so many is made ready in 0.3 s, in portions. */
const MOST_SECRET_TEXT = 16_384;

const FAILURE_CODES: Readonly<
  Record<Exclude<CodeOutcome, 'succeeded' | 'cancelled'>, [code: string, retryable: boolean]>
> = {
  does_not_compile: ['CODE_DOES_NOT_COMPILE', false],
  failed: ['CODE_FAILED', true],
  timed_out: ['CODE_TIMED_OUT', true],
  out_of_memory: ['CODE_OUT_OF_MEMORY', true],
};

/** Runs `code` nodes: with the secrets they name, within the limits of all who have a word, and heard while they run. */
@Injectable()
export class CodeRunner {
  private readonly logger = new Logger(CodeRunner.name);

  constructor(
    private readonly settings: Settings,
    private readonly codeSecurity: CodeSecurityService,
    private readonly policies: CodePolicyService,
    private readonly secrets: SecretsService,
    private readonly transactions: Transactions,
    private readonly logs: StepLogsRepository,
  ) {}

  /** @throws DomainError where no code runs here */
  async run(node: CodeNode, step: OpenStep, claim: Claim, signal: AbortSignal): Promise<NodeOutcome> {
    const terms = await this.askFor(claim.organization_id, node.data);
    if (!terms) return { kind: 'postponed', seconds: POSTPONE_SECONDS };
    const refused = refusalOf(terms.revealed);
    if (refused) return { kind: 'failed', failure: refused, retryable: false };
    const live = new LiveLogs((logs) => this.transactions.read((tx) => this.logs.write(tx, claim, step, logs)));
    try {
      const job = { ...jobOf(node, step), ...terms.limits, secrets: terms.revealed.values };
      const party = `organization:${claim.organization_id}`;
      // The room that the queue has for steps: one wide workflow must not take that of everybody.
      const mayWait = this.settings.WORKER_CONCURRENCY;
      return outcomeOf(node, await this.codeSecurity.run(job, { signal, party, mayWait, onOutput: live.hear }));
    } finally {
      await live.end();
    }
  }

  /** As it is now, so that a change acts on the next try. Null when it cannot be read at this moment. */
  private async askFor(organizationId: string, data: CodeNode['data']) {
    try {
      const [limits, revealed] = await Promise.all([
        this.limitsOf(organizationId, data),
        this.transactions.read((tx) => this.secrets.reveal(tx, organizationId, data.secrets)),
      ]);
      return { limits, revealed };
    } catch (error) {
      this.logger.warn(`could not read what code of ${organizationId} may use: ${String(error)}`);
      return null;
    }
  }

  /** What the organization does not allow and the host does not give is not asked for. */
  private async limitsOf(organizationId: string, { timeout_seconds, max_memory_mb }: CodeNode['data']) {
    const policy = await this.policies.find(organizationId);
    const host = this.codeSecurity.limits();
    return {
      timeoutSeconds: Math.min(timeout_seconds, policy.max_timeout_seconds),
      maxMemoryMb: Math.min(max_memory_mb, policy.max_memory_mb, host.max_memory_mb.max),
    };
  }
}

function jobOf({ id, data }: CodeNode, step: OpenStep) {
  const { language, code } = data;
  return { language, code, name: nameOf(id), globals: { input: step.input }, resultVariable: 'output' };
}

/** In tracebacks. No name of Python's own has a space, so that none is taken for it. */
function nameOf(nodeId: string): string {
  return `<node ${nodeId}>`;
}

function refusalOf({ values, missing, unreadable }: Revealed): { code: string; message: string } | null {
  if (missing.length > 0) {
    const message = `There is no secret ${missing.join(', ')} in the organization. Set it, or take it out of secrets.`;
    return { code: 'SECRET_MISSING', message };
  }
  if (unreadable.length > 0) {
    const message = `The secret ${unreadable.join(', ')} was sealed under another SECRET_KEY. Set its value again.`;
    return { code: 'SECRET_UNREADABLE', message };
  }
  const length = Object.values(values).reduce((sum, value) => sum + value.length, 0);
  if (length <= MOST_SECRET_TEXT) return null;
  const message = `The secrets of the node have ${length} characters together, more than ${MOST_SECRET_TEXT}. Ask for fewer, or shorter ones.`;
  return { code: 'SECRETS_TOO_LARGE', message };
}

function outcomeOf({ id }: CodeNode, result: CodeResult): NodeOutcome {
  const logs = logsOf(result);
  if (result.outcome === 'succeeded') {
    return { kind: 'completed', output: result.output as JsonValue, handle: null, logs };
  }
  // Nobody's fault: the process stops, or the turn is over. Whoever takes the execution next runs it.
  if (result.outcome === 'cancelled') return { kind: 'postponed', seconds: 0 };
  const [code, retryable] = FAILURE_CODES[result.outcome];
  const { error_type, error_line } = result;
  const details = { error_type, error_line };
  return { kind: 'failed', failure: { code, message: messageOf(id, result), details }, retryable, logs };
}

/** Python's own message of a mistake in the text names the place already. */
function messageOf(nodeId: string, { outcome, error_type, error_message, error_line }: CodeResult): string {
  const message = `${error_type ?? outcome}: ${error_message ?? 'no message'}`;
  const hasPlace = error_line === null || message.includes(nameOf(nodeId));
  return hasPlace ? message : `${message} (${nameOf(nodeId)}, line ${error_line})`;
}
