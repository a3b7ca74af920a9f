import { leaveNode, type Marking, markingOf, withStep } from '../workflows/engine/advance-execution.js';
import type { ExpressionNames, StepOutput } from '../workflows/engine/expression.js';
import { type Graph, nodeOf } from '../workflows/engine/graph.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import { retryDelaySeconds } from '../workflows/engine/retry-delay.js';
import type { NewEvent } from './execution-events.js';
import type { Failure } from './execution.entity.js';
import type { NodeOutcome } from './node-outcome.js';
import type { ParkedContent } from './parked-steps.js';
import type { Claim, StepRow, StepWrite } from './turn.repository.js';

/**
 * Characters of JSON that the latest outputs of all nodes may have together. Expressions can read any of them, so a
 * worker holds them all while it has the turn.
 */
export const MAX_DATA_LENGTH = 32 * 1024 * 1024;

/** A step that has begun and not ended. */
export interface OpenStep {
  node_id: string;
  iteration: number;
  attempt: number;
  consumed: StepRow['consumed'];
  input: JsonValue;
  status: 'running' | 'waiting' | 'backing_off';
  /** It backs off because there was no place to run it, not because it failed. */
  postponed?: boolean | undefined;
  /** When it is due again: seconds counted from `since`, or a moment. */
  due_in?: number | undefined;
  due_at?: string | undefined;
  since: number;
}

/** What one result comes to: rows, events, and what else has to happen in the same transaction. */
export interface Settled {
  steps: StepWrite[];
  events: NewEvent[];
  parked: { step: OpenStep; content: ParkedContent }[];
}

/** What a turn knows of its execution. Only this class changes it; it touches nothing outside. */
export class TurnState {
  marking: Marking;
  readonly open = new Map<string, OpenStep>();
  /** The failure that ends the execution, once there is one. */
  failure: Failure | null = null;
  private readonly outputs = new Map<string, StepOutput>();
  private readonly lengths = new Map<string, number>();
  private length = 0;
  private result: { final: boolean; output: JsonValue } = { final: false, output: null };

  constructor(
    readonly claim: Claim,
    readonly graph: Graph,
    /** In the order in which they ended, open ones last. */
    rows: StepRow[],
    private readonly now: () => number,
    private readonly random: () => number,
  ) {
    this.marking = markingOf(graph, rows);
    for (const row of rows) this.take(row);
  }

  /** The names that expressions see. */
  get names(): ExpressionNames {
    const { id, workflow_id, version, started_by, started_at } = this.claim;
    const execution = { id, workflow_id, version, started_by, started_at: started_at.toISOString() };
    return { input: this.claim.input as JsonValue, steps: this.outputs, execution };
  }

  /** The output of the `end` node reached last, else of the step that ended last. */
  get output(): JsonValue {
    return this.result.output;
  }

  /** Seconds until the first of the open steps is due; undefined when none will be. */
  get nextDue(): { wake_in?: number; wake_at?: string } {
    const waits = [...this.open.values()].filter((step) => step.status !== 'running');
    const relative = waits.flatMap((step) => (step.due_in === undefined ? [] : [this.secondsLeft(step)]));
    const moments = waits
      .flatMap((step) => (step.due_at === undefined ? [] : [step.due_at]))
      .toSorted((a, b) => Date.parse(a) - Date.parse(b));
    return {
      ...(relative.length > 0 ? { wake_in: Math.min(...relative) } : {}),
      ...(moments[0] === undefined ? {} : { wake_at: moments[0] }),
    };
  }

  secondsLeft(step: OpenStep): number {
    return Math.max(0, (step.due_in ?? 0) - (this.now() - step.since) / 1000);
  }

  begin(step: Pick<OpenStep, 'node_id' | 'iteration' | 'consumed'>, input: JsonValue): OpenStep {
    const open: OpenStep = { ...step, input, attempt: 1, status: 'running', since: this.now() };
    this.open.set(keyOf(open), open);
    this.mark(open, 'running', []);
    return open;
  }

  /** The commit that made it start is no part of the time it takes. */
  startClock(step: OpenStep): void {
    step.since = this.now();
  }

  /** The next attempt of a step whose wait is over. */
  retry(step: OpenStep): void {
    step.attempt += 1;
    step.status = 'running';
    step.due_in = step.due_at = undefined;
    step.postponed = false;
    step.since = this.now();
  }

  /** Takes in a row as the database has it: at the beginning, or after somebody else changed it. */
  take(row: StepRow): void {
    const key = keyOf(row);
    if (row.status === 'running' || row.status === 'waiting' || row.status === 'backing_off') {
      const { node_id, iteration, attempt, consumed, input, status } = row;
      const due_in = row.due_in ?? undefined;
      const postponed = status === 'backing_off' && row.error === null;
      const step = { node_id, iteration, attempt, consumed, input: input as JsonValue, status, postponed, due_in };
      this.open.set(key, { ...step, since: this.now() });
      return;
    }
    this.open.delete(key);
    if (row.status === 'completed') this.keepOutput(row.node_id, row.output as JsonValue);
    if (row.status === 'failed') this.failure ??= row.error ?? { code: 'STEP_FAILED', message: 'A step failed.' };
  }

  /** Takes in a step that somebody else has finished, and lets the graph go on from it. */
  takeFinished(row: StepRow): void {
    this.take(row);
    this.marking = withStep(this.graph, this.marking, row);
  }

  /** Takes over from a row how long a delay still lasts; what runs here is left alone. */
  setDue(row: StepRow): void {
    const step = this.open.get(keyOf(row));
    if (step?.status !== 'waiting' || step.due_at === undefined) return;
    step.due_at = undefined;
    step.due_in = row.due_in ?? undefined;
    step.since = this.now();
  }

