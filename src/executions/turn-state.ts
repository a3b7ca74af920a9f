import { storable } from '../platform/database/storable.js';
import { advance, errorHandle, leaveNode, type Start } from '../workflows/engine/advance-execution.js';
import type { NodeData } from '../workflows/engine/definition.js';
import type { ExpressionNames, StepOutput } from '../workflows/engine/expression.js';
import { type Graph, nodeOf } from '../workflows/engine/graph.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import { type ActiveStep, type Marking, markingOf, withStep } from '../workflows/engine/marking.js';
import { packMarking, unpackMarking } from '../workflows/engine/packed-marking.js';
import { isOvertaken } from '../workflows/engine/overtaken.js';
import { retryDelaySeconds } from '../workflows/engine/retry-delay.js';
import { compensationOf, Compensations } from './compensation.js';
import type { Failure } from './execution.entity.js';
import type { NodeOutcome } from './node-outcome.js';
import { eventOf, keyOf, type Settled, type StepKey } from './settled.js';
import { SNAPSHOT_FORMAT, SNAPSHOT_STEPS, type Snapshot } from './snapshot.js';
import { failedOutput, StepOutputs } from './step-outputs.js';
import type { Claim, StepRow, StepWrite } from './turn.repository.js';

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
  /** What it waits for, where that has a name. */
  signal?: string | null | undefined;
  correlation_key?: string | null | undefined;
  since: number;
}

/** What comes next. */
export interface Plan {
  starts: Start[];
  cancels: ActiveStep[];
  ended: boolean;
}

/** What a turn does not know by itself. */
export interface Chance {
  /** Milliseconds of a clock that only goes forward. */
  now: () => number;
  /** From 0 to 1. */
  random: () => number;
  newId: () => string;
}

/** What a turn knows of its execution. Only this class changes it; it touches nothing outside. */
export class TurnState {
  marking: Marking;
  readonly open = new Map<string, OpenStep>();
  /** The failure that ends the execution, once there is one. */
  failure: Failure | null = null;
  /** An `end` that ends everything has been reached. */
  terminated = false;
  /** Whether something would have to be undone. */
  compensable: boolean;
  private readonly outputs: StepOutputs;
  private readonly compensations: Compensations;

  constructor(
    readonly claim: Claim,
    readonly graph: Graph,
    /** In the order in which they ended, open ones last. */
    rows: StepRow[],
    private readonly chance: Chance,
    /** With it, `rows` are only those that it asks for. */
    snapshot: Snapshot | null = null,
  ) {
    this.outputs = new StepOutputs(graph);
    this.compensations = new Compensations(graph);
    this.marking = snapshot ? unpackMarking(snapshot.marking) : markingOf(graph, rows);
    this.compensable = claim.compensable;
    for (const row of rows) this.take(row);
  }

  /** What the expressions of a node see when it starts. */
  namesFor(start: Pick<Start, 'consumed'>): ExpressionNames {
    return this.outputs.names(this.claim, this.claim.ending ? this.compensations.outputFor(start) : undefined);
  }

  get output(): JsonValue {
    return this.outputs.final;
  }

  /** Why the execution that is being undone ends, and what could not be undone. */
  get endingError(): Failure | null {
    const { error } = this.claim;
    const { failures } = this.compensations;
    if (failures.length === 0) return error;
    const message = `What ${failures.join(', ')} should have undone is not undone; see the errors of these steps.`;
    return { code: 'COMPENSATION_FAILED', message, ...error, details: { compensations_failed: failures } };
  }

  /** For who goes on after this turn; null where reading all steps is as quick. */
  get snapshot(): Snapshot | null {
    const steps = [...this.marking.started.values()].reduce((sum, count) => sum + count, 0);
    if (steps < SNAPSHOT_STEPS || this.claim.ending) return null;
    return { format: SNAPSHOT_FORMAT, marking: packMarking(this.marking), kept: this.outputs.kept };
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
    return Math.max(0, (step.due_in ?? 0) - (this.chance.now() - step.since) / 1000);
  }

