import { Injectable } from '@nestjs/common';
import type { Recipients } from '../notifications/notices.events.js';
import { NotificationsService } from '../notifications/notifications.service.js';
import type { Transaction } from '../platform/database/transactions.js';
import type { Assignees } from '../workflows/engine/checkpoint-policy.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { Decision } from './decision.entity.js';

/** Characters of the instructions that a mail quotes. */
const QUOTED = 2_000;

/**
 * What people and systems are told of checkpoints, in the transaction of what happened. Mail goes to who is named: a checkpoint
 * that everybody may decide is in everybody's inbox and in nobody's mail. Decisions are told to webhooks only.
 */
@Injectable()
export class CheckpointNotices {
  constructor(private readonly notifications: NotificationsService) {}

  opened(tx: Transaction, checkpoint: Checkpoint): Promise<void> {
    const what = checkpoint.round > 1 ? `Round ${checkpoint.round} waits for your decision` : 'Waits for your decision';
    return this.send(tx, checkpoint, 'opened', checkpoint.assigned_to, what);
  }

  reminded(tx: Transaction, checkpoint: Checkpoint): Promise<void> {
    return this.send(tx, checkpoint, 'reminded', holdersOf(checkpoint), 'Still waits for your decision');
  }

  escalated(tx: Transaction, checkpoint: Checkpoint, to: Assignees): Promise<void> {
    return this.send(tx, checkpoint, 'escalated', to, 'Nobody has decided yet, so it is yours to decide too');
  }

  reassigned(tx: Transaction, checkpoint: Checkpoint, to: Assignees): Promise<void> {
    return this.send(tx, checkpoint, 'reassigned', to, 'Was handed to you to decide');
  }

  /** Whoever started it learns that nobody decided. */
  expired(tx: Transaction, checkpoint: Checkpoint): Promise<void> {
    const { requested_by } = checkpoint;
    const to = requested_by === null ? null : { users: [requested_by], roles: [], groups: [] };
    return this.send(tx, checkpoint, 'expired', to, 'Nobody decided before it was due');
  }

  /** Whether anybody would be told that it closed. */
  wantsClosed({ organization_id }: Checkpoint): boolean {
    return this.notifications.mayTake(organization_id, 'checkpoint.closed');
  }

  closed(
    tx: Transaction,
    checkpoint: Checkpoint,
    { action, comment, decided_by, decided_by_name }: Decision,
  ): Promise<void> {
    const decision = { action, comment, decided_by, decided_by_name };
    return this.send(tx, checkpoint, 'closed', null, 'Was decided', { decision });
  }

  private async send(
    tx: Transaction,
    checkpoint: Checkpoint,
    what: string,
    recipients: Recipients | null,
    lead: string,
    more: Record<string, unknown> = {},
  ): Promise<void> {
    const { id, organization_id, title } = checkpoint;
    await this.notifications.notify(tx, {
      organization_id,
      type: `checkpoint.${what}`,
      subject: { type: 'checkpoint', id },
      recipients,
      title: `${lead}: ${title}`,
      text: textOf(checkpoint),
      data: { ...dataOf(checkpoint), ...more },
      link: { path: `/api/checkpoints/${id}`, label: 'Read it' },
    });
  }
}

/** Whoever has claimed it, else everybody who is named. */
function holdersOf({ claimed_by, assigned_to }: Checkpoint): Recipients | null {
  return claimed_by === null ? assigned_to : { users: [claimed_by], roles: [], groups: [] };
}

/** The title is said above it. */
function textOf({ instructions, due_at }: Checkpoint): string {
  const due = due_at ? [`Due at ${due_at.toISOString()}.`] : [];
  const asked = instructions === '' ? [] : [instructions.slice(0, QUOTED)];
  return [...asked, ...due].join('\n\n');
}

/** Not the content: it may be large, and secret to those who may read it. */
function dataOf(checkpoint: Checkpoint): Record<string, unknown> {
  const { id, execution_id, workflow_id, version, node_id, iteration, round, status, action, title } = checkpoint;
  const { assigned_to, requested_by, due_at, expired_at, revision, created_at, closed_at } = checkpoint;
  const of = { id, execution_id, workflow_id, version, node_id, iteration, round, status, action, title };
  return { ...of, assigned_to, requested_by, due_at, expired_at, revision, created_at, closed_at };
}
