import { nodeOf } from '../workflows/engine/graph.js';
import type { NewEvent } from './execution-events.js';
import type { Draft } from './settled.js';
import type { TurnState } from './turn-state.js';
import type { TurnCommit } from './turn.repository.js';

interface How {
  /** The holder lets go. */
  released: boolean;
  ended: boolean;
  /** It failed, and what it did is to be undone, by turns of their own. */
  undoes: boolean;
  draining: boolean;
}

/** What a commit says of the execution, with the rows of its steps as they are at this moment. */
export function describeCommit(state: TurnState, draft: Draft, how: How): TurnCommit {
  const { id: execution_id, epoch, nudges, changes, error } = state.claim;
  const { events, attempts } = draft;
  return {
    execution_id,
    epoch,
    nudges,
    changes,
    error,
    events,
    outside: false,
    status: how.released ? waitingStatus(state, how.draining) : activeStatus(state),
    released: how.released,
    ended: how.ended,
    compensable: state.compensable,
    ...(how.released ? (how.draining ? { wake_in: 0 } : state.nextDue) : {}),
    snapshot: how.released && !how.ended && !how.undoes ? state.snapshot : null,
    steps: [...draft.steps.values()],
    ...(attempts.length > 0 ? { attempts } : {}),
    ...(how.ended ? ending(state, events) : how.undoes ? undoing(state, events) : {}),
  };
}

function ending({ failure, output, claim, endingError: error }: TurnState, done: NewEvent[]): Partial<TurnCommit> {
  if (claim.ending) {
    const event = { type: `execution.${claim.ending}` as const, ...(error ? { data: error } : {}) };
    return { status: claim.ending, error, events: [...done, event] };
  }
  if (!failure) return { status: 'completed', output, events: [...done, { type: 'execution.completed' }] };
  const event = { type: 'execution.failed' as const, data: failure };
  return { status: 'failed', error: failure, events: [...done, event] };
}

function undoing({ failure: error }: TurnState, done: NewEvent[]): Partial<TurnCommit> {
  const events: NewEvent[] = [...done, { type: 'execution.compensating', data: error }];
  return { status: 'compensating', ending: 'failed', wake_in: 0, error, events };
}

function activeStatus({ claim }: TurnState): TurnCommit['status'] {
  return claim.ending ? 'compensating' : 'running';
}

function waitingStatus(state: TurnState, draining: boolean): TurnCommit['status'] {
  if (state.claim.ending) return 'compensating';
  if (draining) return 'queued';
  const open = [...state.open.values()];
  return open.some((step) => nodeOf(state.graph, step.node_id).type === 'checkpoint')
    ? 'awaiting_checkpoint'
    : 'waiting';
}
