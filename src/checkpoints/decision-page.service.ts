import { Injectable } from '@nestjs/common';
import { Transactions } from '../platform/database/transactions.js';
import { DomainError, type Problem } from '../platform/errors/domain-error.js';
import type { Actor } from '../platform/http/principal.js';
import { CheckpointRepository, type Sight } from './checkpoint.repository.js';
import type { Claimant } from './deciders.service.js';
import { readForm } from './decision-form.js';
import type { DecisionForm } from './decision-links.dto.js';
import type { KnownLink } from './decision-links.repository.js';
import { DecisionLinksService } from './decision-links.service.js';
import { DecisionsService } from './decisions.service.js';

/** What a page says of an attempt that came to nothing: the sentence, and what is wrong with which field. */
export interface Rebuff {
  kind: DomainError['kind'];
  message: string;
  problems: readonly Problem[];
  form: DecisionForm;
}

/** What the page of a link shows. */
export type Shown =
  | { page: 'closed-link'; state: 'unknown' | 'expired' | 'revoked' | 'used'; rebuff: Rebuff | null }
  | { page: 'not-a-member'; link: KnownLink; rebuff: Rebuff | null }
  | {
      page: 'checkpoint';
      link: KnownLink;
      sight: Sight;
      preview: { action: string; refusal: DomainError | null }[];
      rebuff: Rebuff | null;
    }
  | { page: 'decided'; link: KnownLink; sight: Sight };

/** The page behind a decision link. Showing it reads, whatever asks for it; only a form that is sent decides. */
@Injectable()
export class DecisionPageService {
  constructor(
    private readonly transactions: Transactions,
    private readonly links: DecisionLinksService,
    private readonly checkpoints: CheckpointRepository,
    private readonly decisions: DecisionsService,
  ) {}

  show(token: string, actor: Actor, rebuff: Rebuff | null = null): Promise<Shown> {
    return this.transactions.read(async (tx): Promise<Shown> => {
      const { state, link } = await this.links.find(tx, token);
      if (state !== 'open') return { page: 'closed-link', state, rebuff };
      if (isStranger(link)) return { page: 'not-a-member', link, rebuff };
      const sight = await this.checkpoints.get(tx, link.organization_id, link.checkpoint_id);
      const preview = await this.decisions.preview(tx, sight, claimantBy(link, '', actor));
      return { page: 'checkpoint', link, sight, preview, rebuff };
    });
  }

  /** Through the gate like every decision; the link is used up in the same transaction, and only when the decision stands. */
  async decide(token: string, form: DecisionForm, actor: Actor): Promise<Shown> {
    const before = await this.show(token, actor);
    if (before.page !== 'checkpoint' && before.page !== 'not-a-member') return before;
    const { link } = before;
    const sight = before.page === 'checkpoint' ? before.sight : null;
    // What was typed against another revision than is there now is for the gate to refuse.
    const isCurrent =
      sight !== null && sight.checkpoint.status === 'open' && sight.checkpoint.revision === form.revision;
    const read = readForm(
      isCurrent ? form : { ...form, content: undefined },
      link.user_id === null,
      sight?.checkpoint.content,
    );
    if (!read.ok) return { ...before, rebuff: { kind: 'invalid', message: INCOMPLETE, problems: read.problems, form } };
    try {
      const claimant = claimantBy(link, read.name, actor);
      const done = await this.decisions.decide(claimant, link.checkpoint_id, read.attempt, {
        along: (tx) => this.links.use(tx, link.id),
      });
      if (!('sight' in done)) throw new Error('nothing by link is replayed');
      return { page: 'decided', link, sight: done.sight };
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      const { kind, message, errors: problems = [] } = error;
      return this.show(token, actor, { kind, message, problems, form });
    }
  }
}

const INCOMPLETE = 'Nothing is decided yet. See what is missing below.';

/** The link is for a member who left. What the organization has is not theirs to see any more. */
const isStranger = ({ user_id, is_member }: KnownLink) => user_id !== null && !is_member;

/** Role, groups and delegations are looked up when they decide. */
function claimantBy(link: KnownLink, name: string, { address, user_agent, request_id }: Actor): Claimant {
  const { organization_id, user_id, user_name, email } = link;
  return {
    organization_id,
    user_id,
    email: email ?? '',
    name: user_name ?? name,
    role: null,
    verified: user_id !== null,
    via: 'decision_link',
    may_decide: null,
    link_id: link.id,
    origin: { address, user_agent, request_id },
  };
}
