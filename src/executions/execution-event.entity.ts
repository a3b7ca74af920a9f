import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What happened in an execution, in order and without gaps. */
@Entity('execution_events')
export class ExecutionEvent {
  @PrimaryColumn('uuid')
  execution_id: string;

  /** From 1. */
  @PrimaryColumn('int')
  seq: number;

  /** `execution.started`, `step.completed`, … : see `execution-events.ts`. */
  @Column('text')
  type: string;

  @Column('text', { nullable: true })
  node_id: string | null;

  @Column('int', { nullable: true })
  iteration: number | null;

  @Column('json', { nullable: true })
  data: unknown;

  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  occurred_at: Date;
}
