import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { isDuplicate, type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError, notFound } from '../platform/errors/domain-error.js';
import { hashJson } from '../platform/hashing/hash-json.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { stepsBefore } from '../workflows/engine/fork-steps.js';
import { WorkflowsService } from '../workflows/workflows.service.js';
import {
  type ExecutionFilter,
  ExecutionRepository,
  type ListedStep,
  type StepOutline,
} from './execution.repository.js';
import type { Execution } from './execution.entity.js';
import type { NodeOutcome } from './node-outcome.js';
import { LocalWorker } from './local-worker.js';
import { type EndOfStep, OutsideChanges } from './outside-changes.js';
import { QuickStarts } from './quick-starts.js';
import { keyOf, type StepKey } from './settled.js';
import type { StepAttempt } from './step-attempt.entity.js';
import type { Step } from './step.entity.js';
import { type Parked, type StartedExecution, type StepRow, TurnRepository } from './turn.repository.js';
import { WakeUps } from './wake-ups.js';

export type { EndOfStep } from './outside-changes.js';
export type { StartedExecution } from './turn.repository.js';

export type ExecutionWithSteps = Execution & { steps: ListedStep[] };

/** Characters of JSON that the values of steps have in one answer; those of earlier steps are left out, and marked. */
const MAX_VALUES_LENGTH = 16 * 1024 * 1024;

type Owner = Pick<Principal, 'organization_id' | 'user_id'>;

interface NewExecution {
  workflow_id: string;
  /** The current one when left out. */
  version?: number | undefined;
  input: unknown;
  /** From -1 to 1. */
  priority?: number | undefined;
  concurrency_key?: string | undefined;
  idempotency_key?: string | undefined;
}

