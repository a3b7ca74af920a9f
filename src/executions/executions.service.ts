import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { SignedCursor } from '../platform/http/signed-cursor.js';
import { leaveNode } from '../workflows/engine/advance-execution.js';
import { nodeOf } from '../workflows/engine/graph.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import { WorkflowsService } from '../workflows/workflows.service.js';
import { type ExecutionFilter, ExecutionRepository } from './execution.repository.js';
import type { Execution, Failure } from './execution.entity.js';
import { ParkedSteps } from './parked-steps.js';
import type { Step } from './step.entity.js';
import { eventOf, TurnState } from './turn-state.js';
import { TurnRepository } from './turn.repository.js';
import { WakeUps } from './wake-ups.js';

export type ExecutionWithSteps = Execution & { steps: Step[] };

interface NewExecution {
  workflow_id: string;
  /** The current one when left out. */
  version?: number | undefined;
  input: unknown;
}

/** What a waiting step is given by whoever made it wait. */
export interface WaitingStepResult {
  execution_id: string;
  node_id: string;
  iteration: number;
  output: JsonValue;
  handle: string;
  /** What the failure says when the handle leads nowhere; without one the step may simply end there. */
  unrouted?: Failure;
}

@Injectable()
export class ExecutionsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ExecutionRepository,
    private readonly turns: TurnRepository,
    private readonly workflows: WorkflowsService,
    private readonly audit: AuditService,
    private readonly cursors: SignedCursor,
    private readonly parkedSteps: ParkedSteps,
    private readonly wakeUps: WakeUps,
  ) {}

  /**
   * Accepts an execution. Once this returns it will run and end, whatever crashes.
   * @throws DomainError not found; WORKFLOW_INACTIVE.
   */
  async start(principal: Principal, actor: Actor, given: NewExecution): Promise<Execution> {
    const { organization_id, user_id } = principal;
    const execution = await this.transactions.run((tx) => this.startIn(tx, { organization_id, user_id }, actor, given));
    this.wakeUps.wake(execution.id);
    return execution;
  }

  /** Like `start`, as part of a larger transaction; workers find it after the commit. */
  async startIn(
    tx: Transaction,
    { organization_id, user_id }: Pick<Principal, 'organization_id' | 'user_id'>,
    actor: Actor,
    { workflow_id, version, input }: NewExecution,
  ): Promise<Execution> {
    const workflow = await this.workflows.startable(tx, organization_id, workflow_id, version);
    const id = uuidv7();
    const event = { type: 'execution.started' as const, data: { started_by: user_id } };
    await this.repository.insert(
      tx,
      { id, organization_id, workflow_id, version: workflow.version, input, started_by: user_id },
      event,
    );
    const execution = await this.repository.get(tx, organization_id, id);
    const details = { workflow_id, version: workflow.version };
    const subject = { type: 'execution', id };
    await this.audit.record(tx, actor, { organization_id, action: 'execution.started', subject, details });
    return execution;
  }

  get(organizationId: string, id: string): Promise<ExecutionWithSteps> {
    return this.transactions.read(async (tx) => {
      const execution = await this.repository.get(tx, organizationId, id);
      return { ...execution, steps: await this.repository.listSteps(tx, id) };
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

  /** @throws DomainError EXECUTION_ENDED when there is nothing left to cancel. */
  async cancel(principal: Principal, actor: Actor, id: string): Promise<ExecutionWithSteps> {
    const { organization_id, user_id } = principal;
    await this.transactions.run(async (tx) => {
      await this.repository.get(tx, organization_id, id);
      const { status } = await this.repository.lock(tx, id);
      const event = { type: 'execution.cancelled' as const, data: { cancelled_by: user_id } };
      if (!(await this.repository.cancel(tx, id, event))) throw alreadyEnded(status);
      await this.repository.cancelOpenSteps(tx, id);
      await this.parkedSteps.desk.withdraw(tx, id);
      const subject = { type: 'execution', id };
      await this.audit.record(tx, actor, { organization_id, action: 'execution.cancelled', subject });
    });
    this.wakeUps.wake(id);
    return this.get(organization_id, id);
  }

  /** Taken before anything else of the execution, so that holder and people change it one after the other. */
  lock(tx: Transaction, id: string): Promise<Execution> {
    return this.repository.lock(tx, id);
  }

  /**
   * Ends a waiting step in the caller's transaction, which holds `lock`, and lets the execution go on from it. Call
   * `wakeAfterCommit` afterwards. False when the step no longer waits.
   */
  async finishWaitingStep(tx: Transaction, execution: Execution, given: WaitingStepResult): Promise<boolean> {
    const { execution_id, node_id, iteration, output, handle } = given;
    const graph = await this.workflows.graphOf(tx, execution.workflow_id, execution.version);
    const claim = { ...execution, started_at: execution.started_at ?? execution.created_at };
    const rows = await this.turns.loadSteps(tx, execution_id);
    const { names } = new TurnState(
      claim,
      graph,
      rows,
      () => 0,
      () => 0,
    );
    const steps = new Map(names.steps as ReadonlyMap<string, { output: JsonValue }>).set(node_id, { output });
    const left = leaveNode(graph, node_id, handle, { ...names, steps });
    const routes = nodeOf(graph, node_id).outgoing.get(handle) ?? [];
    const failure = !left.ok ? { ...left.error, node_id, iteration } : routes.length === 0 ? given.unrouted : undefined;
    const finished = await this.repository.finishWaitingStep(tx, {
      execution_id,
      node_id,
      iteration,
      output,
      status: failure ? 'failed' : 'completed',
      fired: left.ok ? left.fired : [],
      error: failure ?? null,
    });
    if (!finished) return false;
    const event = failure ? eventOf('step.failed', given, failure) : eventOf('step.completed', given, { handle });
    await this.repository.nudge(tx, execution_id, event);
    return true;
  }

  wakeAfterCommit(executionId: string): void {
    this.wakeUps.wake(executionId);
  }
}

function alreadyEnded(status: string): DomainError {
  return new DomainError('conflict', 'EXECUTION_ENDED', `The execution has ended already: it is ${status}.`);
}
