import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { WorkflowsService } from '../workflows/workflows.service.js';
import type { Execution } from './execution.entity.js';
import type { NodeOutcome } from './node-outcome.js';
import { Draft, keyOf, type Settled, type StepKey } from './settled.js';
import { TurnRepository } from './turn.repository.js';
import { type OpenStep, TurnState } from './turn-state.js';
import { TurnWriter } from './turn-writer.js';

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
    return this.change(tx, execution, key, (state, step) =>
      step.status === 'waiting' ? state.settle(step, outcome) : null,
    );
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
    const { workflow_id, version, scope } = execution;
    const graph = await this.workflows.graphOf(tx, workflow_id, version, scope);
    const claim = { ...execution, started_at: execution.started_at ?? execution.created_at };
    const state = new TurnState(claim, graph, await this.turns.loadSteps(tx, execution.id), NO_CHANCE);
    const step = state.open.get(keyOf(key));
    const settled = step ? change(state, step) : null;
    if (!settled) return false;
    const draft = new Draft();
    draft.add(settled);
    for (const overtaken of state.plan().cancels) {
      const open = state.open.get(keyOf(overtaken));
      if (open) draft.add(state.cancel(open));
    }
    await this.write(tx, state, draft);
    return true;
  }

  private async write(tx: Transaction, { claim, compensable }: TurnState, draft: Draft): Promise<void> {
    const { id: execution_id, epoch, nudges, changes } = claim;
    const commit = {
      execution_id,
      epoch,
      nudges,
      changes,
      outside: true,
      status: 'running' as const, // not looked at
      released: false,
      ended: false,
      compensable,
      steps: [...draft.steps.values()],
      events: draft.events,
    };
    await this.writer.writeFromOutside(tx, commit, draft.beside, claim);
  }
}

/** Who ends a step that waits neither measures nor makes anything. */
const NO_CHANCE = { now: () => 0, random: () => 0, newId: () => '' };