  /** What the graph, or what is left to undo, asks for now. */
  plan(): Plan {
    if (this.claim.ending) {
      const next = this.open.size === 0 ? this.compensations.next : undefined;
      return { starts: next ? [next] : [], cancels: [], ended: !next && this.open.size === 0 };
    }
    const { failure, ...plan } = advance(this.graph, this.marking);
    this.failure ??= failure ?? null;
    return plan;
  }

  /** Something else has ended first that makes it too late. */
  isOvertaken({ node_id, iteration }: OpenStep): boolean {
    const active = this.marking.active.find((step) => step.node_id === node_id && step.iteration === iteration);
    return active !== undefined && isOvertaken(this.graph, this.marking, active);
  }

  begin(step: Start, input: JsonValue): OpenStep {
    const open: OpenStep = { ...step, input, attempt: 1, status: 'running', since: this.chance.now() };
    this.open.set(keyOf(open), open);
    if (this.claim.ending) this.compensations.take({ ...open, output: null, kept: false });
    else this.mark(open, 'running', []);
    return open;
  }

  /** The commit that made it start is no part of the time it takes. */
  startClock(step: OpenStep): void {
    step.since = this.chance.now();
  }

  /** The next attempt of a step whose wait is over. */
  retry(step: OpenStep): void {
    step.attempt += 1;
    step.status = 'running';
    step.due_in = step.due_at = undefined;
    step.postponed = false;
    step.since = this.chance.now();
  }

  /** The database's clock says when moments are due. */
  setNow(databaseNow: number): void {
    for (const step of this.open.values()) {
      if (step.due_at === undefined) continue;
      step.due_in = Math.max(0, (Date.parse(step.due_at) - databaseNow) / 1000);
      step.due_at = undefined;
      step.since = this.chance.now();
    }
  }

  /** What a result means for the step, the graph and the record. */
  settle(step: OpenStep, outcome: NodeOutcome): Settled {
    switch (outcome.kind) {
      case 'completed':
        return this.complete(step, outcome);
      case 'failed':
        return this.fail(step, outcome);
      case 'parked':
        return this.park(step, outcome.content);
      case 'delayed':
        return this.wait(step, outcome, 'delay');
      case 'awaiting_signal':
        return this.awaitSignal(step, outcome);
      case 'spawned':
        return this.spawn(step, outcome.family);
      case 'postponed':
        return this.backOff({ ...step, attempt: step.attempt - 1, postponed: true }, outcome.seconds, {}, []);
    }
  }

  /** Its work is no longer wanted. */
  cancel(step: OpenStep): Settled {
    this.close(step, 'cancelled', []);
    const beside = step.status === 'waiting' ? { abandoned: [step] } : {};
    return { steps: [this.write(step, 'cancelled', {})], events: [eventOf('step.cancelled', step)], beside };
  }

  /** The row of a step as it begins to run; only steps that take long are written before they end. */
  started(step: OpenStep): Settled {
    return { steps: [this.write(step, 'running', { input: step.input })], events: [eventOf('step.started', step)] };
  }

  private complete(step: OpenStep, outcome: NodeOutcome & { kind: 'completed' }): Settled {
    const { output, handle, logs, signal_id } = outcome;
    const left = this.leave(step, handle, { output });
    if (!left.ok) return this.fail(step, { kind: 'failed', failure: left.failure, retryable: false });
    const { data } = nodeOf(this.graph, step.node_id);
    this.close(step, 'completed', left.fired);
    this.keep(step, output);
    this.terminated ||= 'terminate' in data && data.terminate;
    this.compensable ||= compensationOf(this.graph, step.node_id) !== undefined;
    return {
      steps: [this.write(step, 'completed', { output, fired: left.fired, logs: logs ?? null })],
      events: [eventOf('step.completed', step, handle === null ? undefined : { handle })],
      beside: signal_id === undefined ? {} : { taken: [signal_id] },
    };
  }

