import { Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn, UpdateDateColumn } from 'typeorm';

/** A named process of an organization. What it does is in its versions. */
@Entity('workflows')
@Index('workflows_limited', ['id'], { where: '"max_running" IS NOT NULL' })
@Index(['organization_id', 'id'])
export class Workflow {
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @ForeignKey('Organization', { onDelete: 'RESTRICT' })
  organization_id: string;

  @Column('text')
  name: string;

  @Column('text', { default: '' })
  description: string;

  /** An inactive workflow starts nothing new; what runs goes on. */
  @Column('boolean', { default: true })
  active: boolean;

  /** The number of the version that new executions get. */
  @Column('int', { default: 1 })
  current_version: number;

  /** How many of its executions workers run at once; null: as many as there are places. */
  @Column('int', { nullable: true })
  max_running: number | null;

  /** Counts every change, for `ETag` and `If-Match`. */
  @Column('int', { default: 1 })
  revision: number;

  @Column('uuid')
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  created_by: string;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;

  @UpdateDateColumn({ type: 'timestamptz' })
  updated_at: Date;
}
