/** The end is what the votes that counted came to, on the content that they were given for. */
export function verifyEnd({ checkpoint, events }, found) {
  const counting = new Map();
  let [completing, end] = [null, null];
  for (const event of events) {
    const { type, data } = event;
    const at = `event ${event.seq} (${type})`;
    if (type === 'decided') {
      found.expect(!end, at, 'comes after the end');
      counting.set(data.decision_id, data);
      completing = data.verdict.completes ? data : completing;
    } else if (type === 'decision_withdrawn') counting.delete(data.decision_id);
    else if (type === 'decisions_voided') for (const id of data.decision_ids) counting.delete(id);
    else if (isEnd(event)) {
      found.expect(!end, at, 'is a second end');
      end = event;
      if (type === 'closed') verifyClosing(event, [...counting.values()], completing, checkpoint.policy, found);
    }
  }
  found.expect(end || !completing, 'the history', 'has a vote that completes the quorum, and no end');
  const { status = 'open', action = null } = end?.type === 'closed' ? end.data : { status: end?.type };
  found.expect(checkpoint.status === status, 'the checkpoint', `is ${checkpoint.status}, and ${status} by its history`);
  found.expect(checkpoint.action === action, 'the checkpoint', 'has another action than its history');
}

const isEnd = ({ type, data }) =>
  type === 'closed' || type === 'withdrawn' || (type === 'expired' && data.on_expiry === 'fail');

/** Edits count for approving. */
const decidesAs = ({ action }) => (action === 'edit' ? 'approve' : action);

function verifyClosing({ seq, data }, counting, completing, policy, found) {
  const at = `event ${seq} (closed)`;
  found.expect(completing, at, 'has no vote that completes the quorum');
  if (!completing) return;
  const votes = counting.filter((vote) => decidesAs(vote) === decidesAs(completing));
  const persons = new Set(counting.map(({ person }) => person));
  found.expect(persons.size === counting.length, at, 'counts a person twice');
  found.expect(decidesAs(data) === decidesAs(completing), at, 'is by another action than its votes');
  const isOnContent = counting.every((vote) => vote.result_hash === data.content_hash);
  found.expect(isOnContent, at, 'has other content than its votes were for');
  if (completing.person !== 'clock') verifyQuorum(at, completing, votes, policy, found);
}

function verifyQuorum(at, completing, votes, policy, found) {
  const { quorum, counted } = completing.verdict;
  const offered = policy.actions.find(({ action }) => action === decidesAs(completing));
  found.expect(offered?.quorum === quorum, at, `took a quorum of ${quorum}, which the policy does not ask for`);
  found.expect(counted >= quorum && votes.length === counted, at, `took ${quorum} votes, and has ${votes.length}`);
}
