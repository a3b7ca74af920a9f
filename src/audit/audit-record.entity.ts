import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';

export const ACTOR_TYPES = ['user', 'system'] as const;

/** One entry of an organization's chain. Rows are only ever added; triggers refuse anything else. */
@Entity('audit_records')
@Check(oneOf('actor_type', ACTOR_TYPES))
@Index(['organization_id', 'subject_type', 'subject_id', 'seq'])
export class AuditRecord {
  @PrimaryColumn('uuid')
  @ForeignKey('Organization', { onDelete: 'RESTRICT' })
  organization_id: string;

  /** From 1, without gaps. */
  @PrimaryColumn('bigint')
  seq: string;

  @Column('timestamptz')
  occurred_at: Date;

  /** What was done, as `subject.verb`: `checkpoint.approved`. */
  @Column('text')
  action: string;

  @Column('text')
  actor_type: (typeof ACTOR_TYPES)[number];

  @Column('uuid', { nullable: true })
  actor_id: string | null;

  @Column('text')
  subject_type: string;

  @Column('text')
  subject_id: string;

  @Column('jsonb')
  details: Record<string, unknown>;

  @Column('text', { nullable: true })
  request_id: string | null;

  @Column('text', { nullable: true })
  address: string | null;

  @Column('text', { nullable: true })
  user_agent: string | null;

  /** SHA-256 in hex of the record before; 64 zeros for the first. */
  @Column('text')
  previous_hash: string;

  @Column('text')
  hash: string;
}

/** The end of an organization's chain; its row lock puts writers in line. */
@Entity('audit_heads')
export class AuditHead {
  @PrimaryColumn('uuid')
  @ForeignKey('Organization', { onDelete: 'RESTRICT' })
  organization_id: string;

  @Column('bigint')
  seq: string;

  @Column('text')
  hash: string;
}
