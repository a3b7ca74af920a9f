import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';
import type { Operation } from './diff-content.js';

/** How a decision came in. `early`: it was given before the execution reached the checkpoint. */
export const WAYS = ['access_token', 'api_key', 'decision_link', 'early', 'timer'] as const;
export type Way = (typeof WAYS)[number];

/** Why a decision does not count any more. */
export const VOID_REASONS = ['withdrawn', 'content_changed'] as const;
export type VoidReason = (typeof VOID_REASONS)[number];

/**
 * What one person decided. A checkpoint is closed by the one that completes the quorum of its action; the index admits one
 * that counts a person (`person`), whatever the code above it believes.
 */
@Entity('decisions')
@Check(oneOf('via', WAYS))
@Check(oneOf('void_reason', VOID_REASONS))
@Index('decisions_of_checkpoint', ['checkpoint_id', 'id'])
@Index('decisions_once_a_person', ['checkpoint_id', 'person'], { unique: true, where: '"void_reason" IS NULL' })
@Index('decisions_of_person', ['organization_id', 'decided_by', 'id'], { where: '"decided_by" IS NOT NULL' })
export class Decision {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @ForeignKey('Checkpoint', { onDelete: 'CASCADE' })
  checkpoint_id: string;

  @Column('uuid')
  organization_id: string;

  /** `approve`, `edit`, `reject`, `request_changes`, or one of the definition's own. */
  @Column('text')
  action: string;

  /** Null: nobody with an account, or the clock. */
  @Column('uuid', { nullable: true })
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  decided_by: string | null;

  /** Their name when they decided, so that the record can be read without the account. */
  @Column('text')
  decided_by_name: string;

  /** False: the name is what somebody without an account wrote. */
  @Column('boolean', { default: true })
  verified: boolean;

  /** Who is counted: the account whose mandate it is, `unverified`, or `clock`. */
  @Column('text')
  person: string;

  /** The colleague who delegated to them, where that is why they could. */
  @Column('uuid', { nullable: true })
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  on_behalf_of: string | null;

  @Column('text', { nullable: true })
  on_behalf_of_name: string | null;

  @Column('text')
  via: Way;

  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  decided_at: Date;

  @Column('text', { nullable: true })
  comment: string | null;

  /** SHA-256 in hex over the canonical JSON (RFC 8785) of exactly what was shown. */
  @Column('text')
  content_hash: string;

  /** The same of what it decided on: differs after an edit. */
  @Column('text')
  result_hash: string;

  /** The content after the edit; null where nothing was edited. */
  @Column('json', { nullable: true })
  edited_content: unknown;

  /** From the shown to the edited content, as JSON Patch (RFC 6902). */
  @Column('json', { nullable: true })
  patch: Operation[] | null;

  /** Null: it counts. */
  @Column('text', { nullable: true })
  void_reason: VoidReason | null;

  @Column('timestamptz', { nullable: true })
  voided_at: Date | null;
}
