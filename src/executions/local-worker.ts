import { Injectable } from '@nestjs/common';
import type { StartedExecution, StepRow } from './turn.repository.js';

/** The worker of this process, as far as it takes what is started here. */
interface Desk {
  /** Keeps a place; answers the worker's number, or undefined when there is none to give. */
  reserve(): number | undefined;
  /** The place is not needed. */
  giveBack(): void;
  /** An execution that was claimed under the worker's number, with all its steps as they then were. */
  take(claim: StartedExecution, steps: StepRow[]): void;
}

/**
 * Lets an execution that is started, or goes on after a decision, in a process with a free worker do so there at once: it is
 * stored as claimed already, which saves the claim and a call to others.
 */
@Injectable()
export class LocalWorker {
  private desk: Desk | undefined;

  register(desk: Desk): void {
    this.desk = desk;
  }

  reserve(): number | undefined {
    return this.desk?.reserve();
  }

  giveBack(): void {
    this.desk?.giveBack();
  }

  take(claim: StartedExecution, steps: StepRow[]): void {
    this.desk?.take(claim, steps);
  }
}
