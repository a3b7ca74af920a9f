import { CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';

/** A member of an organization in one of its groups. Whoever leaves the organization leaves its groups. */
@Entity('group_members')
@Index('groups_of_member', ['organization_id', 'user_id'])
@ForeignKey('Group', ['organization_id', 'group_id'], ['organization_id', 'id'], { onDelete: 'CASCADE' })
@ForeignKey('Membership', ['organization_id', 'user_id'], ['organization_id', 'user_id'], { onDelete: 'CASCADE' })
export class GroupMember {
  @PrimaryColumn('uuid')
  organization_id: string;

  @PrimaryColumn('uuid')
  group_id: string;

  @PrimaryColumn('uuid')
  user_id: string;

  @CreateDateColumn({ type: 'timestamptz' })
  created_at: Date;
}
