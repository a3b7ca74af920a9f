import type { Problem } from '../../platform/errors/domain-error.js';
import { assigneeProblems } from './assignees.js';
import { offeredActions } from './checkpoint-fields.js';
import type { OfferedAction } from './checkpoint-policy.js';
import type { NodeData } from './definition.js';
import { pointerTo } from './json-pointer.js';
import { isObject, type ReadEdge, type ReadNode } from './read-definition.js';
import { isPlainText } from './validate-moments.js';

/** What is wrong with who decides, and with how the fields of a checkpoint fit together and into the graph. */
export function checkpointProblems(nodes: readonly ReadNode[], edges: readonly ReadEdge[]): Problem[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const bySource = Map.groupBy(edges, ({ source }) => source);
  return nodes
    .filter(({ type }) => type === 'checkpoint')
    .flatMap((node) => [
      ...peopleProblems(node),
      ...(node.data ? policyProblems(wholeOf(node), byId, bySource.get(node.id) ?? []) : []),
    ]);
}

/** A checkpoint that could be read. */
interface Whole {
  readonly node: ReadNode;
  readonly data: NodeData<'checkpoint'>;
  readonly actions: readonly OfferedAction[];
  readonly offered: ReadonlySet<string>;
}

function wholeOf(node: ReadNode): Whole {
  const data = node.data as NodeData<'checkpoint'>;
  const actions = offeredActions(data);
  return { node, data, actions, offered: new Set(actions.map(({ action }) => action)) };
}

/** Of `assignees` and of the rungs of the escalation. */
function peopleProblems({ rawData, pointer }: ReadNode): Problem[] {
  const { assignees, escalation } = rawData;
  const named = assignees === undefined ? [] : [{ value: assignees, at: pointerTo(pointer, 'data', 'assignees') }];
  const rungs = Array.isArray(escalation) ? escalation.slice(0, MAX_RUNGS_READ) : [];
  const climbing = rungs.flatMap((rung: unknown, i) =>
    isObject(rung) && rung['to'] !== undefined
      ? [{ value: rung['to'], at: pointerTo(pointer, 'data', 'escalation', i, 'to') }]
      : [],
  );
  return [...named, ...climbing].flatMap(({ value, at }) =>
    assigneeProblems(value, isPlainText).map((problem) => ({ ...problem, pointer: at + problem.pointer })),
  );
}

/** There may be fewer; that more are too many is a problem already. */
const MAX_RUNGS_READ = 20;

function policyProblems(
  whole: Whole,
  byId: ReadonlyMap<string | undefined, ReadNode>,
  edges: readonly ReadEdge[],
): Problem[] {
  return [
    ...actionProblems(whole, edges),
    ...quorumProblems(whole),
    ...sameAsProblems(whole, byId),
    ...hoursProblems(whole),
    ...dueProblems(whole),
    ...expiryProblems(whole),
    ...roundProblems(whole),
    ...linkProblems(whole),
  ];
}

const problemAt = ({ node }: Whole, path: readonly (string | number)[], code: string, message: string): Problem => ({
  pointer: pointerTo(node.pointer, 'data', ...path),
  code,
  message,
});

/** Nothing would follow an action that has no edge; that an approval or a rejection is the end is usual. */
function actionProblems(whole: Whole, edges: readonly ReadEdge[]): Problem[] {
  const names = whole.actions.map(({ action }) => action);
  return whole.actions.flatMap(({ action, handle }, i) => {
    if (names.indexOf(action) < i) {
      return [problemAt(whole, ['actions', i], 'ACTION_DUPLICATE', `"${action}" is offered already; remove it.`)];
    }
    if (action === 'approve' || action === 'reject') return [];
    if (edges.some(({ sourceHandle }) => sourceHandle === handle)) return [];
    const message = `Nothing follows "${action}"; let an edge leave by the handle "${handle}".`;
    return [problemAt(whole, ['actions', i], 'ACTION_WITHOUT_EDGE', message)];
  });
}

function quorumProblems(whole: Whole): Problem[] {
  const { quorum } = whole.node.rawData;
  const wanted = isObject(quorum) ? Object.keys(quorum) : [];
  const problems = wanted
    .filter((action) => !whole.offered.has(action))
    .map((action) => notOffered(whole, ['quorum', action], action));
  const approves = quorum === undefined || isObject(quorum) || whole.offered.has('approve');
  return approves ? problems : [notOffered(whole, ['quorum'], 'approve')];
}

