import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import pg from 'pg';
import { DataSource, type EntityManager, QueryFailedError } from 'typeorm';

const { DatabaseError } = pg;
type DatabaseError = pg.DatabaseError;

/** The required first argument of every repository method: nothing reaches the database by forgetting it. */
export type Transaction = EntityManager;

const ATTEMPTS = 5;

/** serialization_failure and deadlock_detected (PostgreSQL, appendix A): the whole transaction may simply be repeated. */
const REPEATABLE = new Set(['40001', '40P01']);

@Injectable()
export class Transactions {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Runs `work` in one transaction and repeats all of it on a serialization failure or deadlock, at most five times.
   * `work` must therefore do nothing but talk to the database: no network call, no sandbox, no waiting.
   */
  async run<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.dataSource.transaction(work);
      } catch (error) {
        if (attempt === ATTEMPTS || !isRepeatable(error)) throw error;
        await sleep(attempt * 5 * (1 + Math.random()));
      }
    }
  }

  /** For reads that need no common snapshot: each statement stands alone and saves two round trips. */
  read<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return work(this.dataSource.manager);
  }
}

/** The SQLSTATE of an error of the database, also where TypeORM has wrapped it. */
export function sqlState(error: unknown): string | undefined {
  return databaseError(error)?.code;
}

/** unique_violation on the constraint or index of this name. */
export function isDuplicate(error: unknown, constraint: string): boolean {
  const { code, constraint: violated } = databaseError(error) ?? {};
  return code === '23505' && violated === constraint;
}

function databaseError(error: unknown): DatabaseError | undefined {
  const cause: unknown = error instanceof QueryFailedError ? error.driverError : error;
  return cause instanceof DatabaseError ? cause : undefined;
}

/** Nothing was written, and the same again may well go through. */
export function isRepeatable(error: unknown): boolean {
  return REPEATABLE.has(sqlState(error) ?? '');
}
