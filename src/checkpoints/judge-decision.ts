import { DomainError } from '../platform/errors/domain-error.js';
import { staleVersion } from '../platform/http/if-match.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { Decision, DecisionAction } from './decision.entity.js';

export interface Attempt {
  action: DecisionAction;
  user_id: string;
  /** The revision the person saw. */
  revision: number;
}

/**
 * The one place that says whether this person may take this action on this checkpoint now. Null: they may.
 *
 * 1. What is decided stays decided: the later one is told who was first, and when.
 * 2. A checkpoint whose execution has ended needs no decision.
 * 3. Nobody decides on something else than what they saw.
 * 4. With `not_requester`, whoever started the execution approves neither as it is nor edited; rejecting is theirs.
 * 5. What is not editable is not edited.
 */
export function judgeDecision(checkpoint: Checkpoint, decision: Decision | null, attempt: Attempt): DomainError | null {
  if (decision) return alreadyDecided(decision);
  if (checkpoint.status !== 'open') {
    const message = 'The execution ended before this was decided; nothing waits for it any more.';
    return new DomainError('conflict', 'CHECKPOINT_WITHDRAWN', message);
  }
  if (checkpoint.revision !== attempt.revision) return staleVersion();
  if (checkpoint.not_requester && attempt.action !== 'reject' && checkpoint.requested_by === attempt.user_id) {
    const message = 'You started this execution, and its workflow asks for somebody else to approve. Ask a colleague.';
    return new DomainError('forbidden', 'REQUESTER_MAY_NOT_APPROVE', message);
  }
  if (attempt.action === 'edit' && !checkpoint.editable) {
    const message = 'The workflow does not let the content be edited. Approve or reject it.';
    return new DomainError('forbidden', 'CONTENT_NOT_EDITABLE', message);
  }
  return null;
}

function alreadyDecided({ action, decided_by, decided_by_name, decided_at }: Decision): DomainError {
  const when = decided_at.toISOString();
  const message = `${decided_by_name} was first: ${PAST[action]} at ${when}. Read the checkpoint to see what was decided.`;
  return new DomainError('conflict', 'CHECKPOINT_DECIDED', message, {
    extensions: { decided_by: { id: decided_by, name: decided_by_name }, decided_at: when, action },
  });
}

const PAST: Readonly<Record<DecisionAction, string>> = {
  approve: 'approved',
  edit: 'edited and approved',
  reject: 'rejected',
};
