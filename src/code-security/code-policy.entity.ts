import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';

/** What an organization allows its runs of code. Without a row it has the widest policy, at version 1. */
@Entity('code_policies')
export class CodePolicy {
  @PrimaryColumn('uuid')
  @ForeignKey('Organization', { onDelete: 'CASCADE' })
  organization_id: string;

  /** Addresses and networks that code may be sent from; empty: from everywhere. */
  @Column('text', { array: true })
  allowed_addresses: string[];

  @Column('int')
  max_timeout_seconds: number;

  @Column('int')
  max_memory_mb: number;

  /** Counts every change, for `ETag` and `If-Match`. */
  @Column('int')
  version: number;
}
