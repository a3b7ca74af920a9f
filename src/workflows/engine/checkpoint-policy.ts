/** Who may decide. Any of them; users by id or e-mail. */
export interface Assignees {
  readonly users: readonly string[];
  readonly roles: readonly string[];
  readonly groups: readonly string[];
}

/** Something people can do with a checkpoint. */
export interface OfferedAction {
  /** `approve`, `reject`, `request_changes`, or one of the definition's own. */
  readonly action: string;
  readonly label: string | null;
  readonly comment: 'required' | 'optional';
  /** Where the step leaves: `approved`, `rejected`, `changes_requested`, or the action itself. */
  readonly handle: string;
  /** How many different people it takes; from 1. */
  readonly quorum: number;
}

/** The hours that count, in a place. */
export interface WorkingHours {
  /** IANA name. */
  readonly time_zone: string;
  readonly days: readonly Weekday[];
  /** `HH:MM`, from 00:00 to 24:00; `from` lies before `to`. */
  readonly from: string;
  readonly to: string;
}

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Seconds from the opening on, or before the due moment; of working time where working hours are given. */
export type Reminder = { readonly after_seconds: number } | { readonly before_due_seconds: number };

export interface Rung {
  /** From the opening on; of working time where working hours are given. */
  readonly after_seconds: number;
  /** Who may decide from then on, too. */
  readonly to: Assignees;
}

export const EXPIRY_ACTIONS = ['fail', 'reject', 'escalate', 'approve'] as const;
export type ExpiryAction = (typeof EXPIRY_ACTIONS)[number];

export const LINK_RULES = ['no', 'members', 'anyone'] as const;
export type LinkRule = (typeof LINK_RULES)[number];

/** What a checkpoint node asks for, its expressions evaluated; kept with each checkpoint, so that it never changes. */
export interface CheckpointPolicy {
  /** Null: everybody whose role may decide. */
  readonly assignees: Assignees | null;
  readonly actions: readonly OfferedAction[];
  readonly editable: boolean;
  readonly not_requester: boolean;
  /** Nodes of checkpoints whose deciders may not decide this one. */
  readonly not_same_as: readonly string[];
  /** Null: none. `at` is RFC 3339 in UTC. */
  readonly due: { readonly in_seconds: number } | { readonly at: string } | null;
  readonly on_expiry: ExpiryAction;
  readonly working_hours: WorkingHours | null;
  readonly reminders: readonly Reminder[];
  readonly escalation: readonly Rung[];
  /** After `request_changes` the next round goes to who asked for them. */
  readonly retain_reviewer: boolean;
  /** In the last round nobody can request changes. Null: no limit but that of the node's iterations. */
  readonly max_rounds: number | null;
  readonly allow_links: LinkRule;
  readonly allow_api_keys: boolean;
}
