import { v7 as uuidv7 } from 'uuid';
import { hashRecord } from '../audit/hash-record.js';
import { hashJson } from '../platform/hashing/hash-json.js';
import type { CheckpointPolicy } from '../workflows/engine/checkpoint-policy.js';
import type { CheckpointEvent, CheckpointEventType, EventActor } from './checkpoint-event.entity.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { Decision } from './decision.entity.js';
import { diffContent } from './diff-content.js';
import { type Evidence, CHECKPOINT_FIELDS, DECISION_FIELDS } from './evidence.service.js';
import { FIRST_HASH, hashEvent } from './hash-event.js';

const SHOWN = { text: 'Dear Bo', tags: ['new', 'draft', 'old'], 'a/b': { 'm~n': 1 }, '': 0 };
const EDITED = { text: 'Dear Bo,\u2028hello', tags: ['new', { of: 'Cleo' }], 'a/b': { 'm~n': [] }, extra: null };

export const PEOPLE = {
  Ann: '01900000-0000-7000-8000-00000000000a',
  Bea: '01900000-0000-7000-8000-00000000000b',
  Cleo: '01900000-0000-7000-8000-00000000000c',
};

export interface History {
  checkpoint: Checkpoint;
  decisions: Decision[];
  events: CheckpointEvent[];
}

interface Place {
  organization_id: string;
  execution_id: string;
  workflow_id: string;
}

/**
 * A checkpoint that takes two people, as its rows: Bea approves, Cleo edits, which voids that, Bea is refused once and
 * approves what Cleo made of it.
 */
export function approvedAfterEdit(place: Place): History {
  const id = uuidv7();
  const [shown, edited] = [hashJson(SHOWN), hashJson(EDITED)];
  const log = new EventLog(id);
  const policy = { actions: [{ action: 'approve', quorum: 2 }], editable: true } as unknown as CheckpointPolicy;
  const asked = { workflow_id: place.workflow_id, version: 1, node_id: 'review', iteration: 1, round: 1 };
  log.add('opened', null, {
    execution_id: place.execution_id,
    ...asked,
    title: 'Send it?',
    instructions_hash: hashJson('Be kind.'),
    content_hash: shown,
    schema_hash: null,
    policy,
    assigned_to: null,
    requested_by: PEOPLE.Ann,
    due_at: null,
  });
  log.add('commented', 'Ann', { text: 'In a hurry, please.' });
  const first = log.decide('Bea', { action: 'approve', content_hash: shown, result_hash: shown, counted: 1 });
  const patch = diffContent(SHOWN, EDITED);
  const edit = log.decide('Cleo', { action: 'edit', content_hash: shown, result_hash: edited, patch, counted: 1 });
  log.add('decisions_voided', 'Cleo', { decision_ids: [first.id], reason: 'content_changed' });
  log.add('refused', 'Bea', { action: 'approve', code: 'STALE_VERSION' });
  const last = log.decide('Bea', { action: 'approve', content_hash: edited, result_hash: edited, counted: 2 });
  log.add('closed', 'Bea', { status: 'approved', action: 'approve', handle: 'approved', content_hash: edited });
  const moment = new Date('2026-01-02T03:04:05.678Z');
  const checkpoint = {
    id,
    ...place,
    ...asked,
    status: 'approved',
    action: 'approve',
    title: 'Send it?',
    instructions: 'Be kind.',
    content: EDITED,
    original_content: SHOWN,
    schema: null,
    policy,
    candidates: [],
    schedule: [],
    revision: 5,
    history_length: log.events.length,
    history_hash: log.end,
    created_at: moment,
    closed_at: moment,
  } as unknown as Checkpoint;
  const voided = { void_reason: 'content_changed', voided_at: moment } as const;
  const decisions = [{ ...first, ...voided }, { ...edit, edited_content: EDITED }, last];
  return {
    checkpoint,
    decisions: decisions.map((decision) => ({ ...decision, organization_id: place.organization_id })),
    events: log.events,
  };
}

