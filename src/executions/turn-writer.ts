import { Injectable } from '@nestjs/common';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { Cancellation } from './cancellation.js';
import { ChildrenRepository } from './children.repository.js';
import { EndedExecutions } from './ended-executions.js';
import { ExecutionRepository } from './execution.repository.js';
import { ParkedSteps } from './parked-steps.js';
import type { Beside } from './settled.js';
import { SignalsRepository } from './signals.repository.js';
import { type Claim, type Receipt, type TurnCommit, TurnRepository } from './turn.repository.js';
import { TurnCommits } from './turn-commits.js';
import { WakeUps } from './wake-ups.js';

/** A signal that the turn has seen was taken by another. */
class SignalGone extends Error {}

/** Writes what turns have to say: together with others where it is rows of our own, else in a transaction of its own. */
@Injectable()
export class TurnWriter {
  constructor(
    private readonly transactions: Transactions,
    private readonly turns: TurnRepository,
    private readonly executions: ExecutionRepository,
    private readonly children: ChildrenRepository,
    private readonly signals: SignalsRepository,
    private readonly commits: TurnCommits,
    private readonly parkedSteps: ParkedSteps,
    private readonly cancellation: Cancellation,
    private readonly ended: EndedExecutions,
    private readonly wakeUps: WakeUps,
  ) {}

  /** Null when nothing was written. */
  async write(commit: TurnCommit, beside: Beside, claim: Claim): Promise<Receipt | null> {
    if (isAlone(beside)) return this.commits.submit(commit, claim);
    const woken: string[] = [];
    try {
      return await this.transactions.run((tx) => {
        woken.length = 0;
        return this.writeIn(tx, commit, beside, claim, woken);
      });
    } catch (error) {
      if (error instanceof SignalGone) return null;
      throw error;
    } finally {
      for (const id of woken) this.wakeUps.wake(id);
    }
  }

  /** In the caller's transaction, which holds the lock on the execution's row. */
  async writeFromOutside(tx: Transaction, commit: TurnCommit, beside: Beside, claim: Claim): Promise<void> {
    const receipt = await this.writeIn(tx, commit, beside, claim, []);
    if (!receipt) throw new Error(`execution ${claim.id} changed while its row was locked`);
  }

  private async writeIn(tx: Transaction, commit: TurnCommit, beside: Beside, claim: Claim, woken: string[]) {
    const keys = beside.waits.flatMap(({ signal: name, correlation_key: key }) =>
      key === null ? [] : [{ name, key }],
    );
    await this.signals.lockKeys(tx, claim.organization_id, keys);
    const tellsOthers = commit.ended && this.ended.concernsOthers(claim);
    if (tellsOthers) await this.ended.lock(tx, [claim]);
    const [receipt] = await this.turns.commitTurns(tx, [commit]);
    if (!receipt) return null;
    woken.push(...(await this.writeBeside(tx, beside.closing ? lasting(beside) : beside, claim)));
    if (beside.closing) await this.cancellation.closeOpen(tx, claim.id);
    if (tellsOthers)
      woken.push(...(await this.ended.followUp(tx, [{ ...claim, failed: commit.status !== 'completed' }])));
    return { ...receipt, nudges: receipt.nudges + (await this.callForWaiting(tx, commit, beside, claim)) };
  }

  private async writeBeside(tx: Transaction, beside: Beside, claim: Claim): Promise<string[]> {
    const { parked, families, taken, abandoned } = beside;
    if (abandoned.length > 0) await this.cancellation.withdraw(tx, claim.id, abandoned);
    for (const step of parked) await this.parkedSteps.desk.open(tx, step);
    for (const family of families) await this.children.insert(tx, claim, family);
    if (taken.length > 0 && !(await this.signals.take(tx, taken, claim.id))) throw new SignalGone();
    return families.flatMap(({ ids, concurrency }) => ids.slice(0, concurrency));
  }

  /** A signal may have come before the step waited for it; then somebody has to look. Answers the nudges that this adds. */
  private async callForWaiting(tx: Transaction, commit: TurnCommit, { waits }: Beside, claim: Claim): Promise<number> {
    const waiting = commit.steps.filter(({ status, signal }) => status === 'waiting' && signal != null);
    if (waits.length === 0 || waiting.length === 0) return 0;
    if ((await this.signals.listFor(tx, claim, waiting)).length === 0) return 0;
    await this.executions.nudge(tx, claim.id);
    return 1;
  }
}

/** What outlives the end of the execution: nobody waits any more for what is opened here, and the rest is closed with it. */
function lasting(beside: Beside): Beside {
  return { ...beside, parked: [], abandoned: [], families: beside.families.filter(({ attached }) => !attached) };
}

/** Whether it comes to rows of the execution and nothing else. */
export function isAlone({ parked, families, waits, taken, abandoned, closing }: Beside): boolean {
  return !closing && [parked, families, waits, taken, abandoned].every((list) => list.length === 0);
}
