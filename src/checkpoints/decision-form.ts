import type { Problem } from '../platform/errors/domain-error.js';
import { hashJson } from '../platform/hashing/hash-json.js';
import { findUnstorable } from '../platform/http/find-unstorable.js';
import type { DecisionForm } from './decision-links.dto.js';
import type { Attempt } from './judge-decision.js';

const LONGEST_NAME = 100;
const LONGEST_COMMENT = 10_000;

/** Controls, line ends, and what turns the direction of the text around it: a name must look the same wherever it stands. */
const NOT_IN_NAMES = /[\p{Cc}\p{Zl}\p{Zp}\u200E\u200F\u202A-\u202E\u2066-\u2069]/u;

/** What somebody wants, or what is wrong with what they typed, by the field it is in. */
export type ReadForm =
  { ok: true; name: string; attempt: Attempt & { revision: number } } | { ok: false; problems: Problem[] };

/**
 * Reads what was typed, against the content that the page showed. A content that was changed counts only with `edit`:
 * nobody may believe that their changes were approved when they were not.
 */
export function readForm(form: DecisionForm, wantsName: boolean, shown: unknown): ReadForm {
  const { action, revision } = form;
  const [name, comment] = [form.name.trim(), form.comment.trim()];
  const content = readContent(form.content, shown);
  const problems = [
    ...(wantsName ? problemsOfName(name) : []),
    ...(comment.length > LONGEST_COMMENT ? [problem('/comment', 'Write at most 10,000 characters.')] : []),
    ...(action === 'edit' ? content.problems : problemsOfUnused(content)),
  ];
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    name,
    attempt: { action, comment, revision, ...(action === 'edit' ? { content: content.value } : {}) },
  };
}

/** As the page offers it for editing: text as it is, anything else as JSON. */
export function writeContent(content: unknown): string {
  return typeof content === 'string' ? content.replaceAll('\r\n', '\n') : JSON.stringify(content ?? null, null, 2);
}

interface Content {
  value: unknown;
  problems: Problem[];
  changed: boolean;
}

function readContent(text: string | undefined, shown: unknown): Content {
  if (text === undefined || text === writeContent(shown)) return { value: shown ?? null, problems: [], changed: false };
  if (typeof shown === 'string') return { value: text, problems: findUnstorable(text), changed: true };
  try {
    const value: unknown = JSON.parse(text);
    const problems = findUnstorable(value).map((found) => ({ ...found, pointer: `/content${found.pointer}` }));
    return { value, problems, changed: problems.length > 0 || hashJson(value) !== hashJson(shown ?? null) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { value: null, problems: [problem('/content', `This is not JSON: ${error.message}.`)], changed: true };
  }
}

function problemsOfName(name: string): Problem[] {
  if (name === '') return [problem('/name', 'Write your name.')];
  if (name.length > LONGEST_NAME) return [problem('/name', `Write at most ${LONGEST_NAME} characters.`)];
  return NOT_IN_NAMES.test(name) ? [problem('/name', 'Write it without control characters and line breaks.')] : [];
}

function problemsOfUnused({ changed }: Content): Problem[] {
  const message = 'You changed the content, and only “Approve with changes” keeps that. Take it, or undo the changes.';
  return changed ? [problem('/content', message)] : [];
}

const problem = (pointer: string, message: string): Problem => ({ pointer, code: 'CUSTOM', message });
