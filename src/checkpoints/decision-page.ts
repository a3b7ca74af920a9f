import type { DomainError } from '../platform/errors/domain-error.js';
import { html, Markup } from '../platform/http/markup.js';
import type { Checkpoint } from './checkpoint.entity.js';
import type { Sight } from './checkpoint.repository.js';
import type { Decision } from './decision.entity.js';
import { writeContent } from './decision-form.js';
import type { KnownLink } from './decision-links.repository.js';
import type { Rebuff, Shown } from './decision-page.service.js';
import { formatMoment } from './format-figures.js';
import { group, nameOf, offeredBy, winnerOf } from './judge-decision.js';
import { showContent } from './show-content.js';
import { STYLE } from './style-decision-page.js';

type Open = Extract<Shown, { page: 'checkpoint' }>;

/** A page for a browser, complete in itself: no script, nothing loaded, all text of users escaped. */
export function decisionPage(shown: Shown): string {
  if (shown.page === 'closed-link') return closedLinkPage(shown.state, shown.rebuff);
  if (shown.page === 'not-a-member') return notAMemberPage(shown.link, shown.rebuff);
  if (shown.page === 'decided') return decidedPage(shown.link, shown.sight);
  return shown.sight.checkpoint.status === 'open' ? openPage(shown) : endedPage(shown);
}

/** Where there is nothing to show but why. */
export function refusalPage(message: string): string {
  return messagePage('This was not done', [message]);
}

const CLOSED_LINKS = {
  unknown: [
    'This link opens nothing',
    'It is not complete, or not one of this server. Open it from the message again, in full; if that does not help, ask whoever sent it for another one.',
  ],
  expired: ['This link has expired', 'Ask whoever sent it for a new one, or sign in and decide there.'],
  revoked: ['This link was revoked', 'Ask whoever sent it why, or for a new one; or sign in and decide there.'],
  used: [
    'This link has been used',
    'A decision was made with it, and a link decides once. To see what was decided, sign in or ask whoever sent it.',
  ],
} as const;

function closedLinkPage(state: keyof typeof CLOSED_LINKS, rebuff: Rebuff | null): string {
  const [title, advice] = CLOSED_LINKS[state];
  return messagePage(title, rebuff ? [rebuff.message, advice] : [advice]);
}

function notAMemberPage({ organization_name }: KnownLink, rebuff: Rebuff | null): string {
  const message = `You do not belong to ${organization_name} any more, so this link shows and decides nothing. Ask its people if that is wrong.`;
  return messagePage('This link is for a member', rebuff ? [rebuff.message, message] : [message]);
}

function messagePage(title: string, sentences: readonly string[]): string {
  return pageOf(
    title,
    html`<header>
        <p class="house">Holdpoint</p>
        <h1>${title}</h1>
      </header>
      <div class="card">${sentences.map((sentence) => html`<p>${sentence}</p>`)}</div>`,
  );
}

function decidedPage(link: KnownLink, { checkpoint, votes }: Sight): string {
  const vote = votes.at(-1) as Decision;
  const next =
    checkpoint.status === 'open'
      ? 'It takes more people before the work goes on. Your decision counts.'
      : 'The work goes on from here. You can close this page.';
  return pageOf(
    `Recorded: ${checkpoint.title}`,
    html`${headOf(link, checkpoint)}
      <div class="card" role="status">
        <p class="done">Recorded: ${labelOf(checkpoint, vote.action)}</p>
        <p>By <bdi>${nameOf(vote)}</bdi>, ${momentOf(vote.decided_at, checkpoint)}. ${next}</p>
        <p class="soft small">This link is used up.</p>
      </div>`,
  );
}

