import { hashJson } from '../platform/hashing/hash-json.js';
import type { OfferedAction } from '../workflows/engine/checkpoint-policy.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { Decision } from './decision.entity.js';
import { diffContent, type Operation } from './diff-content.js';
import { group } from './judge-decision.js';

/** What a vote does to a checkpoint. */
export interface Cast {
  /** The content that is decided on: the edited one, or what was shown. */
  content: unknown;
  content_hash: string;
  result_hash: string;
  patch: Operation[] | null;
  /** Votes on a content that is no more. */
  voided: readonly Decision[];
  /** Votes that count for the action now, this one included. */
  counted: number;
  /** Enough. */
  completes: boolean;
}

/**
 * Counts a vote that was judged to be allowed. A vote counts for the content it was cast on: an edit that changes the content
 * voids those before it, whatever their action. Pure.
 */
export function castVote(
  checkpoint: Pick<Checkpoint, 'content'>,
  votes: readonly Decision[],
  offered: OfferedAction,
  given: { action: string; content?: unknown },
): Cast {
  const shown = checkpoint.content ?? null;
  const content_hash = hashJson(shown);
  const content = given.action === 'edit' ? (given.content ?? null) : shown;
  const result_hash = given.action === 'edit' ? hashJson(content) : content_hash;
  const patch = given.action === 'edit' ? diffContent(shown, content) : null;
  const live = votes.filter(({ void_reason }) => void_reason === null);
  const voided = live.filter((vote) => vote.result_hash !== result_hash);
  const others = live.filter((vote) => vote.result_hash === result_hash && group(vote.action) === offered.action);
  const counted = others.length + 1;
  return {
    content,
    content_hash,
    result_hash,
    patch,
    voided,
    counted,
    completes: counted >= offered.quorum,
  };
}
