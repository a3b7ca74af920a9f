import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';
import type { Token } from '../workflows/engine/marking.js';
import { STEP_STATUSES, type StepStatus } from '../workflows/engine/step-status.js';
import type { Failure } from './execution.entity.js';

/**
 * One start of one node. There is no foreign key to the execution: rows are written only by statements that have
 * changed that very execution's row, and the check would cost a lookup per step.
 */
@Entity('steps')
@Check(oneOf('status', STEP_STATUSES))
@Index('steps_awaiting_signal', ['signal', 'correlation_key'], {
  where: `"signal" IS NOT NULL AND "status" = 'waiting'`,
})
@Index('steps_open', ['execution_id'], { where: `"status" IN ('running', 'waiting', 'backing_off')` })
export class Step {
  @PrimaryColumn('uuid')
  execution_id: string;

  @PrimaryColumn('text')
  node_id: string;

  /** From 1; each start of the node is the next. */
  @PrimaryColumn('int')
  iteration: number;

  @Column('text')
  node_type: string;

  @Column('text')
  status: StepStatus;

  /** How often it was tried, the present try included. */
  @Column('int', { default: 1 })
  attempt: number;

  /** What started it: the arrivals it used up. */
  @Column('json')
  consumed: Token[];

  /** The edges that its end put an arrival on. */
  @Column('json', { default: '[]' })
  fired: string[];

  @Column('json', { nullable: true })
  input: unknown;

  @Column('json', { nullable: true })
  output: unknown;

  @Column('json', { nullable: true })
  error: Failure | null;

  /** What the code printed, at most 65,536 characters a stream; while it runs, what it printed so far. */
  @Column('json', { nullable: true })
  logs: StepLogs | null;

  /** The name of the signal that it waits for. */
  @Column('text', { nullable: true })
  signal: string | null;

  @Column('text', { nullable: true })
  correlation_key: string | null;

  /** When a delay, the wait before a retry, or the time to wait at most is over. */
  @Column('timestamptz', { nullable: true })
  due_at: Date | null;

  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  started_at: Date;

  @Column('timestamptz', { nullable: true })
  ended_at: Date | null;
}

export interface StepLogs {
  stdout: string;
  stderr: string;
  /** Whether the code wrote more than is kept. Steps of the first versions do not say it. */
  stdout_truncated?: boolean;
  stderr_truncated?: boolean;
}
