import { ROLE_PERMISSIONS } from '../../platform/http/permissions.js';
import { DECIDING_ROLES } from './assignees.js';
import type { CheckpointPolicy } from './checkpoint-policy.js';
import { evaluateNode } from './evaluate-node.js';
import type { ExpressionNames } from './expression.js';
import { compileGraph, nodeOf } from './graph.js';

const ID = '6f2d8f0c-6c0f-4a53-9a5e-0f3b4f0d8c11';

const names: ExpressionNames = {
  input: { who: 'Ada@Example.com', n: 5, soon: '2026-01-31T10:00:00+01:00', roles: ['admin'], none: [] },
  steps: {},
  execution: { started_by: ID },
};

function evaluate(data: object) {
  const node = { id: 'n', type: 'checkpoint', data: { title: 'T', content: 1, ...data } };
  const graph = compileGraph({ nodes: [node], edges: [] } as never);
  return evaluateNode(nodeOf(graph, 'n'), names, []);
}

function policyOf(data: object): CheckpointPolicy {
  const evaluated = evaluate(data);
  if (!evaluated.ok || evaluated.value.type !== 'checkpoint') throw new Error(JSON.stringify(evaluated));
  return evaluated.value.policy;
}

const offered = (action: string, handle: string, comment: 'required' | 'optional' = 'optional', quorum = 1) => ({
  action,
  label: null,
  comment,
  handle,
  quorum,
});
const approve = offered('approve', 'approved');
const reject = offered('reject', 'rejected', 'required');
const named = (who: object) => ({ users: [], roles: [], groups: [], ...who });

