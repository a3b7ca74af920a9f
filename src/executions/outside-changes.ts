import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import type { Graph } from '../workflows/engine/graph.js';
import { WorkflowsService } from '../workflows/workflows.service.js';
import type { Execution } from './execution.entity.js';
import type { NodeOutcome } from './node-outcome.js';
import { Draft, keyOf, type Settled, type StepKey } from './settled.js';
import { type Parked, type StepRow, type TurnCommit, TurnRepository } from './turn.repository.js';
import { type OpenStep, TurnState } from './turn-state.js';
import { isAlone, TurnWriter } from './turn-writer.js';

/** What a step ends with, which may depend on where the graph leads. */
export type OutcomeIn = (graph: Graph) => NodeOutcome;

/** An end that is written only if the execution is still as it was seen. */
export interface EndOfStep {
  seen: { epoch: number; changes: number; last_event: number };
  commit: TurnCommit;
  /** What the steps then are. */
  steps: StepRow[];
}

/**
 * Changes of steps by somebody who is not the holder: a decision, a step that a person cancels. In the caller's
 * transaction, which has locked the execution's row; what the change withdraws (alternatives of a race, say) is withdrawn
 * in it too. The holder, if there is one, takes the rows as they then are.
 */
@Injectable()
export class OutsideChanges {
  constructor(
    private readonly turns: TurnRepository,
    private readonly workflows: WorkflowsService,
    private readonly writer: TurnWriter,
  ) {}

  /** False when the step no longer waits. */
  endWaitingStep(tx: Transaction, execution: Execution, key: StepKey, outcome: NodeOutcome): Promise<boolean> {
    return this.change(tx, execution, key, endWaiting(outcome));
  }

  /**
   * The same as rows that somebody else writes (`decide_parked`), for an execution that was read without a lock. Null where
   * more follows from it than rows of its own, the step does not wait, or somebody holds the execution.
   */
  async prepareEnd(
    tx: Transaction,
    { execution, steps }: Parked,
    key: StepKey,
    outcomeIn: OutcomeIn,
  ): Promise<EndOfStep | null> {
    const { workflow_id, version, scope, epoch, changes, last_event, ending } = execution;
    if (ending !== null) return null; // what is being undone reads other outputs
    const outcome = outcomeIn(await this.workflows.graphOf(tx, workflow_id, version, scope));
    const changed = await this.draft(tx, execution, steps, key, endWaiting(outcome));
    if (!changed || !isAlone(changed.beside)) return null;
    return { seen: { epoch, changes, last_event }, commit: changed.commit, steps: stepsAfter(steps, changed.commit) };
  }

  /** False when the step is not open. */
  cancelStep(tx: Transaction, execution: Execution, key: StepKey, data: unknown): Promise<boolean> {
    return this.change(tx, execution, key, (state, step) => {
      const settled = state.cancel(step);
      return { ...settled, events: settled.events.map((event) => ({ ...event, data })) };
    });
  }

  private async change(
    tx: Transaction,
    execution: Execution,
    key: StepKey,
    change: (state: TurnState, step: OpenStep) => Settled | null,
  ): Promise<boolean> {
    const rows = await this.turns.loadSteps(tx, execution.id);
    const changed = await this.draft(tx, execution, rows, key, change);
    if (changed) await this.writer.writeFromOutside(tx, changed.commit, changed.beside, changed.claim);
    return changed !== null;
  }

  /** Null when there is nothing to change. */
  private async draft(
    tx: Transaction,
    execution: Execution,
    rows: StepRow[],
    key: StepKey,
    change: (state: TurnState, step: OpenStep) => Settled | null,
  ) {
    const { workflow_id, version, scope } = execution;
    const graph = await this.workflows.graphOf(tx, workflow_id, version, scope);
    const claim = { ...execution, started_at: execution.started_at ?? execution.created_at };
    const state = new TurnState(claim, graph, rows, NO_CHANCE);
    const step = state.open.get(keyOf(key));
    const settled = step ? change(state, step) : null;
    if (!settled) return null;
    const draft = new Draft();
    draft.add(settled);
    for (const overtaken of state.plan().cancels) {
      const open = state.open.get(keyOf(overtaken));
      if (open) draft.add(state.cancel(open));
    }
    return { claim, commit: commitOf(state, draft), beside: draft.beside };
  }
}

const isOpen = ({ status }: StepRow) => status === 'running' || status === 'waiting' || status === 'backing_off';

/** In the order in which they are read: ended ones as they ended, open ones last. */
function stepsAfter(before: readonly StepRow[], { steps }: TurnCommit): StepRow[] {
  const written = new Map(steps.map((step) => [keyOf(step), step]));
  const rest = before.filter((row) => !written.has(keyOf(row)));
  const ended = before.flatMap((row) => {
    const step = written.get(keyOf(row));
    if (!step) return [];
    const { status, fired, output = null, error = null } = step;
    return [{ ...row, status, fired, output, error, input: null, due_in: null, signal: null, correlation_key: null }];
  });
  return [...rest.filter((row) => !isOpen(row)), ...ended, ...rest.filter(isOpen)];
}

function commitOf({ claim, compensable }: TurnState, draft: Draft): TurnCommit {
  const { id: execution_id, epoch, nudges, changes } = claim;
  return {
    execution_id,
    epoch,
    nudges,
    changes,
    outside: true,
    status: 'running', // not looked at
    released: false,
    ended: false,
    compensable,
    steps: [...draft.steps.values()],
    events: draft.events,
  };
}

const endWaiting = (outcome: NodeOutcome) => (state: TurnState, step: OpenStep) =>
  step.status === 'waiting' ? state.settle(step, outcome) : null;

/** Who ends a step that waits neither measures nor makes anything. */
const NO_CHANCE = { now: () => 0, random: () => 0, newId: () => '' };
