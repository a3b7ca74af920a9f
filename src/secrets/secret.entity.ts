import { Column, CreateDateColumn, Entity, ForeignKey, PrimaryColumn } from 'typeorm';

/** A text that code of the organization may know by this name. */
@Entity('secrets')
export class Secret {
  @PrimaryColumn('uuid')
  @ForeignKey('Organization', { onDelete: 'CASCADE' })
  organization_id: string;

  @PrimaryColumn('text')
  name: string;

  /** Under SECRET_KEY, for this organization and name only. */
  @Column('text')
  sealed_value: string;

  @Column('uuid')
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  set_by: string;

  /** When it got its present value. */
  @CreateDateColumn({ type: 'timestamptz' })
  set_at: Date;

  /** To the hour, or null if never. */
  @Column('timestamptz', { nullable: true })
  last_used_at: Date | null;
}
