import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { CheckpointEvent, CheckpointEventType, EventActor } from './checkpoint-event.entity.js';
import { type CheckpointChange, CheckpointRepository } from './checkpoint.repository.js';
import type { Decision, VoidReason } from './decision.entity.js';
import { hashEvent } from './hash-event.js';

export interface NewEvent {
  type: CheckpointEventType;
  actor: EventActor;
  data: Record<string, unknown>;
}

export interface Act {
  events: readonly NewEvent[];
  /** Fields that are to be others. */
  set?: Partial<Checkpoint>;
  vote?: Decision | undefined;
  voided?: { id: string; void_reason: VoidReason }[];
}

/** Whoever acts is not a person: the clock, or the execution. */
export const NOBODY: EventActor = {
  user_id: null,
  name: null,
  via: null,
  address: null,
  user_agent: null,
  request_id: null,
};

/** Writes what was done to a checkpoint, with its events at the end of its chain. The execution's row is locked. */
@Injectable()
export class CheckpointWriter {
  constructor(private readonly repository: CheckpointRepository) {}

  /** Answers it as it then is. */
  async write(tx: Transaction, checkpoint: Checkpoint, now: Date, act: Act): Promise<Checkpoint> {
    const change = changeBy(checkpoint, now, act);
    const written = await this.repository.write(tx, change);
    if (!written) throw new Error(`checkpoint ${checkpoint.id} changed while its execution was locked`);
    return change.checkpoint;
  }
}

/** What is to be written. A change of anything but the record and the clock's plans makes it another revision. */
export function changeBy(checkpoint: Checkpoint, now: Date, act: Act): CheckpointChange {
  const { set = {}, vote = null, voided = [] } = act;
  const events = chain(checkpoint, now, act.events);
  const last = events.at(-1) as CheckpointEvent;
  const revises = vote !== null || voided.length > 0 || Object.keys(set).some((field) => !PLANS.has(field));
  const { revision, history_length } = checkpoint;
  const changed: Checkpoint = {
    ...checkpoint,
    ...set,
    revision: revision + (revises ? 1 : 0),
    history_length: last.seq,
    history_hash: last.hash,
  };
  const seen = { revision, history_length };
  return { checkpoint: changed, has_content: 'content' in set, seen, events, vote, voided, now };
}

/** What the clock means to do next is not shown to anybody. */
const PLANS = new Set(['next_at', 'schedule']);

/** The events with their numbers and hashes, following the last of the checkpoint. */
export function chain(
  { id, history_length, history_hash }: Pick<Checkpoint, 'id' | 'history_length' | 'history_hash'>,
  now: Date,
  events: readonly NewEvent[],
): CheckpointEvent[] {
  let [seq, previous_hash] = [history_length, history_hash];
  return events.map(({ type, actor, data }) => {
    seq += 1;
    const event = { checkpoint_id: id, seq, type, occurred_at: now, actor, data: plain(data), previous_hash };
    previous_hash = hashEvent(event);
    return { ...event, hash: previous_hash };
  });
}

/** As it comes back from the database: without what JSON does not have. */
const plain = (data: Record<string, unknown>) => JSON.parse(JSON.stringify(data)) as Record<string, unknown>;
