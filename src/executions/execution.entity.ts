import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';
import { EXECUTION_STATUSES, type ExecutionStatus } from '../workflows/engine/execution-status.js';

/** Why an execution or a step failed, as people and programs read it. */
export interface Failure {
  code: string;
  message: string;
  node_id?: string;
  iteration?: number;
  details?: unknown;
}

/** One run of one workflow version. The row is also the message: see `wake_at`. */
@Entity('executions')
@Check(oneOf('status', EXECUTION_STATUSES))
@Index(['organization_id', 'id'])
@Index(['workflow_id', 'id'])
@Index('executions_due', ['wake_at'], { where: '"wake_at" IS NOT NULL' })
@Index('executions_held', ['worker'], { where: '"worker" IS NOT NULL' })
@ForeignKey<unknown, ['workflow_id', 'version']>(
  'WorkflowVersion',
  ['workflow_id', 'version'],
  ['workflow_id', 'number'],
  {
    onDelete: 'RESTRICT',
  },
)
export class Execution {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @ForeignKey('Organization', { onDelete: 'RESTRICT' })
  organization_id: string;

  @Column('uuid')
  workflow_id: string;

  @Column('int')
  version: number;

  @Column('text')
  status: ExecutionStatus;

  @Column('json', { nullable: true })
  input: unknown;

  @Column('json', { nullable: true })
  output: unknown;

  @Column('json', { nullable: true })
  error: Failure | null;

  /** From this moment the execution needs a worker; null while it waits for a person or an event, and at the end. */
  @Column('timestamptz', { nullable: true })
  wake_at: Date | null;

  /** Counts claims. A writer that carries an older one has lost its claim and changes nothing. */
  @Column('int', { default: 0 })
  epoch: number;

  /** The worker that holds the claim; null when none does. */
  @Column('int', { nullable: true })
  worker: number | null;

  /** Counts what others changed (decisions), so that a holder notices before it lets go. */
  @Column('int', { default: 0 })
  nudges: number;

  /** The number of the last event. */
  @Column('int', { default: 0 })
  last_event: number;

  @Column('uuid', { nullable: true })
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  started_by: string | null;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;

  @Column('timestamptz', { nullable: true })
  started_at: Date | null;

  @Column('timestamptz', { nullable: true })
  ended_at: Date | null;
}
