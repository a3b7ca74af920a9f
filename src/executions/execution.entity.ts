import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';
import type { Snapshot } from './snapshot.js';
import { EXECUTION_STATUSES, type ExecutionStatus } from '../workflows/engine/execution-status.js';

/** Why an execution or a step failed, as people and programs read it. */
export interface Failure {
  code: string;
  message: string;
  node_id?: string;
  iteration?: number;
  /** Of a step: the definition says where to go on, so the execution did not fail. */
  handled?: boolean;
  details?: unknown;
}

/** One run of one workflow version. The row is also the message: see `wake_at`. */
@Entity('executions')
@Check(oneOf('status', EXECUTION_STATUSES))
@Index(['organization_id', 'id'])
@Index(['workflow_id', 'id'])
@Check('"priority" BETWEEN -1 AND 1')
@Check(`"ending" IN ('failed', 'cancelled')`)
@Index('executions_due', ['priority', 'wake_at'], { where: '"wake_at" IS NOT NULL' })
@Index('executions_children', ['parent_id', 'parent_node', 'parent_iteration', 'item_index'], {
  where: '"parent_id" IS NOT NULL',
})
@Index('executions_open_children', ['parent_id', 'parent_node', 'parent_iteration'], {
  where: '"parent_node" IS NOT NULL AND "ended_at" IS NULL',
})
@Index('executions_queued_children', ['parent_id', 'parent_node', 'parent_iteration', 'item_index'], {
  where: `"parent_node" IS NOT NULL AND "status" = 'queued' AND "wake_at" IS NULL`,
})
@Index('executions_lanes', ['organization_id', 'concurrency_key', 'id'], {
  where: '"concurrency_key" IS NOT NULL AND "ended_at" IS NULL',
})
@Index('executions_idempotency_key', ['organization_id', 'started_by', 'idempotency_key'], {
  unique: true,
  where: '"idempotency_key" IS NOT NULL',
})
@Index('executions_failed', ['organization_id', 'id'], { where: `"status" = 'failed'` })
@Index('executions_finished', ['ended_at'], { where: '"ended_at" IS NOT NULL AND "parent_node" IS NULL' })
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

  /** Counts calls to look again (decisions, signals, ends of children), so that a holder notices before it lets go. */
  @Column('int', { default: 0 })
  nudges: number;

  /** Counts what others did to its steps (decisions, cancelled steps); a holder that does not know writes nothing. */
  @Column('int', { default: 0 })
  changes: number;

  /** How it will have ended when its compensations are done; null while nothing is undone. */
  @Column('text', { nullable: true })
  ending: 'failed' | 'cancelled' | null;

  /**
   * What the holder knew when it let go, so that the next need not read all steps; null when steps were written since, or
   * there are few. See `snapshot.ts`.
   */
  @Column('json', { nullable: true })
  snapshot: Snapshot | null;

  /** Whether a step has completed that is undone when the execution fails or is cancelled. */
  @Column('boolean', { default: false })
  compensable: boolean;

  /** Since when people have it stand still; null while they do not. */
  @Column('timestamptz', { nullable: true })
  paused_at: Date | null;

  /** 1 goes before 0, and 0 before -1. */
  @Column('smallint', { default: 0 })
  priority: number;

  /** Executions of an organization with the same key run one after the other. */
  @Column('text', { nullable: true })
  concurrency_key: string | null;

  @Column('text', { nullable: true })
  idempotency_key: string | null;

  /** Of the request that came with the idempotency key. */
  @Column('text', { nullable: true })
  request_hash: string | null;

  /** The execution whose step made this one; null for one that was started by itself. */
  @Column('uuid', { nullable: true })
  parent_id: string | null;

  /** The step that waits for it; null where none does. */
  @Column('text', { nullable: true })
  parent_node: string | null;

  @Column('int', { nullable: true })
  parent_iteration: number | null;

  /** Its place among the items of a `map`, from 0. */
  @Column('int', { nullable: true })
  item_index: number | null;

  /** The `map` nodes, separated by slashes, inside of which its graph is written; '' for the whole definition. */
  @Column('text', { default: '' })
  scope: string;

  /** How many executions it lies below the one that was started by itself. */
  @Column('smallint', { default: 0 })
  depth: number;

  /** The execution that this one repeats from a step. */
  @Column('uuid', { nullable: true })
  forked_from: string | null;

  @Column('text', { nullable: true })
  forked_node: string | null;

  @Column('int', { nullable: true })
  forked_iteration: number | null;

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
