import { applyPatch } from './apply-patch.mjs';
import { canonicalJson, EVENT, hasFields, hashJson, misfits, RECORD, same, words, ZEROS } from './hash-link.mjs';
import { verifyEnd } from './verify-end.mjs';

const EVIDENCE = words(
  `format version exported_at organization_id checkpoint decisions events audit_records audit_head`,
);
const CHECKPOINT =
  words(`id execution_id workflow_id version node_id iteration round status action title instructions schema
  policy original_content content history_length history_hash`);
const DECISION = words('id action content_hash result_hash patch edited_content void_reason');

export function verifyEvidence(file, found) {
  found.expect(hasFields(file, EVIDENCE), 'the file', 'does not have exactly the fields of its format');
  found.expect(
    hasFields(file.checkpoint, CHECKPOINT),
    'the checkpoint',
    'does not have exactly the fields of its format',
  );
  verifyEvents(file, found);
  verifyOpening(file, found);
  verifyContents(file, found);
  verifyDecisions(file, found);
  verifyEnd(file, found);
  verifyRecords(file, found);
  return evidenceReport(file);
}

function verifyEvents({ checkpoint, events }, found) {
  let before = { seq: 0, hash: ZEROS };
  for (const [i, event] of events.entries()) {
    const at = `event ${event.seq} (${event.type})`;
    for (const misfit of misfits(event, EVENT, before)) found.add(at, misfit);
    found.expect(event.checkpoint_id === checkpoint.id, at, 'belongs to another checkpoint');
    found.expect((event.type === 'opened') === (i === 0), at, 'is out of place: a history begins with opened, once');
    found.see(event.hash, `event ${event.seq}`);
    before = event;
  }
  const isWhole = before.seq === checkpoint.history_length && before.hash === checkpoint.history_hash;
  found.expect(
    isWhole,
    'the history',
    'does not end where the checkpoint says: events are missing at the end, or too many',
  );
}

/** What was asked, of whom and where is what it was when the checkpoint opened. */
function verifyOpening({ checkpoint, events }, found) {
  const { data } = events[0];
  for (const field of words('execution_id workflow_id version node_id iteration round title policy')) {
    found.expect(same(data[field], checkpoint[field]), 'the checkpoint', `has another ${field} than when it opened`);
  }
  found.expect(
    hashJson(checkpoint.instructions) === data.instructions_hash,
    'the checkpoint',
    'has other instructions',
  );
  const isSchema =
    (data.schema_hash === null && checkpoint.schema === null) || hashJson(checkpoint.schema) === data.schema_hash;
  found.expect(isSchema, 'the checkpoint', 'has another schema than when it opened');
}

/** From what was shown first, edit by edit, to what the checkpoint shows now. */
function verifyContents({ checkpoint, events, decisions }, found) {
  const votes = events.filter(({ type }) => type === 'decided');
  const editedContents = new Map(decisions.map(({ id, edited_content }) => [id, edited_content]));
  const isEdited = votes.some(({ data }) => data.result_hash !== data.content_hash);
  const isOriginalLeft = checkpoint.original_content === null || same(checkpoint.original_content, checkpoint.content);
  found.expect(isEdited || isOriginalLeft, 'the checkpoint', 'has an original content, and nothing was edited');
  const isNull = events[0].data.content_hash === hashJson(null); // no original content is kept of that
  let content = isNull ? null : isEdited ? checkpoint.original_content : checkpoint.content;
  let hash = hashJson(content);
  found.expect(events[0].data.content_hash === hash, 'the content', 'is not what was shown when the checkpoint opened');
  for (const { seq, data } of votes) {
    const at = `event ${seq} (decided)`;
    found.expect(data.content_hash === hash, at, 'was made on other content than was shown then');
    if (data.patch === null) {
      found.expect(data.result_hash === data.content_hash, at, 'changed the content, and has no patch');
      continue;
    }
    const edited = editedContents.get(data.decision_id);
    found.expect(hashJson(edited ?? null) === data.result_hash, at, 'has other edited content than was decided on');
    content = applied(content, data.patch, at, found) ?? edited;
    hash = hashJson(content ?? null);
    found.expect(hash === data.result_hash, at, 'has a patch that does not lead to what was decided on');
  }
  found.expect(hashJson(checkpoint.content) === hash, 'the content', 'is not what the edits lead to');
  for (const { seq, data } of events.filter(({ type }) => type === 'closed')) {
    found.expect(data.content_hash === hash, `event ${seq} (closed)`, 'has other content than was decided on');
  }
}

function applied(content, patch, at, found) {
  try {
    return applyPatch(content, patch);
  } catch (error) {
    found.add(at, `has a patch that does not fit what was shown: ${error.message}`);
    return undefined;
  }
}

