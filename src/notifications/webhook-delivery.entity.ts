import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';

export const ATTEMPT_STATUSES = ['succeeded', 'failed'] as const;
export type AttemptStatus = (typeof ATTEMPT_STATUSES)[number];

/** One attempt to deliver one event to one endpoint. Kept for 30 days. */
@Entity('webhook_deliveries')
@Check(oneOf('status', ATTEMPT_STATUSES))
@Index('webhook_deliveries_attempt', ['delivery_id', 'attempt'], { unique: true })
@Index(['endpoint_id', 'id'])
@Index(['at'])
export class WebhookDelivery {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @ForeignKey('WebhookEndpoint', { onDelete: 'CASCADE' })
  endpoint_id: string;

  /** The same for all attempts; `webhook-id` is made of it. */
  @Column('uuid')
  delivery_id: string;

  @Column('smallint')
  attempt: number;

  @Column('text')
  event_type: string;

  @Column('text')
  status: AttemptStatus;

  /** Null when there was no answer. */
  @Column('smallint', { nullable: true })
  http_status: number | null;

  @Column('text', { nullable: true })
  error: string | null;

  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  at: Date;

  @Column('int')
  duration_ms: number;

  /** Null when it is not tried again. */
  @Column('timestamptz', { nullable: true })
  next_attempt_at: Date | null;
}