function endedPage({ link, sight, rebuff }: Open): string {
  const { checkpoint, votes } = sight;
  return pageOf(
    `Closed: ${checkpoint.title}`,
    html`${headOf(link, checkpoint)} ${rebuff ? noticeOf([rebuff.message]) : []}
      <div class="card">
        <p>${endOf(checkpoint, winnerOf(checkpoint, votes))}</p>
        <p class="soft">Nothing is left to decide here. You can close this page.</p>
      </div>`,
  );
}

function endOf(checkpoint: Checkpoint, winner: Decision | null): Markup {
  if (winner) {
    const by = html`<bdi>${nameOf(winner)}</bdi>`;
    return html`This was decided: ${labelOf(checkpoint, winner.action)}, by ${by},
    ${momentOf(winner.decided_at, checkpoint)}.`;
  }
  return checkpoint.status === 'expired'
    ? html`This was due, and nobody decided it in time.`
    : html`The work went on or ended before this was decided.`;
}

function openPage(shown: Open): string {
  const { link, sight, preview, rebuff } = shown;
  const { checkpoint } = sight;
  const allowed = preview.filter(({ refusal }) => refusal === null).map(({ action }) => action);
  const title = `${rebuff ? 'Not decided yet: ' : ''}${checkpoint.title}`;
  return pageOf(
    title,
    html`${headOf(link, checkpoint, factsOf(shown))} ${rebuff ? rebuffOf(rebuff) : []}
      ${checkpoint.instructions === '' ? [] : instructionsOf(checkpoint)}
      <section class="card" aria-labelledby="content-title">
        <h2 id="content-title">What it is about</h2>
        ${showContent(checkpoint.content)}
      </section>
      ${allowed.length > 0 ? formOf(shown, allowed) : cannotDecide(preview)}
      <footer>
        <p>
          Reading this page decides nothing. The link works once, until ${momentOf(link.expires_at, checkpoint)}; keep
          it to yourself.
        </p>
      </footer>`,
  );
}

function headOf({ organization_name }: KnownLink, { title }: Checkpoint, facts: Markup | [] = []): Markup {
  return html`<header>
    <p class="house">Holdpoint · <bdi>${organization_name}</bdi></p>
    <h1 dir="auto">${title}</h1>
    ${facts}
  </header>`;
}

