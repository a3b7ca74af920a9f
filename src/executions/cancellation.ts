import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { ChildrenRepository } from './children.repository.js';
import { ExecutionRepository } from './execution.repository.js';
import { ParkedSteps } from './parked-steps.js';
import type { StepKey } from './settled.js';

/** Ends what is open: of a step, of an execution, and of all executions below. */
@Injectable()
export class Cancellation {
  constructor(
    private readonly executions: ExecutionRepository,
    private readonly children: ChildrenRepository,
    private readonly parkedSteps: ParkedSteps,
  ) {}

  /**
   * Cancels executions that have not ended, whoever holds them, and all below. Those with something to undo begin to.
   * From above to below: a level that is cancelled can make no more children.
   * @returns those that were cancelled, with what follows for others
   */
  async cancel(tx: Transaction, ids: readonly string[], data: unknown): Promise<string[]> {
    const woken: string[] = [];
    for (let level = ids; level.length > 0; level = await this.children.listOpen(tx, level, null)) {
      const cancelled = await this.executions.cancel(tx, level, data);
      await this.closeSteps(
        tx,
        cancelled.map(({ id }) => id),
      );
      woken.push(...cancelled.filter(({ ending }) => ending !== null).map(({ id }) => id));
    }
    return woken;
  }

  /** Everything that is still open in an execution that is over. */
  async closeOpen(tx: Transaction, id: string): Promise<void> {
    await this.closeSteps(tx, [id]);
    await this.cancel(tx, await this.children.listOpen(tx, [id], null), { parent_id: id });
  }

  /** What steps waited for, which end otherwise. */
  async withdraw(tx: Transaction, id: string, steps: readonly StepKey[]): Promise<void> {
    await this.parkedSteps.desk.withdraw(tx, [id], steps);
    await this.cancel(tx, await this.children.listOpen(tx, [id], steps), { parent_id: id });
  }

  private async closeSteps(tx: Transaction, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.executions.cancelOpenSteps(tx, ids);
    await this.parkedSteps.desk.withdraw(tx, [...ids]);
  }
}
