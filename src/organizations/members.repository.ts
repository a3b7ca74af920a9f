import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import type { Role } from '../platform/http/permissions.js';

/** A membership together with the person it is about. */
export interface Member {
  user_id: string;
  email: string;
  name: string;
  role: Role;
  joined_at: Date;
}

/** Whom a text may name; groups by their keys, e-mails in lower case. */
export interface Names {
  user_ids: string[];
  emails: string[];
  roles: string[];
  group_keys: string[];
}

const MEMBER = `m.user_id, u.email, u.name, m.role, m.created_at as joined_at
  from memberships m join users u on u.id = m.user_id`;

/** What a member is at this moment. */
export interface Standing {
  user_id: string;
  email: string;
  name: string;
  role: Role;
  /** Keys: names in lower case, normalized. */
  groups: string[];
}

@Injectable()
export class MembersRepository {
  /** By user id, which is the order in which the accounts were made; starts just after `after`. */
  list(tx: Transaction, organizationId: string, after: string | undefined, limit: number): Promise<Member[]> {
    return tx.query(
      `select ${MEMBER} where m.organization_id = $1 and ($2::uuid is null or m.user_id > $2) order by m.user_id limit $3`,
      [organizationId, after ?? null, limit],
    );
  }

  async find(tx: Transaction, organizationId: string, userId: string): Promise<Member | null> {
    const rows: Member[] = await tx.query(`select ${MEMBER} where m.organization_id = $1 and m.user_id = $2`, [
      organizationId,
      userId,
    ]);
    return rows[0] ?? null;
  }

  /** Keeps the person a member until the commit, without keeping others from relying on the same. */
  async lockMembership(tx: Transaction, organizationId: string, userId: string): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      'select 1 from memberships where organization_id = $1 and user_id = $2 for key share',
      [organizationId, userId],
    );
    return rows.length > 0;
  }

  /** Every change of roles takes this lock first. It keeps nobody from writing rows that refer to the organization. */
  async lockRoles(tx: Transaction, organizationId: string): Promise<void> {
    await tx.query('select 1 from organizations where id = $1 for no key update', [organizationId]);
  }

  /** The role of one person, and how many owners there are; both hold until the commit under `lockRoles`. */
  async readRoles(
    tx: Transaction,
    organizationId: string,
    userId: string,
  ): Promise<{ by: Role | null; owners: number }> {
    const [row] = (await tx.query(
      `select max(role) filter (where user_id = $2) as by, (count(*) filter (where role = 'owner'))::int as owners
       from memberships where organization_id = $1 and (user_id = $2 or role = 'owner')`,
      [organizationId, userId],
    )) as [{ by: Role | null; owners: number }];
    return row;
  }

  /** The account of an e-mail, whatever it is a member of. */
  async findAccount(tx: Transaction, email: string): Promise<{ id: string } | null> {
    const rows: { id: string }[] = await tx.query('select id from users where email = $1', [email]);
    return rows[0] ?? null;
  }

  /** False when the person already is a member. */
  async insert(tx: Transaction, organizationId: string, userId: string, role: Role): Promise<boolean> {
    const rows: unknown[] = await tx.query(
      `insert into memberships (organization_id, user_id, role) values ($1, $2, $3)
       on conflict (organization_id, user_id) do nothing returning 1`,
      [organizationId, userId, role],
    );
    return rows.length > 0;
  }

  async changeRole(tx: Transaction, organizationId: string, userId: string, from: Role, to: Role): Promise<void> {
    await tx.query('update memberships set role = $4 where organization_id = $1 and user_id = $2 and role = $3', [
      organizationId,
      userId,
      from,
      to,
    ]);
  }

  /** Their API keys and places in groups go with it. */
  async delete(tx: Transaction, organizationId: string, userId: string): Promise<void> {
    await tx.query('delete from memberships where organization_id = $1 and user_id = $2', [organizationId, userId]);
  }

  async findStanding(tx: Transaction, organizationId: string, userId: string): Promise<Standing | null> {
    const rows: Standing[] = await tx.query(
      `select m.user_id, u.email, u.name, m.role, array(
         select g.key from group_members gm
         join groups g on g.organization_id = gm.organization_id and g.id = gm.group_id
         where gm.organization_id = m.organization_id and gm.user_id = m.user_id
         order by g.key collate "C"
       ) as groups
       from memberships m join users u on u.id = m.user_id where m.organization_id = $1 and m.user_id = $2`,
      [organizationId, userId],
    );
    return rows[0] ?? null;
  }

  /** Everybody whom any of the names means, once each, by user id. */
  listNamed(tx: Transaction, organizationId: string, names: Names): Promise<Omit<Member, 'joined_at'>[]> {
    return tx.query(
      `select m.user_id, u.email, u.name, m.role from memberships m join users u on u.id = m.user_id
       where m.organization_id = $1 and (
         m.user_id = any($2::uuid[]) or u.email = any($3::text[]) or m.role = any($4::text[]) or m.user_id in (
           select gm.user_id from group_members gm
           join groups g on g.organization_id = gm.organization_id and g.id = gm.group_id
           where g.organization_id = $1 and g.key = any($5::text[])
         )
       )
       order by m.user_id`,
      [organizationId, names.user_ids, names.emails, names.roles, names.group_keys],
    );
  }
}
