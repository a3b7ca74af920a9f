import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { type Role, ROLES } from '../platform/http/permissions.js';
import { oneOf } from '../platform/database/one-of.js';

/** A person's role in an organization. */
@Entity('memberships')
@Check(oneOf('role', ROLES))
export class Membership {
  @PrimaryColumn('uuid')
  @ForeignKey('Organization', { onDelete: 'CASCADE' })
  organization_id: string;

  @PrimaryColumn('uuid')
  @Index()
  @ForeignKey('User', { onDelete: 'CASCADE' })
  user_id: string;

  @Column('text')
  role: Role;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;
}
