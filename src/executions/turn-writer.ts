import { Injectable } from '@nestjs/common';
import { Transactions } from '../platform/database/transactions.js';
import { ExecutionRepository } from './execution.repository.js';
import { type ParkedStep, ParkedSteps } from './parked-steps.js';
import { type Receipt, type TurnCommit, TurnRepository } from './turn.repository.js';
import { TurnCommits } from './turn-commits.js';

/** Writes what turns have to say: together with others where it is rows of our own, else in a transaction of its own. */
@Injectable()
export class TurnWriter {
  constructor(
    private readonly transactions: Transactions,
    private readonly turns: TurnRepository,
    private readonly executions: ExecutionRepository,
    private readonly commits: TurnCommits,
    private readonly parkedSteps: ParkedSteps,
  ) {}

  /** Null when the claim is lost: nothing was written. */
  async write(commit: TurnCommit, parked: ParkedStep[]): Promise<Receipt | null> {
    const failed = commit.ended && commit.status === 'failed';
    if (parked.length === 0 && !failed) return this.commits.submit(commit);
    return this.transactions.run(async (tx) => {
      const [receipt] = await this.turns.commitTurns(tx, [commit]);
      if (!receipt) return null;
      if (failed) {
        await this.executions.cancelOpenSteps(tx, commit.execution_id);
        await this.parkedSteps.desk.withdraw(tx, commit.execution_id);
      } else for (const step of parked) await this.parkedSteps.desk.open(tx, step);
      return receipt;
    });
  }
}
