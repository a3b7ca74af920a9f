import { Injectable } from '@nestjs/common';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import type { Role } from '../platform/http/permissions.js';
import { Session } from './session.entity.js';

/** However often it is refreshed, a session ends after this many days. */
const MAX_DAYS = 90;

/** How long after a rotation its lost answer may be asked for again. */
const GRACE_SECONDS = 10;

interface NewSession {
  id: string;
  user_id: string;
  organization_id: string;
  user_agent: string | null;
  address: string | null;
}

export interface LockedSession {
  user_id: string;
  organization_id: string;
  counter: number;
  /** Neither ended nor expired, and its person is still a member. */
  live: boolean;
  /** Rotated less than ten seconds ago. */
  just_rotated: boolean;
}

interface PrincipalRow {
  user_id: string;
  organization_id: string;
  session_id: string;
  email: string;
  name: string;
  role: Role;
}

@Injectable()
export class SessionsRepository {
  async insert(tx: Transaction, session: NewSession, seconds: number): Promise<void> {
    await tx.query(
      `insert into sessions (id, user_id, organization_id, user_agent, address, expires_at)
       values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))`,
      [session.id, session.user_id, session.organization_id, session.user_agent, session.address, seconds],
    );
  }

  /** One query for each authenticated request: all that must hold now, so that every change acts on the next request. */
  async findPrincipal(tx: Transaction, sessionId: string, userId: string): Promise<PrincipalRow | null> {
    const { rows } = await runPrepared<PrincipalRow>(
      tx,
      'find_principal',
      `select s.id as session_id, s.organization_id, u.id as user_id, u.email, u.name, m.role
       from sessions s
       join users u on u.id = s.user_id
       join memberships m on m.organization_id = s.organization_id and m.user_id = s.user_id
       where s.id = $1 and s.user_id = $2 and s.ended_at is null and s.expires_at > now()`,
      [sessionId, userId],
    );
    return rows[0] ?? null;
  }

  /** Refresh, logout and revocation all take this row lock. The clock is read after the wait for it. */
  async lock(tx: Transaction, id: string): Promise<LockedSession | null> {
    await tx.query('select 1 from sessions where id = $1 for update', [id]);
    const rows: LockedSession[] = await tx.query(
      `select user_id, organization_id, counter,
         ended_at is null and expires_at > clock_timestamp() and exists (
           select 1 from memberships m where m.organization_id = s.organization_id and m.user_id = s.user_id
         ) as live,
         rotated_at > clock_timestamp() - make_interval(secs => $2) as just_rotated
       from sessions s where id = $1`,
      [id, GRACE_SECONDS],
    );
    return rows[0] ?? null;
  }

  /** Moves the counter on by one from the value that was seen, and the expiry to `seconds` from now. */
  async rotate(tx: Transaction, id: string, counter: number, seconds: number): Promise<void> {
    await tx.query(
      `update sessions set counter = counter + 1, rotated_at = clock_timestamp(),
         expires_at = least(now() + make_interval(secs => $3), created_at + make_interval(days => $4))
       where id = $1 and counter = $2 and ended_at is null`,
      [id, counter, seconds, MAX_DAYS],
    );
  }

  /** Null when there is no such session of this person, or it has ended already. */
  async end(
    tx: Transaction,
    id: string,
    userId: string,
    reason: EndReason,
  ): Promise<{ organization_id: string } | null> {
    const [rows] = (await tx.query(
      `update sessions set ended_at = now(), end_reason = $3
       where id = $1 and user_id = $2 and ended_at is null returning organization_id`,
      [id, userId, reason],
    )) as [{ organization_id: string }[], number];
    return rows[0] ?? null;
  }

  /** The sessions of a person that could still be used, newest first, from just before the id `before`. */
  listLive(tx: Transaction, userId: string, before: string | undefined, limit: number): Promise<Session[]> {
    const query = tx
      .createQueryBuilder(Session, 'session')
      .where('session.user_id = :userId AND session.ended_at IS NULL AND session.expires_at > now()', { userId })
      .orderBy('session.id', 'DESC')
      .limit(limit);
    if (before !== undefined) query.andWhere('session.id < :before', { before });
    return query.getMany();
  }
}

/** Why a session was ended; one that merely expired has no reason. */
export type EndReason = 'logout' | 'revoked' | 'reuse';
