import { compileGraph } from './graph.js';
import { validateDefinition } from './validate-definition.js';

const step = (id: string) => ({ id, type: 'transform', data: { output: 1 } });
const review = (data: object, id = 'review') => ({ id, type: 'checkpoint', data: { title: 'T', content: 1, ...data } });
const edge = (sourceHandle: string, source = 'review') => ({
  id: `${source}-${sourceHandle}`,
  source,
  sourceHandle,
  target: 'next',
});

/** One checkpoint at /nodes/0, another that leads on from it, and edges from the handles. */
function problemsOf(data: object, handles: string[] = ['approved']): [string, string][] {
  const nodes = [review(data), step('next'), review({}, 'other')];
  const validation = validateDefinition({ nodes, edges: handles.map((handle) => edge(handle)) });
  if (validation.ok) return [];
  return validation.problems.map(({ pointer, code }) => [pointer.replace('/nodes/0/data/', ''), code]);
}

const loops = ['approved', 'rejected', 'changes_requested', 'ship'];
const all = ['approve', 'reject', 'request_changes', 'ship'];
const hours = (given: object) => ({ working_hours: { time_zone: 'Europe/Berlin', ...given } });
const rung = { after_seconds: 60, to: { roles: ['owner'] } };
const many = (length: number, value: unknown) => Array.from({ length }, () => value);

