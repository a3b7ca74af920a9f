import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';
import type { Assignees, CheckpointPolicy } from '../workflows/engine/checkpoint-policy.js';
import { CHECKPOINT_STATUSES, type CheckpointStatus } from './checkpoint-status.js';
import type { ScheduledEvent } from './schedule-checkpoint.js';

/** A hold point: what is shown, who may decide, by when, and how it ended. Made in the transaction that makes its step wait. */
@Entity('checkpoints')
@Check(oneOf('status', CHECKPOINT_STATUSES))
@Index('checkpoints_step_key', ['execution_id', 'node_id', 'iteration'], { unique: true })
@Index(['organization_id', 'id'])
@Index('checkpoints_by_node', ['organization_id', 'workflow_id', 'node_id', 'id'])
@Index('checkpoints_inbox', ['organization_id', 'id'], { where: `"status" = 'open'` })
@Index('checkpoints_by_due', ['organization_id', 'due_at', 'id'], {
  where: `"status" = 'open' AND "due_at" IS NOT NULL`,
})
@Index('checkpoints_timed', ['next_at'], { where: `"status" = 'open' AND "next_at" IS NOT NULL` })
@Index('checkpoints_closed', ['organization_id', 'closed_at'], { where: `"closed_at" IS NOT NULL` })
@Index('checkpoints_candidates', ['candidates'], { type: 'gin', where: `"status" = 'open'` })
export class Checkpoint {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @ForeignKey('Organization', { onDelete: 'RESTRICT' })
  organization_id: string;

  @Column('uuid')
  @ForeignKey('Execution', { onDelete: 'CASCADE' })
  execution_id: string;

  @Column('uuid')
  workflow_id: string;

  @Column('int')
  version: number;

  @Column('text')
  node_id: string;

  @Column('int')
  iteration: number;

  /** Of rework: 1, and one more each time that changes were requested. */
  @Column('int', { default: 1 })
  round: number;

  @Column('text')
  status: CheckpointStatus;

  /** The action that closed it; null while it is open, and where none did. */
  @Column('text', { nullable: true })
  action: string | null;

  @Column('text')
  title: string;

  @Column('text', { default: '' })
  instructions: string;

  /** What people see now, and may edit. */
  @Column('json', { nullable: true })
  content: unknown;

  /** What they saw before the first edit; null where nothing was edited. */
  @Column('json', { nullable: true })
  original_content: unknown;

  /** JSON Schema of the edited content. */
  @Column('json', { nullable: true })
  schema: unknown;

  /** What the definition asks for; never changes. */
  @Column('json')
  policy: CheckpointPolicy;

  /** Who may decide now: reassigning and escalation change it. Null: everybody whose role may. */
  @Column('json', { nullable: true })
  assigned_to: Assignees | null;

  /** The same as keys to look for (see candidate-keys.ts). */
  @Column('text', { array: true })
  candidates: string[];

  @Column('uuid', { nullable: true })
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  requested_by: string | null;

  @Column('uuid', { nullable: true })
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  claimed_by: string | null;

  @Column('text', { nullable: true })
  claimed_by_name: string | null;

  @Column('timestamptz', { nullable: true })
  claimed_at: Date | null;

  @Column('timestamptz', { nullable: true })
  due_at: Date | null;

  /** When the clock has to look at it next: the first of `schedule`, or at once for a decision that came early. */
  @Column('timestamptz', { nullable: true })
  next_at: Date | null;

  /** Reminders, escalations and the expiry that are to come, in their order. */
  @Column('json')
  schedule: readonly ScheduledEvent[];

  /** When its due moment passed and something was done about it. */
  @Column('timestamptz', { nullable: true })
  expired_at: Date | null;

  /** Counts every change of what is shown here, for `ETag` and `If-Match`. */
  @Column('int', { default: 1 })
  revision: number;

  /** The end of its chain of events; see checkpoint-event.entity.ts. */
  @Column('int', { default: 0 })
  history_length: number;

  @Column('text')
  history_hash: string;

  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  created_at: Date;

  @Column('timestamptz', { nullable: true })
  closed_at: Date | null;
}
