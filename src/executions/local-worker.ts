import { Injectable } from '@nestjs/common';
import type { StartedExecution } from './turn.repository.js';

/** The worker of this process, as far as it takes what is started here. */
interface Desk {
  /** Keeps a place; answers the worker's number, or undefined when there is none to give. */
  reserve(): number | undefined;
  /** The place is not needed. */
  giveBack(): void;
  /** An execution that was started under the worker's number, with epoch 1 and no steps. */
  take(claim: StartedExecution): void;
}

/**
 * Lets an execution that is started in a process with a free worker begin there at once: it is stored as claimed already,
 * which saves the claim, the look at its steps and a call to others.
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

  take(claim: StartedExecution): void {
    this.desk?.take(claim);
  }
}