describe('a checkpoint', () => {
  it('that says all there is to say is accepted', () => {
    const data = {
      editable: false,
      assignees: {
        users: ['ada@example.com', '{{ input.reviewer }}'],
        roles: 'approver',
        groups: '{{ input.groups }}',
      },
      actions: [...all.slice(0, 3), { action: 'ship', label: 'Ship it', comment: 'required' }],
      quorum: { approve: 2, ship: 20 },
      not_requester: true,
      not_same_as: ['other'],
      due_at: '2026-01-31T09:00:00',
      working_hours: { time_zone: 'Europe/Berlin', days: ['sat', 'sun'], from: '00:00', to: '24:00' },
      reminders: [{ after_seconds: 60 }, { before_due_seconds: 3_600 }],
      escalation: [rung, { after_seconds: 120, to: '{{ input.boss }}' }],
      on_expiry: 'escalate',
      retain_reviewer: true,
      max_rounds: 5,
      allow_links: 'members',
      allow_api_keys: true,
      timeout_seconds: 86_400,
    };
    const definition = { nodes: [review(data), step('next'), review({}, 'other')], edges: loops.map((h) => edge(h)) };
    expect(validateDefinition(definition)).toEqual({ ok: true, definition });
    const graph = compileGraph(definition as never);
    expect([...graph.nodes.get('review')!.outgoing.keys()]).toEqual(loops);
  });

  it.each<[string, object]>([
    ['a due moment in a time zone of its own', { due_at: '2026-01-31T09:00:00', time_zone: 'Asia/Tokyo' }],
    ['a due moment from an expression', { due_at: '{{ input.due }}' }],
    ['a rejection that is the end', { actions: ['reject'], on_expiry: 'reject', due_in: 1 }],
    ['an approval by expiry', { on_expiry: 'approve', due_in: '{{ input.seconds }}' }],
    ['links for anyone where anyone may decide', { allow_links: 'anyone' }],
    ['one user by e-mail', { assignees: 'ada@example.com' }],
    ['assignees from an expression', { assignees: '{{ input.reviewers }}' }],
    ['parts of assignees from expressions', { assignees: { users: ['{{ input.a }}'], roles: '{{ input.b }}' } }],
    ['reminders that need no due moment', { reminders: [{ after_seconds: 0.05 }] }],
    ['a quorum for each action', { quorum: { approve: 2, reject: 2 } }],
  ])('with %s is accepted', (_what, data) => {
    const approves = !('actions' in data);
    expect(problemsOf(data, [approves ? 'approved' : 'rejected'])).toEqual([]);
  });

  it.each<[string, object, [string, string][]]>([
    ['no action', { actions: [] }, [['actions', 'OUT_OF_RANGE']]],
    ['21 actions', { actions: many(21, 'approve') }, [['actions', 'OUT_OF_RANGE']]],
    ['an action that is no text', { actions: ['approve', 7] }, [['actions/1', 'WRONG_TYPE']]],
    ['an action with a space', { actions: ['approve', 'ship it'] }, [['actions/1', 'INVALID_FORMAT']]],
    [
      'actions described wrongly',
      { actions: [{ action: 'approve', lable: 'x' }, { action: 'reject', comment: 'maybe' }, { label: 'x' }] },
      [
        ['actions/0/lable', 'UNKNOWN_FIELD'],
        ['actions/1/comment', 'INVALID_VALUE'],
        ['actions/2/action', 'REQUIRED'],
      ],
    ],
    ['an action twice', { actions: ['approve', { action: 'approve' }] }, [['actions/1', 'ACTION_DUPLICATE']]],
    ['a quorum of nobody', { quorum: 0 }, [['quorum', 'OUT_OF_RANGE']]],
    ['a quorum of 21', { quorum: { approve: 21 } }, [['quorum/approve', 'OUT_OF_RANGE']]],
    ['a quorum that is no number', { quorum: '2' }, [['quorum', 'WRONG_TYPE']]],
    ['a quorum of an action that is not offered', { quorum: { ship: 2 } }, [['quorum/ship', 'ACTION_NOT_OFFERED']]],
    ['a quorum of edit', { quorum: { edit: 2 } }, [['quorum/edit', 'ACTION_NOT_OFFERED']]],
    [
      'a quorum of a property of JavaScript objects',
      { quorum: JSON.parse('{"__proto__": 2, "constructor": 2}') as object },
      [
        ['quorum/__proto__', 'ACTION_NOT_OFFERED'],
        ['quorum/constructor', 'ACTION_NOT_OFFERED'],
      ],
    ],
    ['not_same_as itself', { not_same_as: ['review'] }, [['not_same_as/0', 'NODE_NAMES_ITSELF']]],
    ['not_same_as a node that is not there', { not_same_as: ['ghost'] }, [['not_same_as/0', 'UNKNOWN_NODE']]],
    [
      'not_same_as a node where nobody decides',
      { not_same_as: ['other', 'next'] },
      [['not_same_as/1', 'NOT_A_CHECKPOINT']],
    ],
    ['not_same_as 21 nodes', { not_same_as: many(21, 'other') }, [['not_same_as', 'OUT_OF_RANGE']]],
    ['nothing until it is due', { due_in: 0 }, [['due_in', 'OUT_OF_RANGE']]],
    ['more than a year until it is due', { due_in: 31_536_001 }, [['due_in', 'OUT_OF_RANGE']]],
    ['seconds written as text', { due_in: '60' }, [['due_in', 'INVALID_VALUE']]],
    ['a due moment that is no date', { due_at: 'tomorrow' }, [['due_at', 'INVALID_VALUE']]],
    ['a due moment without offset or zone', { due_at: '2026-01-31T09:00:00' }, [['due_at', 'INVALID_VALUE']]],
    [
      'a due moment in a zone that is none',
      { due_at: '2026-01-31T09:00:00', time_zone: 'Moon/Base' },
      [['time_zone', 'INVALID_VALUE']],
    ],
    ['both due_in and due_at', { due_in: 1, due_at: '2026-01-31T09:00:00Z' }, [['due_at', 'INVALID_VALUE']]],
    ['working hours without a zone', { working_hours: {} }, [['working_hours/time_zone', 'REQUIRED']]],
    ['working hours on the moon', hours({ time_zone: 'Moon/Base' }), [['working_hours/time_zone', 'INVALID_VALUE']]],
    ['no working day', hours({ days: [] }), [['working_hours/days', 'OUT_OF_RANGE']]],
    ['a day that is none', hours({ days: ['mon', 'day'] }), [['working_hours/days/1', 'INVALID_VALUE']]],
    ['a day twice', hours({ days: ['mon', 'mon'] }), [['working_hours/days', 'INVALID_VALUE']]],
    [
      'times that are none',
      hours({ from: '9:00', to: '24:30' }),
      [
        ['working_hours/from', 'INVALID_FORMAT'],
        ['working_hours/to', 'INVALID_FORMAT'],
      ],
    ],
    ['hours that end before they begin', hours({ from: '17:00', to: '09:00' }), [['working_hours', 'INVALID_VALUE']]],
    ['11 reminders', { reminders: many(11, { after_seconds: 1 }) }, [['reminders', 'OUT_OF_RANGE']]],
    [
      'a reminder of both kinds',
      { reminders: [{ after_seconds: 1, before_due_seconds: 1 }] },
      [['reminders/0', 'WRONG_TYPE']],
    ],
    ['a reminder at once', { reminders: [{ after_seconds: 0 }] }, [['reminders/0/after_seconds', 'OUT_OF_RANGE']]],
    [
      'a reminder before it is due, and never due',
      { reminders: [{ after_seconds: 1 }, { before_due_seconds: 1 }] },
      [['reminders/1/before_due_seconds', 'DUE_MISSING']],
    ],
    ['11 rungs', { escalation: many(11, rung) }, [['escalation', 'OUT_OF_RANGE']]],
    [
      'rungs without time or people',
      { escalation: [{ to: rung.to }, { after_seconds: 1 }] },
      [
        ['escalation/0/after_seconds', 'REQUIRED'],
        ['escalation/1/to', 'REQUIRED'],
      ],
    ],
    ['a rung with nobody on it', { escalation: [{ ...rung, to: [] }] }, [['escalation/0/to', 'INVALID_VALUE']]],
    [
      'a rung with a bad expression',
      { escalation: [{ ...rung, to: ['{{ boss }}'] }] },
      [['escalation/0/to/0', 'UNKNOWN_NAME']],
    ],
    ['an expiry of another kind', { on_expiry: 'ignore' }, [['on_expiry', 'INVALID_VALUE']]],
    ['an expiry, and never due', { on_expiry: 'reject' }, [['on_expiry', 'DUE_MISSING']]],
    ['an escalation to nobody', { on_expiry: 'escalate', due_in: 1 }, [['on_expiry', 'ESCALATION_MISSING']]],
    ['rounds without changes', { max_rounds: 2 }, [['max_rounds', 'ACTION_NOT_OFFERED']]],
    ['no round', { max_rounds: 0 }, [['max_rounds', 'OUT_OF_RANGE']]],
    ['links for everything', { allow_links: 'all' }, [['allow_links', 'INVALID_VALUE']]],
    [
      'links for anyone, and not the requester',
      { allow_links: 'anyone', not_requester: true },
      [['allow_links', 'LINKS_UNVERIFIED']],
    ],
    [
      'links for anyone, and not the same as before',
      { allow_links: 'anyone', not_same_as: ['other'] },
      [['allow_links', 'LINKS_UNVERIFIED']],
    ],
    [
      'links for anyone, and several people',
      { allow_links: 'anyone', quorum: 2 },
      [['allow_links', 'LINKS_UNVERIFIED']],
    ],
    [
      'links for anyone, and several people to reject',
      { allow_links: 'anyone', quorum: { reject: 2 } },
      [['allow_links', 'LINKS_UNVERIFIED']],
    ],
    ['assignees that are a number', { assignees: 5 }, [['assignees', 'WRONG_TYPE']]],
    ['assignees that are nobody', { assignees: { users: [], roles: [] } }, [['assignees', 'INVALID_VALUE']]],
    ['assignees of another kind', { assignees: { people: ['x'] } }, [['assignees/people', 'UNKNOWN_FIELD']]],
    [
      'assignees that are no users or have no such role',
      { assignees: { users: ['ada', '{{ input.x }}'], roles: ['admin', 'editor'], groups: [''] } },
      [
        ['assignees/users/0', 'INVALID_VALUE'],
        ['assignees/roles/1', 'INVALID_VALUE'],
        ['assignees/groups/0', 'INVALID_VALUE'],
      ],
    ],
    ['101 assignees', { assignees: many(101, 'nobody') }, [['assignees', 'OUT_OF_RANGE']]],
    ['assignees with a bad expression', { assignees: ['{{ 1 + }}'] }, [['assignees/0', 'EXPRESSION_INVALID']]],
    [
      'several mistakes',
      { assignees: 5, quorum: { ship: 1 }, max_rounds: 3, on_expiry: 'escalate' },
      [
        ['assignees', 'WRONG_TYPE'],
        ['quorum/ship', 'ACTION_NOT_OFFERED'],
        ['max_rounds', 'ACTION_NOT_OFFERED'],
        ['on_expiry', 'DUE_MISSING'],
        ['on_expiry', 'ESCALATION_MISSING'],
      ],
    ],
  ])('with %s is refused', (_what, data, problems) => {
    expect(problemsOf(data)).toEqual(problems);
  });

  it.each(['edit', 'approved', 'error', 'default', 'claim', 'release', 'Approve', 'CANCEL', '__proto__'])(
    'cannot have an action of its own called %s',
    (action) => {
      expect(problemsOf({ actions: ['approve', action] })).toEqual([['actions/1', 'INVALID_VALUE']]);
      expect(problemsOf({ actions: ['approve', { action }] })).toEqual([['actions/1/action', 'INVALID_VALUE']]);
    },
  );

  it('lets an edge leave by the handle of every action it offers, and by no other', () => {
    expect(problemsOf({ actions: all }, loops)).toEqual([]);
    expect(problemsOf({}, ['approved', 'changes_requested'])).toEqual([['/edges/1/sourceHandle', 'HANDLE_UNKNOWN']]);
    expect(problemsOf({ actions: ['reject'] }, ['rejected', 'approved'])).toEqual([
      ['/edges/1/sourceHandle', 'HANDLE_UNKNOWN'],
    ]);
    expect(problemsOf({ on_error: 'route' }, ['approved', 'error'])).toEqual([]);
  });

  it('has to lead on from changes and from actions of its own', () => {
    expect(problemsOf({ actions: all }, ['approved'])).toEqual([
      ['actions/2', 'ACTION_WITHOUT_EDGE'],
      ['actions/3', 'ACTION_WITHOUT_EDGE'],
    ]);
  });

  it('has to offer what its expiry or its quorum counts on', () => {
    const onlyApproval = { actions: ['approve'], due_in: 1 };
    expect(problemsOf({ ...onlyApproval, on_expiry: 'reject' })).toEqual([['on_expiry', 'ACTION_NOT_OFFERED']]);
    const onlyRejection = { actions: ['reject'], due_in: 1 };
    expect(problemsOf({ ...onlyRejection, on_expiry: 'approve' }, ['rejected'])).toEqual([
      ['on_expiry', 'ACTION_NOT_OFFERED'],
    ]);
    expect(problemsOf({ ...onlyRejection, quorum: 2 }, ['rejected'])).toEqual([['quorum', 'ACTION_NOT_OFFERED']]);
  });

  it('that wants somebody else than whoever had a link is refused', () => {
    const nodes = [review({ not_same_as: ['other'] }), step('next'), review({ allow_links: 'anyone' }, 'other')];
    expect(validateDefinition({ nodes, edges: [edge('approved')] })).toMatchObject({
      ok: false,
      problems: [{ pointer: '/nodes/0/data/not_same_as/0', code: 'LINKS_UNVERIFIED' }],
    });
  });
});