/** Each decision beside the event that made it; the rest of a decision is in the event alone. */
function verifyDecisions({ decisions, events }, found) {
  const votes = new Map(events.filter(({ type }) => type === 'decided').map(({ data }) => [data.decision_id, data]));
  const reasons = voidReasons(events);
  for (const decision of decisions) {
    const at = `decision ${decision.id}`;
    const vote = votes.get(decision.id);
    found.expect(hasFields(decision, DECISION), at, 'does not have exactly the fields of its format');
    found.expect(vote, at, 'is in no event');
    for (const field of words('action content_hash result_hash patch')) {
      found.expect(!vote || same(decision[field], vote[field]), at, `has another ${field} than its event`);
    }
    const isUnchanged = decision.patch === null && decision.edited_content !== null;
    found.expect(!isUnchanged, at, 'has edited content, and its event no patch');
    found.expect(
      decision.void_reason === (reasons.get(decision.id) ?? null),
      at,
      'counts or is void against the history',
    );
    votes.delete(decision.id);
  }
  for (const id of votes.keys()) found.add(`decision ${id}`, 'is in an event, and missing in the file');
}

function voidReasons(events) {
  const reasons = new Map();
  for (const { type, data } of events) {
    if (type === 'decision_withdrawn') reasons.set(data.decision_id, 'withdrawn');
    if (type === 'decisions_voided') for (const id of data.decision_ids) reasons.set(id, data.reason);
  }
  return reasons;
}

function verifyRecords({ organization_id, checkpoint, events, audit_records, audit_head }, found) {
  const hashes = new Map(events.map(({ seq, hash }) => [seq, hash]));
  let before = null;
  for (const record of audit_records) {
    const at = `audit record ${record.seq} (${record.action})`;
    const isNext = before && Number(record.seq) === Number(before.seq) + 1;
    const assumed = { seq: Number(record.seq) - 1, hash: record.previous_hash }; // what lies between is not here
    for (const misfit of misfits(record, RECORD, isNext ? before : assumed)) found.add(at, misfit);
    found.expect(!before || Number(record.seq) > Number(before.seq), at, 'is out of order');
    found.expect(record.organization_id === organization_id, at, 'belongs to another organization');
    const isOfCheckpoint = record.subject_type === 'checkpoint' && record.subject_id === checkpoint.id;
    found.expect(isOfCheckpoint, at, 'is about something else');
    const { history_seq, history_hash } = record.details;
    const isOfEvent = history_seq !== undefined || history_hash !== undefined;
    const isNamed = !isOfEvent || hashes.get(history_seq) === (history_hash ?? null);
    found.expect(isNamed, at, `names event ${history_seq} by another hash`);
    found.see(record.hash, `audit record ${record.seq}`);
    before = record;
  }
  const isBeforeHead = !before || Number(before.seq) < Number(audit_head.seq) || before.hash === audit_head.hash;
  found.expect(isBeforeHead, 'the audit records', 'do not end at the head of the chain');
  for (const seq of unrecordedVotes(events, audit_records))
    found.add(`event ${seq} (decided)`, 'is in no audit record');
}

/** An act may be several events, by the same actor in the same request; its record names one of them. */
function unrecordedVotes(events, records) {
  const acts = records.filter(({ action }) => action !== 'checkpoint.evidence_exported');
  const named = new Set(acts.map(({ details }) => details.history_seq));
  const unrecorded = [];
  let [actor, isNamed] = [null, false];
  for (const event of events.toReversed()) {
    const by = canonicalJson(event.actor);
    isNamed = named.has(event.seq) || (isNamed && by === actor);
    actor = by;
    if (event.type === 'decided' && !isNamed) unrecorded.unshift(event.seq);
  }
  return unrecorded;
}

function evidenceReport({ checkpoint, events, decisions, audit_records, exported_at, organization_id }) {
  const edits = decisions.filter(({ patch }) => patch !== null).length;
  return [
    `Evidence of checkpoint ${checkpoint.id} ${JSON.stringify(checkpoint.title)}`,
    `of organization ${organization_id}, workflow ${checkpoint.workflow_id} version ${checkpoint.version}, node ${checkpoint.node_id}, round ${checkpoint.round}, exported at ${exported_at}`,
    ...events.map((event) => `  ${event.seq}  ${event.occurred_at}  ${describe(event)}`),
    `It is ${checkpoint.status}. Its history ends with the hash ${checkpoint.history_hash}.`,
    `Verified: ${events.length} events without a gap, ${decisions.length} decisions, ${edits} edits from what was shown to what came of it, ${audit_records.length} audit records and the events they name.`,
    'Not proven: that nothing newer was cut off, and that not all of it was written anew. Give --head with a hash kept elsewhere, or --chain with an export of the audit record that has been held against one. Who somebody is, is what their sign-in says; a name marked unverified is what they wrote.',
  ];
}

function describe({ type, actor, data }) {
  const who =
    actor.name === null ? '' : ` by ${JSON.stringify(actor.name)} (${actor.user_id ?? 'no account'}, ${actor.via})`;
  if (type === 'refused') return `refused ${data.action}${who}: ${data.code}`;
  if (type === 'closed') return `closed: ${data.status}`;
  if (type !== 'decided') return `${type}${who}`;
  const mandate = data.on_behalf_of ? ` for ${JSON.stringify(data.on_behalf_of_name)}` : '';
  const comment = data.comment ? `: ${JSON.stringify(data.comment.slice(0, 200))}` : '';
  return `${data.action}${who}${data.verified === false ? ', unverified' : ''}${mandate}${comment}`;
}
