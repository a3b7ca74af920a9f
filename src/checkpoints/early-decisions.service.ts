import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AuditService } from '../audit/audit.service.js';
import { ExecutionsService } from '../executions/executions.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError, notFound } from '../platform/errors/domain-error.js';
import { auditActorOf, type Claimant } from './deciders.service.js';
import { DecisionsService, type Outcome } from './decisions.service.js';
import type { EarlyDecision } from './early-decision.entity.js';
import { EarlyDecisionsRepository, type WaitingDecision } from './early-decisions.repository.js';

/** Of those that wait for one execution. */
const MAX_KEPT = 1_000;

export interface GivenEarly {
  execution_id: string;
  node_id: string;
  /** The next one that opens, where left out. */
  iteration?: number | undefined;
  action: string;
  comment?: string | undefined;
  content?: unknown;
}

/** Decisions on checkpoints that are not open yet. They are judged when they are applied, by the same gate as any other. */
@Injectable()
export class EarlyDecisionsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: EarlyDecisionsRepository,
    private readonly decisions: DecisionsService,
    private readonly executions: ExecutionsService,
    private readonly audit: AuditService,
  ) {}

  /**
   * Keeps it until the execution reaches the checkpoint. A later one of the same person for the same takes its place.
   * @throws DomainError not found; NO_SUCH_CHECKPOINT; EXECUTION_ENDED; CHECKPOINT_OPEN, then decide it; CHECKPOINT_CLOSED; TOO_MANY_EARLY_DECISIONS
   */
  give(claimant: Claimant, given: GivenEarly): Promise<EarlyDecision> {
    return this.transactions.run(async (tx) => {
      await this.mustBeToCome(tx, claimant, given);
      const early = rowOf(claimant, given);
      await this.repository.replace(tx, early, claimant.user_id);
      const { execution_id, node_id, action } = given;
      const subject = { type: 'execution', id: execution_id };
      const entry = { organization_id: claimant.organization_id, action: 'checkpoint.decided_early', subject };
      await this.audit.record(tx, auditActorOf(claimant), { ...entry, details: { node_id, action, id: early.id } });
      return this.repository.get(tx, claimant.organization_id, early.id);
    });
  }

  /** @throws not found unless it is one's own and was not applied yet. */
  cancel(claimant: Claimant, id: string): Promise<EarlyDecision> {
    return this.transactions.run(async (tx) => {
      const { organization_id, user_id } = claimant;
      if (!(await this.repository.cancel(tx, organization_id, id, user_id)))
        throw notFound('early decision of yours', id);
      const early = await this.repository.get(tx, organization_id, id);
      const subject = { type: 'execution', id: early.execution_id };
      const entry = { organization_id, action: 'checkpoint.early_decision_cancelled', subject, details: { id } };
      await this.audit.record(tx, auditActorOf(claimant), entry);
      return early;
    });
  }

  list(organizationId: string, executionId: string): Promise<EarlyDecision[]> {
    return this.transactions.read((tx) => this.repository.list(tx, organizationId, executionId));
  }

  /** To a checkpoint that has opened, in the order in which they came, until it is closed. */
  async apply(tx: Transaction, organizationId: string, checkpointId: string): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const early of await this.repository.listFor(tx, checkpointId)) {
      const attempt = {
        action: early.action,
        comment: early.comment ?? undefined,
        content: early.content,
        revision: null,
      };
      const claimant = claimantOf(organizationId, early);
      const outcome = await this.decisions.decideIn(tx, claimant, checkpointId, attempt);
      await this.repository.finish(tx, early.id, checkpointId, outcome.refusal?.code ?? null);
      outcomes.push(outcome);
      if (!outcome.refusal && outcome.closed) break;
    }
    return outcomes;
  }

  /** The execution's row is locked: a checkpoint opens before this, and is seen, or after it, and sees this. */
  private async mustBeToCome(tx: Transaction, { organization_id }: Claimant, given: GivenEarly): Promise<void> {
    const { execution_id, node_id, iteration = null } = given;
    const execution = await this.executions.lock(tx, execution_id);
    if (execution.organization_id !== organization_id) throw notFound('execution', execution_id);
    if (execution.ended_at)
      throw conflict('EXECUTION_ENDED', 'The execution has ended; nothing is to be decided any more.');
    if ((await this.executions.typeOfNode(tx, execution, node_id)) !== 'checkpoint') {
      const message = `The workflow of the execution has no checkpoint ${node_id}. Read its definition.`;
      throw new DomainError('invalid', 'NO_SUCH_CHECKPOINT', message);
    }
    const there = await this.repository.findThere(tx, execution_id, node_id, iteration);
    if (there?.status === 'open') {
      const message = `It is open already. Read checkpoint ${there.id}, and decide it.`;
      throw new DomainError('conflict', 'CHECKPOINT_OPEN', message, { extensions: { checkpoint_id: there.id } });
    }
    if (there && iteration !== null)
      throw conflict('CHECKPOINT_CLOSED', `It is ${there.status}, so this came too late.`);
    if ((await this.repository.countKept(tx, execution_id)) >= MAX_KEPT) {
      throw conflict('TOO_MANY_EARLY_DECISIONS', `${MAX_KEPT} wait for this execution already. Cancel some.`);
    }
  }
}

const conflict = (code: string, message: string) => new DomainError('conflict', code, message);

function rowOf(claimant: Claimant, given: GivenEarly): Partial<EarlyDecision> & { id: string } {
  const { organization_id, user_id, via, api_key_id, origin } = claimant;
  const { execution_id, node_id, iteration = null, action, comment = null, content = null } = given;
  if (user_id === null || (via !== 'access_token' && via !== 'api_key')) throw new Error('only accounts decide early');
  const from = {
    organization_id,
    given_by: user_id,
    origin: { via, ...(api_key_id === undefined ? {} : { api_key_id }), ...origin },
  };
  return { id: uuidv7(), ...from, execution_id, node_id, iteration, action, comment, content, status: 'kept' };
}

/** As they are when it is applied: role, groups and name are looked up then. What a key gave ends with the key. */
function claimantOf(organization_id: string, early: WaitingDecision): Claimant {
  const { given_by: user_id, origin, name, email, key_is_gone } = early;
  const { via, api_key_id: _, ...from } = origin;
  const who = {
    organization_id,
    user_id,
    email,
    name,
    role: null,
    verified: true,
    may_decide: key_is_gone ? false : null,
  };
  return { ...who, via: via === 'api_key' ? via : 'early', origin: from };
}
