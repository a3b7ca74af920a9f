import { Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

/** Characters of a name and of a correlation key: an index holds both beside each other. */
export const MAX_SIGNAL_NAME = 255;

/** Something that a `wait` node waits for. It is kept until one step takes it, however early it came. */
@Entity('signals')
@Index('signals_of_execution', ['execution_id', 'name', 'id'], {
  where: '"taken_at" IS NULL AND "execution_id" IS NOT NULL',
})
@Index('signals_by_key', ['organization_id', 'name', 'correlation_key', 'id'], {
  where: '"taken_at" IS NULL AND "execution_id" IS NULL',
})
@Index('signals_taken', ['taken_by'], { where: '"taken_by" IS NOT NULL' })
export class Signal {
  /** UUIDv7, so in the order in which they came. */
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @ForeignKey('Organization', { onDelete: 'RESTRICT' })
  organization_id: string;

  /** The one execution that it is for; null: any that waits for it under the key. */
  @Column('uuid', { nullable: true })
  execution_id: string | null;

  @Column('text')
  name: string;

  @Column('text', { nullable: true })
  correlation_key: string | null;

  @Column('json', { nullable: true })
  payload: unknown;

  @Column('uuid', { nullable: true })
  sent_by: string | null;

  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  received_at: Date;

  /** When and by which execution it was taken; null while it waits. */
  @Column('timestamptz', { nullable: true })
  taken_at: Date | null;

  @Column('uuid', { nullable: true })
  taken_by: string | null;
}
