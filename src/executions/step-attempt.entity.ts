import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Failure } from './execution.entity.js';
import type { StepLogs } from './step.entity.js';

/** A try of a step that failed and was followed by another. The last try is the step itself. */
@Entity('step_attempts')
export class StepAttempt {
  @PrimaryColumn('uuid')
  execution_id: string;

  @PrimaryColumn('text')
  node_id: string;

  @PrimaryColumn('int')
  iteration: number;

  /** From 1. */
  @PrimaryColumn('int')
  attempt: number;

  @Column('json')
  error: Failure;

  @Column('json', { nullable: true })
  logs: StepLogs | null;

  @Column('timestamptz')
  started_at: Date;

  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  ended_at: Date;
}
