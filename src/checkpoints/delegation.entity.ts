import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

/** For a time, one person may decide what another may: somebody is out of office. */
@Entity('delegations')
@Check('"ends_at" > "starts_at"')
@Check('"from_user" <> "to_user"')
@Index('delegations_to', ['organization_id', 'to_user'], { where: '"revoked_at" IS NULL' })
@Index('delegations_from', ['organization_id', 'from_user'], { where: '"revoked_at" IS NULL' })
export class Delegation {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @ForeignKey('Organization', { onDelete: 'CASCADE' })
  organization_id: string;

  @Column('uuid')
  @ForeignKey('User', { onDelete: 'CASCADE' })
  from_user: string;

  @Column('uuid')
  @ForeignKey('User', { onDelete: 'CASCADE' })
  to_user: string;

  @Column('timestamptz')
  starts_at: Date;

  @Column('timestamptz')
  ends_at: Date;

  @Column('text', { nullable: true })
  comment: string | null;

  @Column('uuid')
  @ForeignKey('User', { onDelete: 'CASCADE' })
  created_by: string;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;

  @Column('timestamptz', { nullable: true })
  revoked_at: Date | null;
}