/** The file that the product makes of these rows, with records of which the third and the fourth are neighbours. */
export function evidenceOf({ checkpoint, decisions, events }: History): Evidence {
  const { organization_id } = checkpoint;
  const numbers = ['4', '5', '9', '10', '12'];
  const named = events.filter(({ type }) => ['commented', 'decided', 'refused'].includes(type));
  let last = hashJson('the record before the first');
  const audit_records = named.map((event, i) => {
    const seq = numbers[i] ?? '';
    const follows = String(Number(numbers[i - 1]) + 1) === seq;
    const record = {
      organization_id,
      seq,
      occurred_at: event.occurred_at,
      action: `checkpoint.${event.type}`,
      actor_type: 'user' as const,
      actor_id: event.actor.user_id,
      subject_type: 'checkpoint',
      subject_id: checkpoint.id,
      details: { history_seq: event.seq, history_hash: event.hash },
      request_id: event.actor.request_id,
      address: event.actor.address,
      user_agent: event.actor.user_agent,
      previous_hash: follows ? last : hashJson(`the record before ${seq}`),
    };
    last = hashRecord(record);
    return { ...record, occurred_at: event.occurred_at.toISOString(), hash: last };
  });
  return {
    format: 'holdpoint-evidence',
    version: 1,
    exported_at: new Date('2026-01-03T00:00:00.000Z'),
    organization_id,
    checkpoint: pick(checkpoint, CHECKPOINT_FIELDS),
    decisions: decisions.map((decision) => pick(decision, DECISION_FIELDS)),
    events,
    audit_records,
    audit_head: { seq: '20', hash: hashJson('the head') },
  };
}

interface Vote {
  action: string;
  content_hash: string;
  result_hash: string;
  patch?: Decision['patch'];
  counted: number;
}

class EventLog {
  readonly events: CheckpointEvent[] = [];

  constructor(private readonly checkpointId: string) {}

  get end(): string {
    return this.events.at(-1)?.hash ?? FIRST_HASH;
  }

  add(type: CheckpointEventType, name: keyof typeof PEOPLE | null, data: Record<string, unknown>): CheckpointEvent {
    const seq = this.events.length + 1;
    const occurred_at = new Date(Date.UTC(2026, 0, 2, 3, 4, seq, 678));
    const event = { checkpoint_id: this.checkpointId, seq, type, occurred_at, actor: actorOf(name), data };
    const unhashed = { ...event, previous_hash: this.end };
    this.events.push({ ...unhashed, hash: hashEvent(unhashed) });
    return this.events.at(-1) as CheckpointEvent;
  }

  decide(name: keyof typeof PEOPLE, { counted, ...vote }: Vote): Decision {
    const id = uuidv7();
    const mandate = { person: PEOPLE[name], on_behalf_of: null, on_behalf_of_name: null, verified: true };
    const given = { ...vote, patch: vote.patch ?? null, comment: `from ${name}`, ...mandate };
    const verdict = { quorum: 2, counted, completes: counted === 2 };
    const { occurred_at } = this.add('decided', name, { decision_id: id, ...given, verdict });
    const decided = { decided_by: PEOPLE[name], decided_by_name: name, via: 'access_token', decided_at: occurred_at };
    const unchanged = { edited_content: null, void_reason: null, voided_at: null };
    return { id, checkpoint_id: this.checkpointId, ...given, ...decided, ...unchanged } as unknown as Decision;
  }
}

function actorOf(name: keyof typeof PEOPLE | null): EventActor {
  if (!name) return { user_id: null, name: null, via: null, address: null, user_agent: null, request_id: null };
  const origin = { address: '127.0.0.1', user_agent: 'agent "7"', request_id: 'request-0001' };
  return { user_id: PEOPLE[name], name, via: 'access_token', ...origin };
}

function pick<T, K extends keyof T>(value: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, value[key] ?? null])) as Pick<T, K>;
}
