import type { DomainError } from '../platform/errors/domain-error.js';
import type { Sight } from './checkpoint.repository.js';
import { winnerOf } from './judge-decision.js';

/** What is answered of a checkpoint; `you` is for one that is still open. */
export function viewCheckpoint(
  { checkpoint, votes }: Pick<Sight, 'checkpoint' | 'votes'>,
  preview: readonly { action: string; refusal: DomainError | null }[],
) {
  const decision = checkpoint.status === 'open' ? null : winnerOf(checkpoint, votes);
  const you = preview.map(({ action, refusal }) => ({
    action,
    allowed: refusal === null,
    code: refusal?.code ?? null,
    detail: refusal?.message ?? null,
  }));
  return { ...checkpoint, decision, decisions: votes, you };
}
