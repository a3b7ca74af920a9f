import type { Role } from '../platform/http/permissions.js';

/** Something that people or their systems should learn of. It is worded by the module in which it happened. */
export interface Notice {
  organization_id: string;
  /** `thing.what_happened`, as webhooks name it: `checkpoint.opened`. */
  type: string;
  subject: { type: string; id: string };
  /** Members who get mail, each once however often they are named; null: nobody. */
  recipients: Recipients | null;
  /** The subject of the mail, in one line. */
  title: string;
  /** What the mail says, as plain text. */
  text: string;
  /** Any JSON value: what webhooks are told besides the type and the subject. Keep it small; a megabyte is too much. */
  data: unknown;
  /** Where the mail leads for whom no personal link is made: a path below PUBLIC_URL, and what is written on it. */
  link?: { path: string; label: string };
}

export interface Recipients {
  /** Ids or e-mail addresses. */
  users: readonly string[];
  roles: readonly string[];
  groups: readonly string[];
}

/** A notice as mail needs it. */
export type Letter = Omit<Notice, 'data' | 'recipients'>;

export interface Recipient {
  user_id: string;
  email: string;
  name: string;
  role: Role;
}

/** The personal link of a mail, such as one by which this person decides: an address, or a path of this server; null where there is none for them. */
export type LinkProvider = (letter: Letter, recipient: Recipient) => Promise<string | null>;
