import type { Problem } from '../../platform/errors/domain-error.js';
import type { Assignees } from './checkpoint-policy.js';
import { pointerTo } from './json-pointer.js';
import type { JsonValue } from './json-value.js';
import { isObject } from './read-definition.js';

/** The roles that may decide at all, as `platform/http/permissions.ts` has them. */
export const DECIDING_ROLES: readonly string[] = ['owner', 'admin', 'approver'];

/** Of users, roles or groups that one field names. */
const MAX_NAMES = 100;

const KINDS = ['users', 'roles', 'groups'] as const;
type Kind = (typeof KINDS)[number];

/**
 * Who is named by a value such as `"ada@example.com"`, `["<id>", "bob@example.com"]` or `{users, roles, groups}`, where
 * each is a text or a list of up to 100. Ids and e-mails come back in lower case, nobody twice.
 * @param value one in which `assigneeProblems` finds nothing
 */
export function readAssignees(value: JsonValue): Assignees {
  const given = listsOf(value);
  const names = (kind: Kind) => (Object.hasOwn(given, kind) ? (asList(given[kind]) as string[]) : []);
  return {
    users: unique(names('users').map((user) => user.trim().toLowerCase())),
    roles: unique(names('roles')),
    groups: unique(names('groups')),
  };
}

/**
 * What is wrong with a value that shall say who decides, with pointers from it on.
 * @param isWritten false for a text that is not known yet, being a template
 */
export function assigneeProblems(value: unknown, isWritten: (text: string) => boolean = () => true): Problem[] {
  const lists = listsOf(value);
  const isList = lists !== value;
  const problems = Object.keys(lists).flatMap((key) => {
    const pointer = isList ? '' : pointerTo('', key);
    const kind = KINDS.find((known) => known === key);
    return kind ? listProblems(kind, lists[key], pointer, isWritten) : [unknownKind(key, pointer)];
  });
  if (problems.length > 0 || Object.values(lists).some((list) => asList(list)?.length)) return problems;
  return [{ pointer: '', code: 'INVALID_VALUE', message: 'It names nobody; name at least one user, role or group.' }];
}

/** What is no object names users. */
const listsOf = (value: unknown): Readonly<Record<string, unknown>> => (isObject(value) ? value : { users: value });

/** One text is a list of one. Undefined if it is neither. */
const asList = (value: unknown): readonly unknown[] | undefined =>
  typeof value === 'string' ? [value] : Array.isArray(value) ? value : undefined;

function listProblems(kind: Kind, value: unknown, pointer: string, isWritten: (text: string) => boolean): Problem[] {
  const list = asList(value);
  if (!list) return [{ pointer, code: 'WRONG_TYPE', message: `Name ${kind} as a text or a list of texts.` }];
  if (list.length > MAX_NAMES) {
    const message = `Name up to ${MAX_NAMES} ${kind}, these are ${list.length}; use a group or a role.`;
    return [{ pointer, code: 'OUT_OF_RANGE', message }];
  }
  return list.flatMap((name, i) => {
    const at = typeof value === 'string' ? pointer : pointerTo(pointer, i);
    if (typeof name !== 'string') return [{ pointer: at, code: 'WRONG_TYPE', message: `Name ${kind} by texts.` }];
    if (!isWritten(name) || isName[kind](name)) return [];
    return [{ pointer: at, code: 'INVALID_VALUE', message: `${quoted(name)} is no ${expected[kind]}` }];
  });
}

const isName: Readonly<Record<Kind, (name: string) => boolean>> = {
  users: (name) => name.length <= 320 && (UUID.test(name.trim()) || E_MAIL.test(name.trim())),
  roles: (name) => DECIDING_ROLES.includes(name),
  groups: (name) => name.trim() !== '' && name.length <= 255,
};

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;
const E_MAIL = /^[^\s@]+@[^\s@]+$/;

const expected: Readonly<Record<Kind, string>> = {
  users: 'id or e-mail of a user.',
  roles: `role that may decide; use ${DECIDING_ROLES.join(', ')}.`,
  groups: 'name of a group; it has 1 to 255 characters.',
};

function unknownKind(key: string, pointer: string): Problem {
  return { pointer, code: 'UNKNOWN_FIELD', message: `${quoted(key)} is no field here; use ${KINDS.join(', ')}.` };
}

const quoted = (text: string) => JSON.stringify(text.slice(0, 100));

const unique = (names: readonly string[]) => [...new Set(names)];