function notOffered(whole: Whole, path: readonly string[], action: string): Problem {
  const names = [...whole.offered].join(', ');
  const advice = action === 'edit' ? 'an edit counts as approve' : 'add it to actions or remove this';
  const message = `The action ${JSON.stringify(action.slice(0, 64))} is not offered, only ${names}; ${advice}.`;
  return problemAt(whole, path, 'ACTION_NOT_OFFERED', message);
}

function sameAsProblems(whole: Whole, byId: ReadonlyMap<string | undefined, ReadNode>): Problem[] {
  return whole.data.not_same_as.flatMap((id, i) => {
    const problem = (code: string, message: string) => [problemAt(whole, ['not_same_as', i], code, message)];
    const other = byId.get(id);
    if (id === whole.node.id) return problem('NODE_NAMES_ITSELF', 'Name another checkpoint than this one.');
    if (!other) return problem('UNKNOWN_NODE', `There is no node ${JSON.stringify(id)}; name one of this definition.`);
    if (other.type === 'checkpoint') return isForAnyone(other) ? problem('LINKS_UNVERIFIED', unknownAt(id)) : [];
    return problem('NOT_A_CHECKPOINT', `Nobody decides at node ${id}, as it is no checkpoint; name one that is.`);
  });
}

const isForAnyone = ({ data }: ReadNode) => (data as NodeData<'checkpoint'> | undefined)?.allow_links === 'anyone';

const unknownAt = (id: string) =>
  `Node ${id} may be decided by a link without anybody knowing by whom; let it allow_links for "members", or leave it out.`;

function hoursProblems(whole: Whole): Problem[] {
  const { working_hours: hours } = whole.data;
  if (!hours || hours.from < hours.to) return [];
  const message = `From ${hours.from} to ${hours.to} there is no time; let "from" lie before "to".`;
  return [problemAt(whole, ['working_hours'], 'INVALID_VALUE', message)];
}

function dueProblems(whole: Whole): Problem[] {
  const { due_in, due_at, reminders } = whole.data;
  if (due_in !== undefined && due_at !== undefined) {
    return [problemAt(whole, ['due_at'], 'INVALID_VALUE', 'Give either due_in or due_at, not both.')];
  }
  if (isDue(whole)) return [];
  return reminders.flatMap((reminder, i) =>
    'after_seconds' in reminder ? [] : [dueMissing(whole, ['reminders', i, 'before_due_seconds'])],
  );
}

const isDue = ({ data }: Whole) => data.due_in !== undefined || data.due_at !== undefined;

function dueMissing(whole: Whole, path: readonly (string | number)[]): Problem {
  return problemAt(whole, path, 'DUE_MISSING', 'The checkpoint is never due; add due_in or due_at, or remove this.');
}

function expiryProblems(whole: Whole): Problem[] {
  const { on_expiry, escalation } = whole.data;
  if (on_expiry === 'fail') return [];
  const missing = isDue(whole) ? [] : [dueMissing(whole, ['on_expiry'])];
  if (on_expiry !== 'escalate') {
    return whole.offered.has(on_expiry) ? missing : [...missing, notOffered(whole, ['on_expiry'], on_expiry)];
  }
  if (escalation.length > 0) return missing;
  const message = 'There is nobody to escalate to; add a rung to escalation.';
  return [...missing, problemAt(whole, ['on_expiry'], 'ESCALATION_MISSING', message)];
}

function roundProblems(whole: Whole): Problem[] {
  if (whole.data.max_rounds === undefined || whole.offered.has('request_changes')) return [];
  return [notOffered(whole, ['max_rounds'], 'request_changes')];
}

/** Who decides by a link without signing in cannot be told from the one that may not, or from one who has decided. */
function linkProblems(whole: Whole): Problem[] {
  if (whole.data.allow_links !== 'anyone') return [];
  const rule = ruleAboutPeople(whole);
  if (rule === null) return [];
  const message = `Who decides by such a link is not known, so ${rule} cannot be kept; use "members".`;
  return [problemAt(whole, ['allow_links'], 'LINKS_UNVERIFIED', message)];
}

function ruleAboutPeople({ data, actions }: Whole): string | null {
  if (data.not_requester) return 'not_requester';
  if (data.not_same_as.length > 0) return 'not_same_as';
  return actions.some(({ quorum }) => quorum > 1) ? 'a quorum of several' : null;
}
