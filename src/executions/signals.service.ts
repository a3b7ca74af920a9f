import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import type { Actor, Principal } from '../platform/http/principal.js';
import { ExecutionRepository } from './execution.repository.js';
import { SignalsRepository } from './signals.repository.js';
import { WakeUps } from './wake-ups.js';

interface NewSignal {
  name: string;
  correlation_key?: string | undefined;
  payload: unknown;
}

type KeptSignal = NewSignal & { id: string; execution_id: string | null };

/**
 * Takes signals for `wait` nodes, to one execution or by correlation key. An accepted signal is kept until a step takes
 * it; each is taken once.
 */
@Injectable()
export class SignalsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly signals: SignalsRepository,
    private readonly executions: ExecutionRepository,
    private readonly audit: AuditService,
    private readonly wakeUps: WakeUps,
  ) {}

  /** @throws DomainError not found; EXECUTION_ENDED. */
  async sendTo(principal: Principal, actor: Actor, execution_id: string, given: NewSignal): Promise<{ id: string }> {
    const { organization_id } = principal;
    const id = uuidv7();
    await this.transactions.run(async (tx) => {
      await this.executions.get(tx, organization_id, execution_id);
      const { status, ended_at } = await this.executions.lock(tx, execution_id);
      if (ended_at) {
        const message = `The execution has ended already (${status}), so no step will take the signal.`;
        throw new DomainError('conflict', 'EXECUTION_ENDED', message);
      }
      await this.insert(tx, principal, { ...given, id, execution_id });
      await this.executions.nudge(tx, execution_id);
      await this.record(tx, principal, actor, { ...given, id, execution_id });
    });
    this.wakeUps.wake(execution_id);
    return { id };
  }

  /** For whichever execution of the organization waits for it, now or later. */
  async sendByKey(
    principal: Principal,
    actor: Actor,
    given: NewSignal & { correlation_key: string },
  ): Promise<{ id: string }> {
    const { organization_id } = principal;
    const { name, correlation_key: key } = given;
    const id = uuidv7();
    const woken = await this.transactions.run(async (tx) => {
      await this.signals.lockKeys(tx, organization_id, [{ name, key }]);
      await this.insert(tx, principal, { ...given, id, execution_id: null });
      const waiting = await this.signals.listWaiting(tx, organization_id, name, key);
      for (const execution of waiting) await this.executions.nudge(tx, execution);
      // Last, as everywhere: who holds the end of the audit chain must not wait for an execution.
      await this.record(tx, principal, actor, { ...given, id, execution_id: null });
      return waiting;
    });
    for (const execution of woken) this.wakeUps.wake(execution);
    return { id };
  }

  private insert(tx: Transaction, { organization_id, user_id: sent_by }: Principal, signal: KeptSignal): Promise<void> {
    const { id, execution_id, name, correlation_key = null, payload } = signal;
    return this.signals.insert(tx, { id, organization_id, execution_id, name, correlation_key, payload, sent_by });
  }

  private record(tx: Transaction, { organization_id }: Principal, actor: Actor, signal: KeptSignal) {
    const { id, execution_id, name, correlation_key = null } = signal;
    const subject = { type: 'signal', id };
    const details = { name, correlation_key, execution_id };
    return this.audit.record(tx, actor, { organization_id, action: 'signal.sent', subject, details });
  }
}