function factsOf({ link, sight }: Open): Markup {
  const { checkpoint } = sight;
  const facts: [name: string, value: Markup][] = [
    ['For', link.user_name === null ? html`You, without an account` : html`<bdi>${link.user_name}</bdi>`],
    ...(link.requester_name === null ? [] : [fact('Started by', link.requester_name)]),
    ...(checkpoint.due_at ? [['Due', momentOf(checkpoint.due_at, checkpoint)] as [string, Markup]] : []),
    ...(checkpoint.round > 1 ? [fact('Round', String(checkpoint.round))] : []),
    fact('Decisions so far', countsOf(sight)),
  ];
  return html`<dl class="facts">
    ${facts.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;
}

const fact = (name: string, value: string): [string, Markup] => [name, html`<bdi>${value}</bdi>`];

/** How many, and of what it takes several; not whose, so that nobody follows another. */
function countsOf({ checkpoint, votes }: Sight): string {
  const live = votes.filter(({ void_reason }) => void_reason === null);
  const counts = checkpoint.policy.actions
    .map(({ action, quorum }) => ({
      action,
      quorum,
      count: live.filter((vote) => group(vote.action) === action).length,
    }))
    .filter(({ quorum, count }) => quorum > 1 || count > 0);
  if (counts.length === 0) return 'None';
  return counts.map(({ action, quorum, count }) => `${labelOf(checkpoint, action)}: ${count} of ${quorum}`).join(', ');
}

function instructionsOf({ instructions }: Checkpoint): Markup {
  return html`<section class="card" aria-labelledby="instructions-title">
    <h2 id="instructions-title">What to look at</h2>
    <div class="text" dir="auto">${instructions}</div>
  </section>`;
}

function rebuffOf({ message, problems }: Rebuff): Markup {
  const elsewhere = problems.filter(({ pointer }) => !/^\/(name|comment|content)/.test(pointer));
  return noticeOf([message, ...elsewhere.map((problem) => problem.message)]);
}

function noticeOf(sentences: readonly string[]): Markup {
  return html`<div class="notice" role="alert">${sentences.map((sentence) => html`<p>${sentence}</p>`)}</div>`;
}

function cannotDecide(preview: readonly { refusal: DomainError | null }[]): Markup {
  const reasons = new Set(preview.flatMap(({ refusal }) => (refusal ? [refusal.message] : [])));
  return html`<div class="notice">
    <p>You cannot decide this with this link:</p>
    <ul>
      ${[...reasons].map((reason) => html`<li>${reason}</li>`)}
    </ul>
  </div>`;
}

/**
 * One form, so that what is typed goes with whichever button is pressed. The disabled button comes first: it is the one
 * that the Enter key in a field would press, and nobody shall decide by Enter.
 */
function formOf(shown: Open, allowed: readonly string[]): Markup {
  const { link, sight, preview, rebuff } = shown;
  const { checkpoint } = sight;
  const buttons = allowed.filter((action) => action !== 'edit');
  return html`<form class="card" method="post" accept-charset="utf-8" autocomplete="off">
    <button type="submit" disabled hidden></button>
    <input type="hidden" name="revision" value="${checkpoint.revision}" />
    ${link.user_id === null ? nameField(rebuff) : []} ${commentField(checkpoint, allowed, rebuff)}
    <div class="actions">${buttons.map((action) => buttonOf(checkpoint, action))}</div>
    ${allowed.includes('edit') ? editField(checkpoint, rebuff) : []} ${withheld(checkpoint, preview)}
  </form>`;
}

function nameField(rebuff: Rebuff | null): Markup {
  return html`<label for="name">Your name</label>
    <p class="hint" id="name-hint">Required. It is recorded as you write it, as a name that nobody has verified.</p>
    ${problemsAt(rebuff, 'name')}
    <input
      id="name"
      name="name"
      type="text"
      maxlength="100"
      autocomplete="name"
      required
      aria-describedby="name-hint name-wrong"
      value="${rebuff?.form.name ?? ''}"
      ${invalid(rebuff, 'name')}
    />`;
}

function commentField(checkpoint: Checkpoint, allowed: readonly string[], rebuff: Rebuff | null): Markup {
  const needing = allowed.filter((action) => offeredBy(checkpoint, action)?.comment === 'required');
  const names = needing.map((action) => `“${labelOf(checkpoint, action)}”`).join(' and ');
  const hint =
    needing.length === 0
      ? 'Optional. It becomes part of the record.'
      : `Needed for ${names}. It becomes part of the record.`;
  return html`<label for="comment">Comment</label>
    <p class="hint" id="comment-hint">${hint}</p>
    ${problemsAt(rebuff, 'comment')}
    ${areaOf('comment', 'dir="auto" maxlength="10000"', rebuff?.form.comment ?? '', rebuff)}`;
}

function editField(checkpoint: Checkpoint, rebuff: Rebuff | null): Markup {
  const shown = writeContent(checkpoint.content);
  if (encodeURIComponent(shown).length > LARGEST_EDIT) {
    return html`<p class="hint edit">This content is too large to be edited here. Sign in to edit it.</p>`;
  }
  // After somebody else's change what was typed would undo it; it is offered beside, not sent again.
  const isStale = rebuff !== null && rebuff.form.revision !== checkpoint.revision;
  const typed = isStale ? undefined : rebuff?.form.content;
  const isText = typeof checkpoint.content === 'string';
  return html`<details class="edit" ${typed !== undefined && typed !== shown ? OPEN : []}>
    <summary>Edit the content</summary>
    <label for="content">Content${isText ? '' : ', as JSON'}</label>
    <p class="hint" id="content-hint">Only “${labelOf(checkpoint, 'edit')}” keeps what you change here.</p>
    ${problemsAt(rebuff, 'content')}
    ${areaOf('content', isText ? 'class="long" dir="auto"' : 'class="long code" spellcheck="false"', typed ?? shown, rebuff)}
    ${buttonOf(checkpoint, 'edit')} ${isStale && rebuff.form.content !== undefined ? lostText(rebuff.form.content) : []}
  </details>`;
}

/** Of 1 MiB that a form may have, with room for the other fields. */
const LARGEST_EDIT = 900_000;

function lostText(text: string): Markup {
  return html`<details>
    <summary>What you had written before it changed</summary>
    <div class="text json" dir="auto">${text}</div>
  </details>`;
}

/** Browsers drop the first line break in a text area, so there is one more. */
function areaOf(field: 'comment' | 'content', attributes: string, text: string, rebuff: Rebuff | null): Markup {
  const described = Markup.trusted(
    `id="${field}" name="${field}" aria-describedby="${field}-hint ${field}-wrong" ${attributes}`,
  );
  return html`<textarea ${described} ${invalid(rebuff, field)}>${'\n'}${text}</textarea>`;
}

const OPEN = html`open`;

const problemsOf = (rebuff: Rebuff | null, field: string) =>
  (rebuff?.problems ?? []).filter(({ pointer }) => pointer === `/${field}` || pointer.startsWith(`/${field}/`));

function problemsAt(rebuff: Rebuff | null, field: string): Markup | [] {
  const problems = problemsOf(rebuff, field).slice(0, 20);
  if (problems.length === 0) return [];
  const lines = problems.map(({ pointer, code, message }) => {
    const place = pointer.slice(field.length + 1);
    return code === 'COMMENT_REQUIRED' ? 'Say why here.' : `${place === '' ? '' : `At ${place}: `}${message}`;
  });
  return html`<div class="wrong" id="${field}-wrong">${lines.map((line) => html`<p>${line}</p>`)}</div>`;
}

const invalid = (rebuff: Rebuff | null, field: string): Markup | [] =>
  problemsOf(rebuff, field).length > 0 ? html`aria-invalid="true"` : [];

function buttonOf(checkpoint: Checkpoint, action: string): Markup {
  const style = action === 'approve' || action === 'edit' ? 'go' : action === 'reject' ? 'back' : 'other';
  return html`<button type="submit" name="action" value="${action}" class="${style}">
    ${labelOf(checkpoint, action)}
  </button>`;
}

/** Why what the workflow offers is not among the buttons. */
function withheld(checkpoint: Checkpoint, preview: Open['preview']): Markup[] {
  return preview.flatMap(({ action, refusal }) =>
    refusal && action !== 'edit' ? [html`<p class="hint">${labelOf(checkpoint, action)}: ${refusal.message}</p>`] : [],
  );
}

const LABELS: Readonly<Record<string, string>> = {
  approve: 'Approve',
  edit: 'Approve with changes',
  reject: 'Reject',
  request_changes: 'Request changes',
};

function labelOf(checkpoint: Checkpoint, action: string): string {
  const own = action === 'edit' ? null : offeredBy(checkpoint, action)?.label;
  return own ?? (Object.hasOwn(LABELS, action) ? LABELS[action] : undefined) ?? action;
}

/** In the zone of the working hours, where the definition has some. */
function momentOf(moment: Date, { policy }: Checkpoint): Markup {
  const zone = policy.working_hours?.time_zone ?? 'UTC';
  return html`<time datetime="${moment.toISOString()}">${formatMoment(moment, zone)} (${zone})</time>`;
}

function pageOf(title: string, content: Markup): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex, nofollow" />
        <meta name="referrer" content="no-referrer" />
        <title>${title} · Holdpoint</title>
        ${STYLE}
      </head>
      <body>
        <main>${content}</main>
      </body>
    </html>`.text;
}