  private fail(step: OpenStep, outcome: NodeOutcome & { kind: 'failed' }): Settled {
    const failure = { ...outcome.failure, node_id: step.node_id, iteration: step.iteration };
    const seconds = step.status === 'waiting' ? null : this.retryIn(step, outcome);
    const logs = outcome.logs ?? null;
    if (seconds !== null) {
      const data = { ...failure, attempt: step.attempt, retry_in_seconds: seconds };
      const events = [eventOf('step.retry_scheduled', step, data)];
      const settled = this.backOff(step, seconds, { error: failure, logs }, events);
      return { ...settled, attempts: [this.attemptOf(step, failure, logs)] };
    }
    return this.failForGood(step, failure, logs);
  }

  /** Fails the execution, unless the definition says where to go on. */
  private failForGood(step: OpenStep, failure: Failure, logs: StepWrite['logs']): Settled {
    const route = this.claim.ending ? undefined : errorHandle(this.graph, step.node_id);
    const left = route && this.leave(step, route.handle, failedOutput(failure));
    const fired = left?.ok ? left.fired : [];
    const error = left?.ok ? { ...failure, handled: true } : failure;
    this.close(step, 'failed', fired);
    if (left?.ok) this.outputs.keepError(step, failure);
    else if (this.claim.ending) this.compensations.failures.push(step.node_id);
    else this.failure ??= left ? left.failure : failure;
    return {
      steps: [this.write(step, 'failed', { error, fired, logs: logs ?? null })],
      events: [eventOf('step.failed', step, error)],
      beside: step.status === 'waiting' ? { abandoned: [step] } : {},
    };
  }

  private retryIn(step: OpenStep, { failure, retryable }: NodeOutcome & { kind: 'failed' }): number | null {
    const policy = nodeOf(this.graph, step.node_id).data.retry;
    const worthwhile = policy.on ? policy.on.includes(failure.code) : retryable;
    return worthwhile ? retryDelaySeconds(policy, step.attempt, this.chance.random()) : null;
  }

  private leave(step: OpenStep, handle: string | null, given: StepOutput) {
    if (this.claim.ending) return { ok: true as const, fired: [] };
    const names = this.outputs.names(this.claim, [step.node_id, given]);
    const left = leaveNode(this.graph, step.node_id, handle, names);
    if (left.ok) return left;
    const { code, message } = left.error;
    const { node_id, iteration } = step;
    return { ok: false as const, failure: storable({ code, message, details: left.error, node_id, iteration }) };
  }

  private park(step: OpenStep, content: (NodeOutcome & { kind: 'parked' })['content']): Settled {
    const { organization_id, id: execution_id, workflow_id, version, started_by: requested_by } = this.claim;
    const { node_id, iteration } = step;
    const of = { organization_id, execution_id, workflow_id, version };
    const parked = [{ ...content, ...of, node_id, iteration, requested_by }];
    return { ...this.wait(step, this.timeoutOf(step), 'checkpoint'), beside: { parked } };
  }

  private awaitSignal(step: OpenStep, { signal, correlation_key }: NodeOutcome & { kind: 'awaiting_signal' }): Settled {
    const named = { ...step, signal, correlation_key };
    return { ...this.wait(named, this.timeoutOf(step), 'signal'), beside: { waits: [{ signal, correlation_key }] } };
  }

  private spawn(step: OpenStep, family: (NodeOutcome & { kind: 'spawned' })['family']): Settled {
    const { node_id, iteration } = step;
    const ids = family.items.map(() => this.chance.newId());
    const beside = { families: [{ ...family, node_id, iteration, ids }] };
    if (family.attached && ids.length > 0) return { ...this.wait(step, this.timeoutOf(step), 'children'), beside };
    const started: JsonValue = family.isMap ? { count: ids.length } : { execution_id: ids[0] ?? null };
    const output = family.attached ? [] : started;
    return { ...this.complete(step, { kind: 'completed', output, handle: null }), beside };
  }

  private timeoutOf(step: OpenStep): Pick<OpenStep, 'due_in'> {
    const data: Partial<NodeData<'wait'>> = nodeOf(this.graph, step.node_id).data;
    return { due_in: data.timeout_seconds };
  }

