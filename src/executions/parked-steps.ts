import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import type { CheckpointPolicy } from '../workflows/engine/checkpoint-policy.js';
import type { StepKey } from './settled.js';

/** What a checkpoint node's templates came to. */
export interface ParkedContent {
  title: string;
  instructions: string;
  content: unknown;
  schema: unknown;
  policy: CheckpointPolicy;
}

/** A step that starts to wait for people. */
export interface ParkedStep extends ParkedContent {
  organization_id: string;
  execution_id: string;
  workflow_id: string;
  version: number;
  node_id: string;
  iteration: number;
  requested_by: string | null;
}

/** Whoever keeps what waiting steps show to people. Both are called in the transaction that changes the execution. */
export interface ParkingDesk {
  open(tx: Transaction, step: ParkedStep): Promise<void>;
  /** The executions, or only these steps of them, go on or end otherwise: nobody need decide any more. */
  withdraw(tx: Transaction, executionIds: string[], steps?: readonly StepKey[]): Promise<void>;
}

/** Where the desk makes itself known, so that executions need not know checkpoints. */
@Injectable()
export class ParkedSteps {
  private known: ParkingDesk | undefined;

  register(desk: ParkingDesk): void {
    this.known = desk;
  }

  get desk(): ParkingDesk {
    if (!this.known) throw new Error('no module has registered as the desk of parked steps');
    return this.known;
  }
}
