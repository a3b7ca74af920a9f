import { Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

/** A signed-in device. Its refresh token is an HMAC over id and counter, so that nothing secret is stored. */
@Entity('sessions')
export class Session {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @Index()
  @ForeignKey('User', { onDelete: 'CASCADE' })
  user_id: string;

  @Column('uuid')
  @Index()
  @ForeignKey('Organization', { onDelete: 'CASCADE' })
  organization_id: string;

  /** The number of the refresh token that is valid now; each rotation adds one. */
  @Column('int', { default: 1 })
  counter: number;

  @Column('timestamptz', { default: () => 'now()' })
  rotated_at: Date;

  @Column('timestamptz')
  expires_at: Date;

  @Column('timestamptz', { nullable: true })
  ended_at: Date | null;

  /** Why it was ended: `logout`, `revoked` from another session, `reuse` of an old refresh token. */
  @Column('text', { nullable: true })
  end_reason: string | null;

  @Column('text', { nullable: true })
  user_agent: string | null;

  @Column('text', { nullable: true })
  address: string | null;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;
}