  /** What a result means for the step, the graph and the record. */
  settle(step: OpenStep, outcome: NodeOutcome): Settled {
    switch (outcome.kind) {
      case 'completed':
        return this.complete(step, outcome);
      case 'failed':
        return this.fail(step, outcome);
      case 'parked':
        return { ...this.wait(step, {}, 'checkpoint'), parked: [{ step, content: outcome.content }] };
      case 'delayed':
        return this.wait(step, outcome, 'delay');
      case 'postponed':
        return this.backOff({ ...step, attempt: step.attempt - 1, postponed: true }, outcome.seconds, {}, []);
    }
  }

  private complete(step: OpenStep, outcome: NodeOutcome & { kind: 'completed' }): Settled {
    const { output, handle, logs } = outcome;
    const names = { ...this.names, steps: new Map(this.outputs).set(step.node_id, { output }) };
    const left = leaveNode(this.graph, step.node_id, handle, names);
    if (!left.ok)
      return this.fail(step, {
        kind: 'failed',
        failure: { code: left.error.code, message: left.error.message, details: left.error },
        retryable: false,
      });
    this.close(step, 'completed', left.fired);
    this.keepOutput(step.node_id, output);
    return {
      steps: [this.write(step, 'completed', { output, fired: left.fired, logs: logs ?? null })],
      events: [eventOf('step.completed', step, handle === null ? undefined : { handle })],
      parked: [],
    };
  }

  private fail(step: OpenStep, outcome: NodeOutcome & { kind: 'failed' }): Settled {
    const failure = { ...outcome.failure, node_id: step.node_id, iteration: step.iteration };
    const policy = nodeOf(this.graph, step.node_id).data.retry;
    const seconds = outcome.retryable ? retryDelaySeconds(policy, step.attempt, this.random()) : null;
    const logs = outcome.logs ?? null;
    if (seconds !== null) {
      const data = { ...failure, attempt: step.attempt, retry_in_seconds: seconds };
      return this.backOff(step, seconds, { error: failure, logs }, [eventOf('step.retry_scheduled', step, data)]);
    }
    this.close(step, 'failed', []);
    this.failure ??= failure;
    return {
      steps: [this.write(step, 'failed', { error: failure, logs })],
      events: [eventOf('step.failed', step, failure)],
      parked: [],
    };
  }

  private wait(step: OpenStep, due: Pick<OpenStep, 'due_in' | 'due_at'>, reason: 'checkpoint' | 'delay'): Settled {
    this.hold(step, 'waiting', due);
    return {
      steps: [this.write(step, 'waiting', { due_in: due.due_in, due_at: due.due_at })],
      events: [eventOf('step.waiting', step, { for: reason })],
      parked: [],
    };
  }

  private backOff(step: OpenStep, seconds: number, fields: Partial<StepWrite>, events: NewEvent[]): Settled {
    this.hold(step, 'backing_off', { due_in: seconds });
    return { steps: [this.write(step, 'backing_off', { ...fields, due_in: seconds })], events, parked: [] };
  }

  private hold(step: OpenStep, status: 'waiting' | 'backing_off', due: Pick<OpenStep, 'due_in' | 'due_at'>): void {
    this.open.set(keyOf(step), { ...step, status, due_in: due.due_in, due_at: due.due_at, since: this.now() });
    this.mark(step, status, []);
  }

  private close(step: OpenStep, status: 'completed' | 'failed', fired: string[]): void {
    this.open.delete(keyOf(step));
    this.mark(step, status, fired);
  }

  private mark(step: OpenStep, status: StepRow['status'], fired: string[]): void {
    const { node_id, iteration, consumed } = step;
    this.marking = withStep(this.graph, this.marking, { node_id, iteration, status, consumed, fired });
  }

  private keepOutput(nodeId: string, output: JsonValue): void {
    const length = JSON.stringify(output).length;
    this.length += length - (this.lengths.get(nodeId) ?? 0);
    this.lengths.set(nodeId, length);
    if (this.length > MAX_DATA_LENGTH) this.failure ??= tooLarge(nodeId);
    this.outputs.set(nodeId, { output });
    const final = nodeOf(this.graph, nodeId).type === 'end';
    if (final || !this.result.final) this.result = { final, output };
  }

  /** The row of a step as it begins to run; only steps that take long are written before they end. */
  written(step: OpenStep): StepWrite {
    return this.write(step, 'running', { input: step.input });
  }

  private write(step: OpenStep, status: StepRow['status'], fields: Partial<StepWrite>): StepWrite {
    const { node_id, iteration, attempt, consumed, input } = step;
    const node_type = nodeOf(this.graph, node_id).type;
    const took = (this.now() - step.since) / 1000;
    return { node_id, iteration, node_type, status, attempt, consumed, fired: [], input, took, ...fields };
  }
}

export function keyOf(step: { node_id: string; iteration: number }): string {
  return `${step.node_id}#${step.iteration}`;
}

export function eventOf(
  type: NewEvent['type'],
  step: { node_id: string; iteration: number },
  data?: unknown,
): NewEvent {
  const { node_id, iteration } = step;
  return { type, node_id, iteration, ...(data === undefined ? {} : { data }) };
}

function tooLarge(node_id: string): Failure {
  const message =
    `With the output of ${node_id} the nodes hold more than ${MAX_DATA_LENGTH} characters of JSON together. ` +
    'Pass references instead of data, or less of it.';
  return { code: 'EXECUTION_TOO_LARGE', message, node_id };
}
