import { Injectable } from '@nestjs/common';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import type { StepKey } from './settled.js';
import { Signal } from './signal.entity.js';
import type { OpenStep } from './turn-state.js';
import type { Claim } from './turn.repository.js';

export type SignalForStep = StepKey & { id: string; payload: JsonValue };

/** The key space of the locks under which signals by key are sent and waited for. */
const SIGNAL_LOCKS = 7_201_122;

/**
 * How many waiting executions a signal by key calls beyond one for each signal that nobody has taken yet: some of them
 * may end without taking it.
 */
const CALLED_BESIDE = 5;

/** Signals under one key that are counted at most. */
const COUNTED = 1_000;

@Injectable()
export class SignalsRepository {
  async insert(tx: Transaction, signal: Partial<Signal>): Promise<void> {
    await tx.insert(Signal, signal as never);
  }

  /** Keeps sender and waiter of a key apart until the transaction ends, so that one of them sees the other. */
  async lockKeys(
    tx: Transaction,
    organizationId: string,
    keys: readonly { name: string; key: string }[],
  ): Promise<void> {
    const texts = keys.map(({ name, key }) => JSON.stringify([organizationId, name, key])).toSorted();
    for (const text of texts) await tx.query('select pg_advisory_xact_lock($1, hashtext($2))', [SIGNAL_LOCKS, text]);
  }

  /** For each of the steps, the oldest signal that it may take, except these. */
  async listFor(
    tx: Transaction,
    { id, organization_id }: Pick<Claim, 'id' | 'organization_id'>,
    steps: readonly Pick<OpenStep, 'node_id' | 'iteration' | 'signal' | 'correlation_key'>[],
    except: readonly string[] = [],
  ): Promise<SignalForStep[]> {
    const wanted = steps.map(({ node_id, iteration, signal, correlation_key }) => {
      return { node_id, iteration, signal, correlation_key: correlation_key ?? null };
    });
    const values = [JSON.stringify(wanted), id, organization_id, except];
    return (await runPrepared<SignalForStep>(tx, 'signals_for_steps', SIGNALS_FOR_STEPS, values)).rows;
  }

  /** Whether all of them were still there to take. */
  async take(tx: Transaction, ids: readonly string[], executionId: string): Promise<boolean> {
    const [, count]: [unknown, number] = await tx.query(
      'update signals set taken_at = clock_timestamp(), taken_by = $2 where id = any($1) and taken_at is null',
      [ids, executionId],
    );
    return count === ids.length;
  }

  /**
   * Executions with a step that waits for it, the longest waiting first, as many as there are signals to take: those that
   * came just before may not have been taken yet by whom they called. One that is paused looks when it goes on.
   */
  async listWaiting(tx: Transaction, organizationId: string, name: string, key: string): Promise<string[]> {
    const rows: { execution_id: string }[] = await tx.query(
      `select s.execution_id from steps s join executions e on e.id = s.execution_id
       where s.signal = $2 and s.correlation_key = $3 and s.status = 'waiting' and e.organization_id = $1
         and e.ended_at is null and e.paused_at is null
       order by s.started_at limit ${CALLED_BESIDE} + (
         select count(*) from (
           select 1 from signals where taken_at is null and execution_id is null and organization_id = $1 and name = $2
             and correlation_key = $3 limit ${COUNTED}) as left_to_take)`,
      [organizationId, name, key],
    );
    return [...new Set(rows.map(({ execution_id }) => execution_id))];
  }
}

const SIGNALS_FOR_STEPS = `
  select w.node_id, w.iteration, s.id, s.payload
  from json_to_recordset($1::json) as w(node_id text, iteration int, signal text, correlation_key text)
  cross join lateral (
    select id, payload from (
      (select id, payload from signals
       where taken_at is null and execution_id = $2 and name = w.signal and id <> all($4::uuid[])
         and (correlation_key is null or correlation_key = w.correlation_key)
       order by id limit 1)
      union all
      (select id, payload from signals
       where taken_at is null and execution_id is null and organization_id = $3 and name = w.signal
         and correlation_key = w.correlation_key and id <> all($4::uuid[])
       order by id limit 1)
    ) as both_ways order by id limit 1
  ) s
  order by s.id`;
