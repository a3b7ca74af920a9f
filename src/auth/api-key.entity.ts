import { Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import type { Permission } from '../platform/http/permissions.js';

/** A key by which programs act as a person in one organization. It goes with the membership. */
@Entity('api_keys')
@Index('api_keys_of_member', ['organization_id', 'user_id', 'id'])
@ForeignKey('Membership', ['organization_id', 'user_id'], ['organization_id', 'user_id'], { onDelete: 'CASCADE' })
export class ApiKey {
  /** UUIDv7, so in the order in which they were made. */
  @PrimaryColumn('uuid')
  id: string;

  @Column('uuid')
  organization_id: string;

  @Column('uuid')
  user_id: string;

  @Column('text')
  name: string;

  /** The first characters of the key, by which people tell their keys apart. */
  @Column('text')
  prefix: string;

  /** SHA-256 of the whole key, in hexadecimal digits. */
  @Column('text')
  @Index('api_keys_hash_key', { unique: true })
  hash: string;

  @Column('text', { array: true })
  scopes: Permission[];

  /** Null: it does not expire. */
  @Column('timestamptz', { nullable: true })
  expires_at: Date | null;

  @Column('timestamptz', { nullable: true })
  revoked_at: Date | null;

  /** To the minute. */
  @Column('timestamptz', { nullable: true })
  last_used_at: Date | null;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;
}
