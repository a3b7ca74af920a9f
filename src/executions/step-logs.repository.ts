import { Injectable } from '@nestjs/common';
import { runPrepared } from '../platform/database/run-prepared.js';
import type { Transaction } from '../platform/database/transactions.js';
import type { Step, StepLogs } from './step.entity.js';
import type { Claim } from './turn.repository.js';

type Try = Pick<Step, 'node_id' | 'iteration' | 'attempt'>;

@Injectable()
export class StepLogsRepository {
  /**
   * What a running step has printed so far. The lock keeps the execution this holder's until it is written; where somebody
   * is writing at this moment it is left for the next time.
   */
  async write(tx: Transaction, held: Pick<Claim, 'id' | 'epoch'>, step: Try, logs: StepLogs): Promise<void> {
    const { node_id, iteration, attempt } = step;
    await runPrepared(
      tx,
      'write_logs',
      `with held as materialized (
         select id from executions where id = $1 and epoch = $2 and ended_at is null for share skip locked
       )
       update steps s set logs = $6 from held
       where s.execution_id = held.id and s.node_id = $3 and s.iteration = $4 and s.attempt = $5 and s.status = 'running'`,
      [held.id, held.epoch, node_id, iteration, attempt, JSON.stringify(logs)],
    );
  }
}
