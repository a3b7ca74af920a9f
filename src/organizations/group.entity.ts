import { Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

/** Some members of an organization under one name, by which checkpoints ask for them. */
@Entity('groups')
@Index('groups_name_key', ['organization_id', 'key'], { unique: true })
export class Group {
  @PrimaryColumn('uuid')
  @ForeignKey('Organization', { onDelete: 'CASCADE' })
  organization_id: string;

  /** UUIDv7, so in the order in which they were made. */
  @PrimaryColumn('uuid')
  id: string;

  /** As it was given. */
  @Column('text')
  name: string;

  /** `groupKey` of the name: what it is found by. Not made by the database, whose lower() depends on its locale. */
  @Column('text')
  key: string;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;
}
