import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';
import { CHECKPOINT_STATUSES, type CheckpointStatus } from './checkpoint-status.js';

/** A hold point: what is shown, and what was decided. Made in the transaction that makes its step wait. */
@Entity('checkpoints')
@Check(oneOf('status', CHECKPOINT_STATUSES))
@Index('checkpoints_step_key', ['execution_id', 'node_id', 'iteration'], { unique: true })
@Index(['organization_id', 'id'])
@Index('checkpoints_inbox', ['organization_id', 'id'], { where: `"status" = 'open'` })
export class Checkpoint {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @ForeignKey('Organization', { onDelete: 'RESTRICT' })
  organization_id: string;

  @Column('uuid')
  @ForeignKey('Execution', { onDelete: 'CASCADE' })
  execution_id: string;

  @Column('text')
  node_id: string;

  @Column('int')
  iteration: number;

  @Column('text')
  status: CheckpointStatus;

  @Column('text')
  title: string;

  @Column('text', { default: '' })
  instructions: string;

  /** What people see, and may edit where `editable`. */
  @Column('json', { nullable: true })
  content: unknown;

  /** JSON Schema of the edited content. */
  @Column('json', { nullable: true })
  schema: unknown;

  @Column('boolean')
  editable: boolean;

  /** The person who started the execution may not approve. */
  @Column('boolean')
  not_requester: boolean;

  @Column('uuid', { nullable: true })
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  requested_by: string | null;

  /** Counts every change, for `ETag` and `If-Match`. */
  @Column('int', { default: 1 })
  revision: number;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;

  /** When it was decided or withdrawn. */
  @Column('timestamptz', { nullable: true })
  closed_at: Date | null;
}
