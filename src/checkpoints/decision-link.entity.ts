import { Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

/** A link that lets its holder decide once. Its token is this id, signed; nothing that is stored here opens it. */
@Entity('decision_links')
@Index('decision_links_of_checkpoint', ['checkpoint_id', 'id'])
export class DecisionLink {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  organization_id: string;

  @Column('uuid')
  @ForeignKey('Checkpoint', { onDelete: 'CASCADE' })
  checkpoint_id: string;

  /** As whom it decides; null: somebody without an account, who writes a name. */
  @Column('uuid', { nullable: true })
  @ForeignKey('User', { onDelete: 'CASCADE' })
  user_id: string | null;

  /** Who asked for it; null: it came with a notification. */
  @Column('uuid', { nullable: true })
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  created_by: string | null;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;

  @Column('timestamptz')
  expires_at: Date;

  @Column('timestamptz', { nullable: true })
  used_at: Date | null;

  @Column('timestamptz', { nullable: true })
  revoked_at: Date | null;
}
