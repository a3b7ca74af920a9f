import { Injectable } from '@nestjs/common';
import { sqlState, Transactions } from '../platform/database/transactions.js';
import { EndedExecutions } from './ended-executions.js';
import { type Claim, type Receipt, type TurnCommit, TurnRepository } from './turn.repository.js';
import { WakeUps } from './wake-ups.js';

interface Pending {
  commit: TurnCommit;
  claim: Claim;
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
    private readonly ended: EndedExecutions,
    private readonly wakeUps: WakeUps,
  ) {}

  /** Null when nothing was written. */
  submit(commit: TurnCommit, claim: Claim): Promise<Receipt | null> {
    return new Promise((resolve, reject) => {
      this.pending.push({ commit, claim, resolve, reject });
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

  /** One statement, unless executions end that others wait for. */
  private async writeRows(batch: Pending[]): Promise<Receipt[]> {
    const commits = batch.map(({ commit }) => commit);
    const endings = batch.filter(({ commit, claim }) => commit.ended && this.ended.concernsOthers(claim));
    if (endings.length === 0) return this.transactions.read((tx) => this.repository.commitTurns(tx, commits));
    const [receipts, woken] = await this.transactions.run(async (tx) => {
      const claims = endings.map(({ claim }) => claim);
      await this.ended.lock(tx, claims);
      const written = await this.repository.commitTurns(tx, commits);
      const certain = new Set(written.map(claimOf));
      const over = endings
        .filter(({ commit }) => certain.has(claimOf(commit)))
        .map(({ commit, claim }) => ({ ...claim, failed: commit.status !== 'completed' }));
      return [written, await this.ended.followUp(tx, over)] as const;
    });
    for (const id of woken) this.wakeUps.wake(id);
    return receipts;
  }

  private async write(batch: Pending[]): Promise<void> {
    try {
      const receipts = await this.writeRows(batch);
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
  if (error instanceof RangeError) return true; // together they are longer than a text can be, so nothing was sent
  return !/^(08|57|$)/.test(sqlState(error) ?? '');
}
