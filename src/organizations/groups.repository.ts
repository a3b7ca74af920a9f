import { Injectable } from '@nestjs/common';
import { isDuplicate, type Transaction } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import { groupKey } from './group-key.js';
import { Group } from './group.entity.js';
import type { Member } from './members.repository.js';

/** A group and how many are in it. */
export interface CountedGroup extends Pick<Group, 'id' | 'name' | 'key' | 'created_at'> {
  members: number;
}

const COUNTED = `g.id, g.name, g.key, g.created_at, (
    select count(*)::int from group_members m where m.organization_id = g.organization_id and m.group_id = g.id
  ) as members
  from groups g where g.organization_id = $1`;

@Injectable()
export class GroupsRepository {
  /** By name, whatever the case; starts just after the key `after`. */
  list(tx: Transaction, organizationId: string, after: string | undefined, limit: number): Promise<CountedGroup[]> {
    return tx.query(
      `select ${COUNTED} and ($2::text is null or g.key collate "C" > $2) order by g.key collate "C" limit $3`,
      [organizationId, after ?? null, limit],
    );
  }

  async find(tx: Transaction, organizationId: string, id: string): Promise<CountedGroup | null> {
    const rows: CountedGroup[] = await tx.query(`select ${COUNTED} and g.id = $2`, [organizationId, id]);
    return rows[0] ?? null;
  }

  /** Every change of a group and of who is in it takes this lock first. */
  async lock(tx: Transaction, organizationId: string, id: string): Promise<void> {
    await tx.query('select 1 from groups where organization_id = $1 and id = $2 for update', [organizationId, id]);
  }

  /** @throws DomainError GROUP_NAME_TAKEN; the transaction is then of no more use. */
  insert(tx: Transaction, organizationId: string, id: string, name: string): Promise<unknown> {
    return uniquelyNamed(() => tx.insert(Group, { organization_id: organizationId, id, name, key: groupKey(name) }));
  }

  /** @throws DomainError GROUP_NAME_TAKEN; the transaction is then of no more use. */
  rename(tx: Transaction, organizationId: string, id: string, name: string): Promise<unknown> {
    return uniquelyNamed(() =>
      tx.update(Group, { organization_id: organizationId, id }, { name, key: groupKey(name) }),
    );
  }

  async delete(tx: Transaction, organizationId: string, id: string): Promise<void> {
    await tx.delete(Group, { organization_id: organizationId, id });
  }

  /** By user id; starts just after `after`. */
  listMembers(
    tx: Transaction,
    organizationId: string,
    id: string,
    after: string | undefined,
    limit: number,
  ): Promise<Member[]> {
    return tx.query(
      `select m.user_id, u.email, u.name, m.role, m.created_at as joined_at
       from group_members gm
       join memberships m on m.organization_id = gm.organization_id and m.user_id = gm.user_id
       join users u on u.id = m.user_id
       where gm.organization_id = $1 and gm.group_id = $2 and ($3::uuid is null or gm.user_id > $3)
       order by gm.user_id limit $4`,
      [organizationId, id, after ?? null, limit],
    );
  }

  /** False when they are in it already. */
  async insertMember(tx: Transaction, organizationId: string, id: string, userId: string): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `insert into group_members (organization_id, group_id, user_id) values ($1, $2, $3)
       on conflict (organization_id, group_id, user_id) do nothing returning 1`,
      [organizationId, id, userId],
    );
    return rows.length > 0;
  }

  /** False when they were not in it. */
  async deleteMember(tx: Transaction, organizationId: string, id: string, userId: string): Promise<boolean> {
    const [, count] = (await tx.query(
      'delete from group_members where organization_id = $1 and group_id = $2 and user_id = $3',
      [organizationId, id, userId],
    )) as [unknown[], number];
    return count > 0;
  }
}

async function uniquelyNamed(write: () => Promise<unknown>): Promise<unknown> {
  try {
    return await write();
  } catch (error) {
    if (!isDuplicate(error, 'groups_name_key')) throw error;
    throw new DomainError('conflict', 'GROUP_NAME_TAKEN', 'There is a group of this name. Choose another name.', {
      errors: [{ pointer: '/name', code: 'GROUP_NAME_TAKEN', message: 'Use another name.' }],
    });
  }
}
