import { Check, Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';

export const DECISION_ACTIONS = ['approve', 'edit', 'reject'] as const;
export type DecisionAction = (typeof DECISION_ACTIONS)[number];

/** What a person decided. The primary key admits one a checkpoint, whatever the code above it believes. */
@Entity('decisions')
@Check(oneOf('action', DECISION_ACTIONS))
export class Decision {
  @PrimaryColumn('uuid')
  @ForeignKey('Checkpoint', { onDelete: 'CASCADE' })
  checkpoint_id: string;

  @Column('text')
  action: DecisionAction;

  @Column('uuid')
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  decided_by: string;

  /** Their name when they decided, so that the record can be read without the account. */
  @Column('text')
  decided_by_name: string;

  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  decided_at: Date;

  /** The reason of a rejection, the comment of an approval. */
  @Column('text', { nullable: true })
  reason: string | null;

  /** SHA-256 in hex over the canonical JSON (RFC 8785) of exactly what was shown. */
  @Column('text')
  content_hash: string;

  /** The content after the edit; null where nothing was edited. */
  @Column('json', { nullable: true })
  edited_content: unknown;

  /** From the shown to the edited content, as JSON Patch (RFC 6902). */
  @Column('json', { nullable: true })
  patch: unknown;
}
