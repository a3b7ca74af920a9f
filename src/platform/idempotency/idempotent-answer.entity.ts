import { Column, CreateDateColumn, Entity, Index, PrimaryColumn } from 'typeorm';

/** What a request with an `Idempotency-Key` was answered, for 24 hours. */
@Entity('idempotent_answers')
@Index('idempotent_answers_by_age', ['created_at'])
export class IdempotentAnswer {
  @PrimaryColumn('uuid')
  organization_id: string;

  @PrimaryColumn('uuid')
  user_id: string;

  @PrimaryColumn('text')
  route: string;

  @PrimaryColumn('text')
  key: string;

  @Column('text')
  request_hash: string;

  /** Null until the transaction that made the row ends. */
  @Column('int', { nullable: true })
  status: number | null;

  @Column('json', { nullable: true })
  body: unknown;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;
}
