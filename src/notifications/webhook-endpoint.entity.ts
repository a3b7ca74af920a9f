import { Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn, UpdateDateColumn } from 'typeorm';

/** Where an organization wants to be told of events. */
@Entity('webhook_endpoints')
@Index(['organization_id', 'id'])
export class WebhookEndpoint {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @ForeignKey('Organization', { onDelete: 'CASCADE' })
  organization_id: string;

  @Column('text')
  url: string;

  @Column('text', { default: '' })
  description: string;

  /** Names of events, `checkpoint.*`, or `*`. */
  @Column('text', { array: true })
  events: string[];

  /** Sealed under SECRET_KEY; see `webhook-secret.ts`. */
  @Column('text')
  secret: string;

  /** The one before, with which is signed too until `previous_secret_until`. */
  @Column('text', { nullable: true })
  previous_secret: string | null;

  @Column('timestamptz', { nullable: true })
  previous_secret_until: Date | null;

  @Column('boolean', { default: true })
  active: boolean;

  /** Why the product switched it off; null when it did not. */
  @Column('text', { nullable: true })
  disabled_reason: string | null;

  @Column('uuid')
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  created_by: string;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;

  @UpdateDateColumn({ type: 'timestamptz' })
  updated_at: Date;
}
