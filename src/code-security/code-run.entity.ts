import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { oneOf } from '../platform/database/one-of.js';
import { CODE_OUTCOMES, type CodeOutcome, type Language, LANGUAGES } from './sandbox/sandbox-driver.js';

/** One run of code through the API, from the moment it has a place. The code itself is not kept. */
@Entity('code_runs')
@Check(oneOf('language', LANGUAGES))
@Check(oneOf('outcome', CODE_OUTCOMES))
@Check('("outcome" IS NULL) = ("ended_at" IS NULL)')
@Index('code_runs_of_person', ['organization_id', 'user_id', 'id'])
export class CodeRun {
  /** UUIDv7, so in the order in which they began. */
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  @ForeignKey('Organization', { onDelete: 'RESTRICT' })
  organization_id: string;

  @Column('uuid')
  @ForeignKey('User', { onDelete: 'RESTRICT' })
  user_id: string;

  /** The key by which the person asked; null with an access token. The key may be gone. */
  @Column('uuid', { nullable: true })
  api_key_id: string | null;

  @Column('text')
  language: Language;

  /** In hexadecimal digits. */
  @Column('text')
  code_sha256: string;

  @Column('double precision')
  timeout_seconds: number;

  @Column('int')
  max_memory_mb: number;

  /** Null until it has ended, and for ever when the process that ran it died. */
  @Column('text', { nullable: true })
  outcome: CodeOutcome | null;

  @Column('text', { nullable: true })
  error_type: string | null;

  @Column('int', { nullable: true })
  error_line: number | null;

  /** How long it waited for a place. */
  @Column('double precision')
  queued_seconds: number;

  /** Seconds, as in the answer. */
  @Column('double precision', { nullable: true })
  execution_time: number | null;

  @Column('double precision', { nullable: true })
  memory_used_mb: number | null;

  @Column('text')
  driver: string;

  /** When it got its place, by the database's clock, as `ended_at`. */
  @Column('timestamptz', { default: () => 'clock_timestamp()' })
  @Index('code_runs_started')
  started_at: Date;

  @Column('timestamptz', { nullable: true })
  ended_at: Date | null;
}