describe('a checkpoint', () => {
  it('gives what is to be shown', () => {
    const data = { title: '{{ input.n }}', instructions: 'Hi {{ input.who }}', content: ['{{ input.n }}'] };
    expect(evaluate(data)).toMatchObject({
      ok: true,
      value: { type: 'checkpoint', title: '5', instructions: 'Hi Ada@Example.com', content: [5] },
    });
    expect(evaluate({ content: null })).toMatchObject({ value: { title: 'T', instructions: null, content: null } });
  });

  it('that says nothing about deciding leaves it to everybody whose role may, one of them, for as long as it takes', () => {
    expect(policyOf({})).toEqual({
      assignees: null,
      actions: [approve, reject],
      editable: true,
      not_requester: false,
      not_same_as: [],
      due: null,
      on_expiry: 'fail',
      working_hours: null,
      reminders: [],
      escalation: [],
      retain_reviewer: false,
      max_rounds: null,
      allow_links: 'no',
      allow_api_keys: false,
    });
  });

  it.each<[string, object, Partial<CheckpointPolicy>]>([
    [
      'a user by e-mail, in lower case',
      { assignees: '{{ input.who }}' },
      { assignees: named({ users: ['ada@example.com'] }) },
    ],
    [
      'users by id and e-mail, each once',
      { assignees: ['{{ execution.started_by }}', ' Bob@Example.com ', 'bob@example.com', ID.toUpperCase()] },
      { assignees: named({ users: [ID, 'bob@example.com'] }) },
    ],
    [
      'users, roles and groups',
      { assignees: { users: '{{ input.none }}', roles: '{{ input.roles }}', groups: ['Legal', 'Legal'] } },
      { assignees: named({ roles: ['admin'], groups: ['Legal'] }) },
    ],
    [
      'whom an expression gives as an object',
      { assignees: '{{ {"roles": input.n > 3 ? ["owner"] : ["admin"]} }}' },
      { assignees: named({ roles: ['owner'] }) },
    ],
    ['how many approve', { quorum: 3 }, { actions: [{ ...approve, quorum: 3 }, reject] }],
    ['how many it takes for each action', { quorum: { reject: 2 } }, { actions: [approve, { ...reject, quorum: 2 }] }],
    [
      'actions of its own',
      {
        actions: ['request_changes', 'Ship-it', { action: 'reject', label: 'No', comment: 'optional' }],
        quorum: { 'Ship-it': 2 },
      },
      {
        actions: [
          offered('request_changes', 'changes_requested', 'required'),
          offered('Ship-it', 'Ship-it', 'optional', 2),
          { ...reject, label: 'No', comment: 'optional' },
        ],
      },
    ],
    ['nothing to edit where nothing is approved', { editable: true, actions: ['reject'] }, { editable: false }],
    ['seconds until it is due', { due_in: 0.5 }, { due: { in_seconds: 0.5 } }],
    ['seconds from an expression', { due_in: '{{ input.n * 60 }}' }, { due: { in_seconds: 300 } }],
    ['the moment when it is due', { due_at: '{{ input.soon }}' }, { due: { at: '2026-01-31T09:00:00.000Z' } }],
    [
      'a moment in a time zone',
      { due_at: '2026-07-31T09:00:00', time_zone: '{{ "Europe/" + "Berlin" }}' },
      { due: { at: '2026-07-31T07:00:00.000Z' } },
    ],
    [
      'a moment in the time zone of the working hours',
      { due_at: '2026-07-31T09:00:00', working_hours: { time_zone: 'Asia/Tokyo' } },
      {
        due: { at: '2026-07-31T00:00:00.000Z' },
        working_hours: {
          time_zone: 'Asia/Tokyo',
          days: ['mon', 'tue', 'wed', 'thu', 'fri'],
          from: '09:00',
          to: '17:00',
        },
      },
    ],
    [
      'rungs of the escalation',
      {
        escalation: [
          { after_seconds: 60, to: { roles: 'owner' } },
          { after_seconds: 5, to: ['{{ input.who }}'] },
        ],
      },
      {
        escalation: [
          { after_seconds: 60, to: named({ roles: ['owner'] }) },
          { after_seconds: 5, to: named({ users: ['ada@example.com'] }) },
        ],
      },
    ],
    [
      'what is written plainly',
      {
        not_requester: true,
        not_same_as: ['other'],
        reminders: [{ after_seconds: 1 }, { before_due_seconds: 2 }],
        on_expiry: 'reject',
        retain_reviewer: true,
        max_rounds: 3,
        allow_links: 'members',
        allow_api_keys: true,
      },
      {
        not_requester: true,
        not_same_as: ['other'],
        reminders: [{ after_seconds: 1 }, { before_due_seconds: 2 }],
        on_expiry: 'reject',
        retain_reviewer: true,
        max_rounds: 3,
        allow_links: 'members',
        allow_api_keys: true,
      },
    ],
  ])('gives %s', (_what, data, policy) => {
    expect(policyOf(data)).toMatchObject(policy);
  });

  it.each<[object, string]>([
    [{ title: '{{ input.missing }}' }, 'NO_SUCH_KEY'],
    [{ instructions: '{{ 1 / 0 }}' }, 'DIVISION_BY_ZERO'],
    [{ content: '{{ 1 / 0 }}' }, 'DIVISION_BY_ZERO'],
    [{ assignees: '{{ input.missing }}' }, 'NO_SUCH_KEY'],
    [{ due_in: '{{ 1 / 0 }}' }, 'DIVISION_BY_ZERO'],
    [{ due_at: '{{ 1 / 0 }}' }, 'DIVISION_BY_ZERO'],
    [{ due_at: '2026-01-31T10:00:00', time_zone: '{{ input.missing }}' }, 'NO_SUCH_KEY'],
    [{ escalation: [{ after_seconds: 1, to: '{{ input.missing }}' }] }, 'NO_SUCH_KEY'],
  ])('with %j fails with %s', (data, code) => {
    expect(evaluate(data)).toMatchObject({ ok: false, error: { code } });
  });

  it.each<[object, string]>([
    [{ assignees: '{{ input.none }}' }, 'assignees: It names nobody; name at least one user, role or group.'],
    [{ assignees: { users: '{{ input.none }}', roles: [] } }, 'assignees: It names nobody'],
    [{ assignees: '{{ {} }}' }, 'assignees: It names nobody'],
    [{ assignees: '{{ null }}' }, 'assignees: Name users as a text or a list of texts.'],
    [{ assignees: '{{ input.n }}' }, 'assignees: Name users'],
    [{ assignees: [['{{ input.who }}']] }, 'assignees/0: Name users by texts.'],
    [{ assignees: '{{ "Bob" }}' }, 'assignees: "Bob" is no id or e-mail of a user.'],
    [{ assignees: { roles: ['owner', '{{ "viewer" }}'] } }, 'assignees/roles/1: "viewer" is no role that may decide'],
    [{ assignees: '{{ {"role": "owner"} }}' }, 'assignees/role: "role" is no field here; use users, roles, groups.'],
    [{ assignees: { groups: '{{ " " }}' } }, 'assignees/groups: " " is no name of a group'],
    [{ assignees: Array.from({ length: 101 }, () => '{{ input.who }}') }, 'assignees: Name up to 100 users'],
    [{ escalation: [{ after_seconds: 1, to: '{{ [] }}' }] }, 'escalation/0/to: It names nobody'],
    [{ due_in: '{{ 0 }}' }, 'due_in must be a number of seconds from 0.05 to 31536000, got 0.'],
    [{ due_in: '{{ 31536001 }}' }, 'due_in must be'],
    [{ due_in: '{{ input.who }}' }, 'due_in must be'],
    [{ due_at: '{{ input.who }}' }, 'due_at must be an RFC 3339 date-time'],
    [{ due_at: '{{ "2026-01-31T09:00:00" }}' }, 'due_at must be'],
    [{ due_at: '2026-01-31T10:00:00', time_zone: '{{ input.who }}' }, '"Ada@Example.com" is no time zone'],
  ])('with %j fails and says what to write', (data, message) => {
    expect(evaluate(data)).toMatchObject({
      ok: false,
      error: { code: 'INVALID_VALUE', message: expect.stringContaining(message) },
    });
  });

  it('can be assigned to the roles that may decide, and to no others', () => {
    const deciding = Object.entries(ROLE_PERMISSIONS).filter(([, may]) => may.includes('checkpoint:decide'));
    expect(deciding.map(([role]) => role)).toEqual(DECIDING_ROLES);
  });
});