@Injectable()
export class ExecutionsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ExecutionRepository,
    private readonly workflows: WorkflowsService,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
    private readonly quickStarts: QuickStarts,
    private readonly outsideChanges: OutsideChanges,
    private readonly wakeUps: WakeUps,
    private readonly localWorker: LocalWorker,
    private readonly turns: TurnRepository,
  ) {}

  /**
   * Accepts an execution. Once this returns it will run and end, whatever crashes. With an idempotency key that came
   * before, it answers the execution of that time.
   * @throws DomainError not found; WORKFLOW_INACTIVE; IDEMPOTENCY_KEY_REUSED.
   */
  async start(
    principal: Principal,
    actor: Actor,
    given: NewExecution,
  ): Promise<{ execution: Execution; replayed: boolean }> {
    const before = await this.findStarted(principal, given);
    if (before) return { execution: before, replayed: true };
    try {
      return { execution: await this.startNew(principal, actor, given), replayed: false };
    } catch (error) {
      const twin = isDuplicate(error, 'executions_idempotency_key') && (await this.findStarted(principal, given));
      if (!twin) throw error;
      return { execution: twin, replayed: true };
    }
  }

  private async startNew(owner: Owner, actor: Actor, given: NewExecution): Promise<Execution> {
    const quick = given.concurrency_key === undefined && (await this.quickStarts.start(rowOf(owner, given), actor));
    if (quick) return quick;
    // It says what is wrong, or waits for others with its key.
    const execution = await this.transactions.run((tx) => this.startIn(tx, owner, actor, given));
    if (execution.wake_at) this.wakeUps.wake(execution.id);
    return execution;
  }

  /** Like `start`, as part of a larger transaction; workers find it after the commit. */
  async startIn(tx: Transaction, owner: Owner, actor: Actor, given: NewExecution): Promise<Execution> {
    const row = rowOf(owner, given);
    const { id, organization_id, workflow_id, started_by } = row;
    const { version } = await this.workflows.startable(tx, organization_id, workflow_id, given.version);
    const { concurrency_key = null } = given;
    const event = { type: 'execution.started' as const, data: { started_by } };
    await this.repository.insert(tx, { ...row, version, concurrency_key }, event);
    return this.recordStart(tx, actor, organization_id, id, { workflow_id, version });
  }

  /**
   * Repeats an execution from a step on, as a new one: what came before the step is kept, the step and what follows
   * happens again, decisions included; so does what was undone, for its effects are gone.
   * @throws DomainError not found, also for the step; WORKFLOW_INACTIVE.
   */
  async rerun(principal: Principal, actor: Actor, id: string, from: StepKey): Promise<Execution> {
    const { organization_id, user_id: started_by } = principal;
    const execution = await this.transactions.run(async (tx) => {
      const origin = await this.repository.get(tx, organization_id, id);
      const steps = await this.repository.listOutlines(tx, id);
      if (!steps.some((step) => step.node_id === from.node_id && step.iteration === from.iteration))
        throw noSuchStep(from);
      const { workflow_id, version, input, scope, item_index, priority, concurrency_key } = origin;
      await this.workflows.startable(tx, organization_id, workflow_id, version);
      const copy = {
        id: uuidv7(),
        organization_id,
        workflow_id,
        version,
        input,
        scope,
        item_index,
        priority,
        concurrency_key,
        started_by,
      };
      const fork = { forked_from: id, forked_node: from.node_id, forked_iteration: from.iteration };
      const undone = new Set(steps.flatMap(undoneBy));
      const stands = (step: StepOutline) => endedWell(step) && !undone.has(keyOf(step));
      const kept = stepsBefore(steps.filter(isNoCompensation), from, stands);
      await this.repository.insert(
        tx,
        { ...copy, ...fork },
        { type: 'execution.started', data: { started_by, ...fork } },
      );
      await this.repository.copySteps(tx, id, copy.id, kept);
      return this.recordStart(tx, actor, organization_id, copy.id, { workflow_id, version, ...fork });
    });
    if (execution.wake_at) this.wakeUps.wake(execution.id);
    return execution;
  }

  get(organizationId: string, id: string): Promise<ExecutionWithSteps> {
    return this.transactions.read(async (tx) => {
      const execution = await this.repository.get(tx, organizationId, id);
      return { ...execution, steps: await this.repository.listSteps(tx, id, MAX_VALUES_LENGTH) };
    });
  }

  async list(filter: Omit<ExecutionFilter, 'before'> & { cursor?: string | undefined }) {
    const { cursor, limit, ...wanted } = filter;
    const list = `executions:${wanted.organization_id}:${wanted.workflow_id ?? ''}:${wanted.status ?? ''}`;
    const before = this.cursors.decode(list, cursor);
    const rows = await this.transactions.read(async (tx) => {
      if (wanted.workflow_id) await this.workflows.mustExist(tx, wanted.organization_id, wanted.workflow_id);
      return this.repository.list(tx, { ...wanted, before, limit: limit + 1 });
    });
    return this.cursors.page(list, rows, limit, (execution) => execution.id);
  }

  /** The timeline from just after event number `after`, oldest first. */
  async events(organizationId: string, id: string, after: number, limit: number) {
    return this.transactions.read(async (tx) => {
      await this.repository.get(tx, organizationId, id);
      const rows = await this.repository.listEvents(tx, id, after, limit + 1);
      const data = rows.slice(0, limit);
      return { data, next_after: rows.length > limit ? (data.at(-1)?.seq ?? null) : null };
    });
  }

  /** Every try of a step, the last one included, in their order. */
  async attempts(organizationId: string, id: string, key: StepKey) {
    return this.transactions.read(async (tx) => {
      await this.repository.get(tx, organizationId, id);
      const step = await this.repository.findStep(tx, id, key);
      if (!step) throw noSuchStep(key);
      const earlier = await this.repository.listAttempts(tx, id, key);
      const began = earlier.length > 0 ? await this.repository.findLastStart(tx, id, key) : null;
      return { data: [...earlier.map((attempt) => attemptView(step, attempt)), ...lastAttempt(step, earlier, began)] };
    });
  }

  /** Taken before anything else of the execution, so that holder and people change it one after the other. */
  lock(tx: Transaction, id: string): Promise<Execution> {
    return this.repository.lock(tx, id);
  }

  /**
   * Ends a waiting step in the caller's transaction, which holds `lock`, and lets the execution go on from it. Call
   * `wakeAfterCommit` afterwards. False when the step no longer waits.
   */
  endWaitingStep(tx: Transaction, execution: Execution, key: StepKey, outcome: NodeOutcome): Promise<boolean> {
    return this.outsideChanges.endWaitingStep(tx, execution, key, outcome);
  }

  /** Null where somebody holds it, or it has ended. */
  readParked(tx: Transaction, id: string): Promise<Parked | null> {
    return this.turns.readParked(tx, id);
  }

  /** See `OutsideChanges.prepareEnd`; for who writes it with `decide_parked`. */
  prepareEnd(
    tx: Transaction,
    parked: Parked,
    key: StepKey,
    outcomeWith: (hasRoute: (handle: string) => boolean) => NodeOutcome,
  ): Promise<EndOfStep | null> {
    return this.outsideChanges.prepareEnd(tx, parked, key, ({ nodes }) =>
      outcomeWith((handle) => (nodes.get(key.node_id)?.outgoing.get(handle) ?? []).length > 0),
    );
  }

  /** A place with the worker of this process; without one to give, null. `goOn` takes it or gives it back. */
  reserveWorker(): number | null {
    return this.localWorker.reserve() ?? null;
  }

  /** What `decide_parked` answered, or null; the place is one from `reserveWorker`. */
  goOn(worker: number | null, execution: StartedExecution | null, steps: StepRow[]): void {
    if (worker !== null && execution?.worker === worker) this.localWorker.take(execution, steps);
    else if (worker !== null) this.localWorker.giveBack();
    if (execution && execution.worker === null) this.wakeUps.wake(execution.id);
  }

  /** Whether an edge leaves the node by the handle. */
  async hasRoute(tx: Transaction, { workflow_id, version, scope }: Execution, nodeId: string, handle: string) {
    const graph = await this.workflows.graphOf(tx, workflow_id, version, scope);
    return (graph.nodes.get(nodeId)?.outgoing.get(handle) ?? []).length > 0;
  }

  /** Null where the workflow of the execution has no such node. */
  async typeOfNode(tx: Transaction, { workflow_id, version, scope }: Execution, nodeId: string) {
    const graph = await this.workflows.graphOf(tx, workflow_id, version, scope);
    return graph.nodes.get(nodeId)?.type ?? null;
  }

  wakeAfterCommit(executionId: string): void {
    this.wakeUps.wake(executionId);
  }

  private findStarted({ organization_id, user_id }: Owner, given: NewExecution): Promise<Execution | null> {
    const { idempotency_key } = given;
    if (idempotency_key === undefined) return Promise.resolve(null);
    return this.transactions.read(async (tx) => {
      const found = await this.repository.findStarted(tx, organization_id, user_id, idempotency_key);
      if (!found || found.request_hash === hashOf(given)) return found;
      const message = 'This Idempotency-Key came before with another body. Send a new key, or the same body.';
      throw new DomainError('invalid', 'IDEMPOTENCY_KEY_REUSED', message);
    });
  }

  private async recordStart(
    tx: Transaction,
    actor: Actor,
    organization_id: string,
    id: string,
    details: Record<string, unknown>,
  ): Promise<Execution> {
    const execution = await this.repository.get(tx, organization_id, id);
    const subject = { type: 'execution', id };
    await this.audit.record(tx, actor, { organization_id, action: 'execution.started', subject, details });
    return execution;
  }
}