  private wait(
    step: OpenStep,
    due: Pick<OpenStep, 'due_in' | 'due_at'>,
    reason: 'checkpoint' | 'delay' | 'signal' | 'children',
  ): Settled {
    this.hold(step, 'waiting', due);
    const { signal, correlation_key } = step;
    return {
      steps: [this.write(step, 'waiting', { due_in: due.due_in, due_at: due.due_at, signal, correlation_key })],
      events: [eventOf('step.waiting', step, { for: reason })],
    };
  }

  private backOff(step: OpenStep, seconds: number, fields: Partial<StepWrite>, events: Settled['events']): Settled {
    this.hold(step, 'backing_off', { due_in: seconds });
    return { steps: [this.write(step, 'backing_off', { ...fields, due_in: seconds })], events };
  }

  private hold(step: OpenStep, status: 'waiting' | 'backing_off', due: Pick<OpenStep, 'due_in' | 'due_at'>): void {
    this.open.set(keyOf(step), { ...step, status, due_in: due.due_in, due_at: due.due_at, since: this.chance.now() });
    if (!this.claim.ending) this.mark(step, status, []);
  }

  private close(step: OpenStep, status: 'completed' | 'failed' | 'cancelled', fired: string[]): void {
    this.open.delete(keyOf(step));
    if (!this.claim.ending) this.mark(step, status, fired);
  }

  private mark(step: OpenStep, status: StepRow['status'], fired: string[]): void {
    const { node_id, iteration, consumed } = step;
    this.marking = withStep(this.graph, this.marking, { node_id, iteration, status, consumed, fired });
  }

  /** Takes in a row as the database has it. */
  private take(row: StepRow): void {
    if (this.claim.ending) this.compensations.take(row);
    if (row.status === 'running' || row.status === 'waiting' || row.status === 'backing_off') {
      this.open.set(keyOf(row), openStep(row, this.chance.now()));
    } else if (row.status === 'completed') {
      this.keep(row, row.output as JsonValue);
    } else if (row.status === 'failed' && row.error?.handled) {
      this.outputs.keepError(row, row.error);
    } else if (row.status === 'failed' && !this.claim.ending) {
      this.failure ??= row.error ?? { code: 'STEP_FAILED', message: 'A step failed.' };
    }
  }

  /** Too much of it fails the execution, but what has failed is undone whatever it holds. */
  private keep(key: StepKey, output: JsonValue): void {
    const tooLarge = this.outputs.keep(key, output);
    if (!this.claim.ending) this.failure ??= tooLarge;
  }

  private write(step: OpenStep, status: StepRow['status'], fields: Partial<StepWrite>): StepWrite {
    const { node_id, iteration, attempt, consumed, input } = step;
    const node_type = nodeOf(this.graph, node_id).type;
    const row = { node_id, iteration, node_type, status, attempt, consumed, fired: [], input, ...fields };
    const ahead = this.claim.clock_ahead;
    if (ahead === undefined) return row;
    return { ...row, began: (step.since + ahead) / 1000, ended: (this.chance.now() + ahead) / 1000 };
  }

  private attemptOf(step: OpenStep & StepKey, error: Failure, logs: StepWrite['logs']) {
    const { node_id, iteration, attempt } = step;
    return { node_id, iteration, attempt, error, logs: logs ?? null, took: this.tookOf(step) };
  }

  private tookOf(step: OpenStep): number {
    return (this.chance.now() - step.since) / 1000;
  }
}

function openStep(row: StepRow, since: number): OpenStep {
  const { node_id, iteration, attempt, consumed, signal, correlation_key } = row;
  const status = row.status as OpenStep['status'];
  const due_in = row.due_in ?? undefined;
  const postponed = status === 'backing_off' && row.error === null;
  const input = row.input as JsonValue;
  return { node_id, iteration, attempt, consumed, input, status, postponed, due_in, signal, correlation_key, since };
}
