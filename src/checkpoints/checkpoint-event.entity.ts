import { Check, Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';

export const CHECKPOINT_EVENTS = [
  'opened',
  'commented',
  'claimed',
  'released',
  'reassigned',
  'link_made',
  'decided',
  'decision_withdrawn',
  'decisions_voided',
  'refused',
  'reminded',
  'escalated',
  'expired',
  'closed',
  'withdrawn',
] as const;
export type CheckpointEventType = (typeof CHECKPOINT_EVENTS)[number];

/** Who did it, as the record keeps it; all null: the clock, or the execution. */
export interface EventActor {
  user_id: string | null;
  name: string | null;
  via: string | null;
  address: string | null;
  user_agent: string | null;
  request_id: string | null;
}

/**
 * What happened to a checkpoint, hash-chained: `hash` is over the event (see hash-event.ts) with the hash of the one before,
 * the end of the chain is in the checkpoint, and the audit record of the same act names it.
 */
@Entity('checkpoint_events')
@Check(oneOf('type', CHECKPOINT_EVENTS))
export class CheckpointEvent {
  @PrimaryColumn('uuid')
  @ForeignKey('Checkpoint', { onDelete: 'CASCADE' })
  checkpoint_id: string;

  /** From 1, without gaps. */
  @PrimaryColumn('int')
  seq: number;

  @Column('text')
  type: CheckpointEventType;

  /** By the database's clock, whole milliseconds. */
  @Column('timestamptz')
  occurred_at: Date;

  @Column('json')
  actor: EventActor;

  @Column('json')
  data: Record<string, unknown>;

  @Column('text')
  previous_hash: string;

  @Column('text')
  hash: string;
}