function rowOf({ organization_id, user_id: started_by }: Owner, given: NewExecution) {
  const { workflow_id, version = null, input, priority = 0, idempotency_key = null } = given;
  const request_hash = idempotency_key === null ? null : hashOf(given);
  return {
    id: uuidv7(),
    organization_id,
    workflow_id,
    version,
    input,
    started_by,
    priority,
    idempotency_key,
    request_hash,
  };
}

/** Of what was asked for, the key left out. */
function hashOf(given: NewExecution): string {
  return hashJson(JSON.parse(JSON.stringify({ ...given, idempotency_key: undefined })));
}

function noSuchStep({ node_id, iteration }: StepKey): DomainError {
  return notFound('step', `${node_id}#${iteration}`);
}

const endedWell = ({ status, error }: StepOutline) =>
  status === 'completed' || (status === 'failed' && error?.handled === true);

const isNoCompensation = ({ consumed: [origin] }: StepOutline) =>
  !origin || origin.edge !== null || origin.source === null;

function undoneBy(step: StepOutline): string[] {
  const [origin] = step.consumed;
  if (isNoCompensation(step) || step.status !== 'completed' || !origin?.source) return [];
  return [keyOf({ node_id: origin.source, iteration: origin.source_iteration })];
}

function attemptView({ input }: Step, { attempt, error, logs, started_at, ended_at }: StepAttempt) {
  return { attempt, status: 'failed' as const, input, output: null, error, logs, started_at, ended_at };
}

/** The try that the row of the step tells of; while it backs off that is the one before. */
function lastAttempt(step: Step, earlier: readonly StepAttempt[], began: Date | null) {
  const { attempt, status, input, output, error, logs, started_at, ended_at } = step;
  if (earlier.some((one) => one.attempt === attempt) || status === 'backing_off') return [];
  // Its start and its end are dated by different clocks, which agree to a few milliseconds.
  const start = began && ended_at && began > ended_at ? ended_at : (began ?? started_at);
  return [{ attempt, status, input, output, error, logs, started_at: start, ended_at }];
}
