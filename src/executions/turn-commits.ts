import { Injectable } from '@nestjs/common';
import { sqlState, Transactions } from '../platform/database/transactions.js';
import { type Receipt, type TurnCommit, TurnRepository } from './turn.repository.js';

interface Pending {
  commit: TurnCommit;
  resolve: (receipt: Receipt | null) => void;
  reject: (error: unknown) => void;
}

/** Two, so that one batch gathers and is sent while the database writes the other to disk. */
const FLUSHES = 2;
const BATCH = 200;

/**
 * Group commit: results of different executions that are ready while the database is busy share the next statement.
 * Each is still guarded by its own epoch and gets its own answer. An execution never has two commits in flight,
 * because its turn waits for each.
 */
@Injectable()
export class TurnCommits {
  private pending: Pending[] = [];
  private inFlight = 0;

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: TurnRepository,
  ) {}

  /** Null when the claim is lost: nothing was written. */
  submit(commit: TurnCommit): Promise<Receipt | null> {
    return new Promise((resolve, reject) => {
      this.pending.push({ commit, resolve, reject });
      this.flush();
    });
  }

  private flush(): void {
    while (this.inFlight < FLUSHES && this.pending.length > 0) {
      const batch = this.pending.splice(0, BATCH);
      this.inFlight += 1;
      void this.write(batch).finally(() => {
        this.inFlight -= 1;
        this.flush();
      });
    }
  }

  private async write(batch: Pending[]): Promise<void> {
    try {
      const commits = batch.map((pending) => pending.commit);
      const receipts = await this.transactions.read((tx) => this.repository.commitTurns(tx, commits));
      const byClaim = new Map(receipts.map((receipt) => [claimOf(receipt), receipt]));
      for (const { commit, resolve } of batch) resolve(byClaim.get(claimOf(commit)) ?? null);
    } catch (error) {
      // One that cannot be written must not take its neighbours with it. Without an answer of the database, though, all
      // may have been written, and writing again would record it twice: then the turns start over from the rows.
      if (batch.length > 1 && isRolledBack(error)) await Promise.all(batch.map((pending) => this.write([pending])));
      else for (const { reject } of batch) reject(error);
    }
  }
}

/** An execution may be in one batch twice: under a claim that is lost and under the one that followed. */
const claimOf = ({ execution_id, epoch }: Pick<TurnCommit, 'execution_id' | 'epoch'>) => `${execution_id} ${epoch}`;

/** Only an answer of the database says so; one about the connection (08) or a shutdown (57) leaves it open. */
function isRolledBack(error: unknown): boolean {
  return !/^(08|57|$)/.test(sqlState(error) ?? '');
}
