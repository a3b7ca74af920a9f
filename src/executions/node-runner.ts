import { Injectable, Logger } from '@nestjs/common';
import { Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { HttpOutcome } from '../platform/outbound/http-outcome.js';
import { HttpSender } from '../platform/outbound/http-sender.js';
import type { HttpRequest } from '../platform/outbound/prepare-request.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import { WorkflowsService } from '../workflows/workflows.service.js';
import type { SlowNode } from './begin-node.js';
import { CodeRunner } from './code-runner.js';
import type { NodeOutcome } from './node-outcome.js';
import type { OpenStep } from './turn-state.js';
import type { Claim } from './turn.repository.js';

/** Between two tries to get a sandbox when all are taken. */
const POSTPONE_SECONDS = 1;

/** Runs the nodes that take their time. Whatever happens comes back as an outcome. */
@Injectable()
export class NodeRunner {
  private readonly logger = new Logger(NodeRunner.name);

  constructor(
    private readonly codeRunner: CodeRunner,
    private readonly sender: HttpSender,
    private readonly transactions: Transactions,
    private readonly workflows: WorkflowsService,
  ) {}

  async run(node: SlowNode, step: OpenStep, claim: Claim, signal: AbortSignal): Promise<NodeOutcome> {
    try {
      switch (node.type) {
        case 'code':
          return await this.codeRunner.run(node, step, claim, signal);
        case 'http':
          return await this.sendRequest(node, step, claim, signal);
        default:
          return await this.spawn(node, step, claim);
      }
    } catch (error) {
      return this.withoutResult(error);
    }
  }

  private async sendRequest({ data }: SlowNode & { type: 'http' }, step: OpenStep, claim: Claim, signal: AbortSignal) {
    const request = step.input as unknown as HttpRequestOfNode;
    const idempotencyKey = `${claim.id}:${step.node_id}:${step.iteration}`;
    const { method, timeout_seconds: timeoutSeconds } = data;
    const answer = await this.sender.send({ ...request, method, timeoutSeconds, idempotencyKey, signal });
    return answerOf(answer, data.success_statuses);
  }

  private async spawn({ id, data, type }: SlowNode & { type: 'workflow' | 'map' }, { input }: OpenStep, claim: Claim) {
    if (data.workflow_id === undefined) throw new Error(`node ${id} names no workflow`);
    const { workflow_id, wait: attached } = data;
    const { version } = await this.transactions.read((tx) =>
      this.workflows.startable(tx, claim.organization_id, workflow_id, data.version),
    );
    const isMap = type === 'map';
    const items = isMap ? (input as JsonValue[]) : [input];
    const concurrency = isMap ? data.concurrency : 1;
    const family = { workflow_id, version, scope: '', items, isMap, concurrency, attached };
    return { kind: 'spawned' as const, family };
  }

  private withoutResult(error: unknown): NodeOutcome {
    if (error instanceof DomainError && error.kind === 'too_many')
      return { kind: 'postponed', seconds: POSTPONE_SECONDS };
    if (error instanceof DomainError) {
      return { kind: 'failed', failure: { code: error.code, message: error.message }, retryable: true };
    }
    this.logger.error(error instanceof Error ? error : String(error));
    const message = 'The step broke on our side. The log of the worker says how.';
    return { kind: 'failed', failure: { code: 'INTERNAL_ERROR', message }, retryable: true };
  }
}

/** As `beginNode` makes it of the node. */
type HttpRequestOfNode = Pick<HttpRequest, 'url' | 'headers' | 'body'>;

/** Statuses that may pass by themselves (RFC 9110; 425 and 429 of RFC 8470 and RFC 6585). */
const PASSING_STATUSES = new Set([408, 425, 429, 500, 502, 503, 504]);

function answerOf(answer: HttpOutcome, successStatuses: readonly number[] | undefined): NodeOutcome {
  if (!answer.ok) {
    const { code, message, retryable } = answer;
    if (code === 'HTTP_CANCELLED') return { kind: 'postponed', seconds: 0 };
    return { kind: 'failed', failure: { code, message }, retryable };
  }
  const { status, headers, body } = answer;
  const succeeded = successStatuses ? successStatuses.includes(status) : status >= 200 && status < 300;
  if (succeeded) return { kind: 'completed', output: { status, headers, body: body as JsonValue }, handle: null };
  const message = `The answer has the status ${status}. Look at its body in the details, or name the status in success_statuses.`;
  const details = { status, body: JSON.stringify(body).slice(0, MAX_BODY_SHOWN).toWellFormed() };
  return {
    kind: 'failed',
    failure: { code: 'HTTP_STATUS', message, details },
    retryable: PASSING_STATUSES.has(status),
  };
}

/** Characters of the JSON of an answer that are kept with the failure. */
const MAX_BODY_SHOWN = 2_000;
