import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';

export const EARLY_STATUSES = ['kept', 'applied', 'refused', 'cancelled'] as const;
export type EarlyStatus = (typeof EARLY_STATUSES)[number];

/** A decision that came before its execution reached the checkpoint; judged like any other when it does. */
@Entity('early_decisions')
@Check(oneOf('status', EARLY_STATUSES))
@Index('early_decisions_kept', ['execution_id', 'node_id'], { where: `"status" = 'kept'` })
export class EarlyDecision {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  organization_id: string;

  @Column('uuid')
  @ForeignKey('Execution', { onDelete: 'CASCADE' })
  execution_id: string;

  @Column('text')
  node_id: string;

  /** The next one that opens, where null. */
  @Column('int', { nullable: true })
  iteration: number | null;

  @Column('text')
  status: EarlyStatus;

  @Column('uuid')
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  given_by: string;

  /** How they proved who they are, from where, in which request. */
  @Column('json')
  origin: {
    via: 'access_token' | 'api_key';
    api_key_id?: string;
    address: string | null;
    user_agent: string | null;
    request_id: string | null;
  };

  @Column('text')
  action: string;

  @Column('text', { nullable: true })
  comment: string | null;

  /** With `edit`. */
  @Column('json', { nullable: true })
  content: unknown;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;

  /** Where it was applied or refused. */
  @Column('uuid', { nullable: true })
  checkpoint_id: string | null;

  /** The code of the refusal. */
  @Column('text', { nullable: true })
  refusal: string | null;
}
