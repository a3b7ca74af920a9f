import { assigneeProblems, readAssignees } from './assignees.js';
import { offeredActions } from './checkpoint-fields.js';
import type { Assignees, CheckpointPolicy, OfferedAction, Rung } from './checkpoint-policy.js';
import type { Evaluated } from './expression.js';
import { asText, type FieldReader, invalid, momentOf, secondsOf, withValue } from './field-reader.js';
import type { GraphNode } from './graph.js';
import type { JsonObject, JsonValue } from './json-value.js';

type CheckpointNode = Extract<GraphNode, { type: 'checkpoint' }>;

export interface CheckpointEvaluation {
  type: 'checkpoint';
  title: string;
  instructions: string | null;
  content: JsonValue;
  policy: CheckpointPolicy;
}

/** What people are shown, and who may do what with it until when. */
export function evaluateCheckpoint(node: CheckpointNode, read: FieldReader): Evaluated<CheckpointEvaluation> {
  const title = read('title');
  if (!title.ok) return title;
  const instructions = read('instructions');
  if (!instructions.ok) return instructions;
  const content = read('content');
  if (!content.ok) return content;
  return withValue(evaluatePolicy(node, read), (policy) => ({
    type: 'checkpoint',
    title: asText(title.value),
    instructions: instructions.value === null ? null : asText(instructions.value),
    content: content.value,
    policy,
  }));
}

function evaluatePolicy(node: CheckpointNode, read: FieldReader): Evaluated<CheckpointPolicy> {
  const assignees = node.templates['assignees'] ? namedBy('assignees', read('assignees')) : nobodyNamed;
  if (!assignees.ok) return assignees;
  const due = evaluateDue(node, read);
  if (!due.ok) return due;
  return withValue(evaluateRungs(read), (escalation) => policyOf(node, assignees.value, due.value, escalation));
}

const nobodyNamed = { ok: true, value: null } as const;

function policyOf(
  { data }: CheckpointNode,
  assignees: Assignees | null,
  due: CheckpointPolicy['due'],
  escalation: readonly Rung[],
): CheckpointPolicy {
  const actions = offeredActions(data);
  const { not_requester, not_same_as, on_expiry, reminders, retain_reviewer, allow_links, allow_api_keys } = data;
  return {
    assignees,
    actions,
    editable: data.editable && offers(actions, 'approve'),
    not_requester,
    not_same_as,
    due,
    on_expiry,
    working_hours: data.working_hours ?? null,
    reminders,
    escalation,
    retain_reviewer,
    max_rounds: data.max_rounds ?? null,
    allow_links,
    allow_api_keys,
  };
}

const offers = (actions: readonly OfferedAction[], wanted: string) => actions.some(({ action }) => action === wanted);

function evaluateDue({ templates, data }: CheckpointNode, read: FieldReader): Evaluated<CheckpointPolicy['due']> {
  if (templates['due_in'])
    return withValue(secondsOf('due_in', read('due_in'), MIN_DUE_SECONDS), (in_seconds) => ({ in_seconds }));
  if (!templates['due_at']) return { ok: true, value: null };
  const zone = read('time_zone', data.working_hours?.time_zone ?? null);
  return withValue(momentOf('due_at', read('due_at'), zone), (at) => ({ at }));
}

/** As the definition has it for a number that is written there. */
const MIN_DUE_SECONDS = 0.05;

function evaluateRungs(read: FieldReader): Evaluated<readonly Rung[]> {
  const written = read('escalation', []);
  if (!written.ok) return written;
  const rungs: Rung[] = [];
  for (const [i, { after_seconds, to }] of (written.value as unknown as WrittenRung[]).entries()) {
    const named = namedBy(`escalation/${i}/to`, { ok: true, value: to });
    if (!named.ok) return named;
    rungs.push({ after_seconds, to: named.value });
  }
  return { ok: true, value: rungs };
}

interface WrittenRung extends JsonObject {
  readonly after_seconds: number;
  readonly to: JsonValue;
}

function namedBy(field: string, read: Evaluated<JsonValue>): Evaluated<Assignees> {
  if (!read.ok) return read;
  const [problem] = assigneeProblems(read.value);
  if (!problem) return { ok: true, value: readAssignees(read.value) };
  return invalid(`${field}${problem.pointer}: ${problem.message}`);
}
