import { Injectable, Logger } from '@nestjs/common';
import { CodeSecurityService } from '../code-security/code-security.service.js';
import type { PythonOutcome, PythonResult } from '../code-security/sandbox/sandbox-driver.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import type { BegunNode } from './begin-node.js';
import type { NodeOutcome } from './node-outcome.js';
import type { StepLogs } from './step.entity.js';
import type { OpenStep } from './turn-state.js';

/** What is kept of each stream of a step; the rest is cut off and said to be. Characters. */
const MAX_LOG_LENGTH = 65_536;

/** Between two tries to get a sandbox when all are taken. */
const POSTPONE_SECONDS = 1;

const FAILURE_CODES: Readonly<
  Record<Exclude<PythonOutcome, 'succeeded' | 'cancelled'>, [code: string, retryable: boolean]>
> = {
  does_not_compile: ['CODE_DOES_NOT_COMPILE', false],
  failed: ['CODE_FAILED', true],
  timed_out: ['CODE_TIMED_OUT', true],
  out_of_memory: ['CODE_OUT_OF_MEMORY', true],
};

/** Runs the nodes that take their time. Whatever happens comes back as an outcome. */
@Injectable()
export class NodeRunner {
  private readonly logger = new Logger(NodeRunner.name);

  constructor(private readonly codeSecurity: CodeSecurityService) {}

  async run(begun: BegunNode & { kind: 'slow' }, step: OpenStep, signal: AbortSignal): Promise<NodeOutcome> {
    const { code, timeout_seconds, max_memory_mb } = begun.node.data;
    try {
      const result = await this.codeSecurity.runPython(
        {
          code,
          timeoutSeconds: timeout_seconds,
          maxMemoryMb: max_memory_mb,
          globals: { input: step.input },
          resultVariable: 'output',
        },
        { signal },
      );
      return outcomeOf(result);
    } catch (error) {
      return this.withoutResult(error);
    }
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

function outcomeOf(result: PythonResult): NodeOutcome {
  const logs = logsOf(result);
  if (result.outcome === 'succeeded') {
    return { kind: 'completed', output: result.output as JsonValue, handle: null, logs };
  }
  // Nobody's fault: the process stops, or the turn is over. Whoever takes the execution next runs it.
  if (result.outcome === 'cancelled') return { kind: 'postponed', seconds: 0 };
  const [code, retryable] = FAILURE_CODES[result.outcome];
  const { error_type, error_message, error_line } = result;
  const place = error_line === null ? '' : ` (line ${error_line})`;
  const message = `${error_type ?? result.outcome}: ${error_message ?? 'no message'}${place}`;
  return { kind: 'failed', failure: { code, message, details: { error_type, error_line } }, retryable, logs };
}

function logsOf({ stdout, stderr }: PythonResult): StepLogs {
  return { stdout: shortened(stdout), stderr: shortened(stderr) };
}

function shortened(text: string): string {
  return text.length <= MAX_LOG_LENGTH ? text : `${text.slice(0, MAX_LOG_LENGTH).toWellFormed()}\n… cut off`;
}
