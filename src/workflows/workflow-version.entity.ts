import { Column, CreateDateColumn, Entity, ForeignKey, PrimaryColumn } from 'typeorm';

/** A definition as it was saved. Never changed; executions stay with the one they started with. */
@Entity('workflow_versions')
export class WorkflowVersion {
  @PrimaryColumn('uuid')
  @ForeignKey('Workflow', { onDelete: 'RESTRICT' })
  workflow_id: string;

  /** From 1. */
  @PrimaryColumn('int')
  number: number;

  /** As the user sent it: `json`, because `jsonb` would reorder the keys. */
  @Column('json')
  definition: unknown;

  @Column('uuid')
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  created_by: string;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;
}
