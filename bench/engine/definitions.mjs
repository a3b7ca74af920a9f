const node = (id, type, data) => ({ id, type, data });

const edge = (source, target, more = {}) => ({ id: `${source}-${target}`, source, target, ...more });

/** A step of code, each result of which is written; what it answers is up to the runner. */
const durable = (id, input) => node(id, 'code', { code: 'output = input', input });

/** s0 ─► s1 ─► …, each given what the one before made. `nodeOf(id, template)` makes a node. */
function chain(length, nodeOf) {
  const nodes = Array.from({ length }, (_, i) =>
    nodeOf(`s${i}`, i === 0 ? '{{ input }}' : `{{ steps.s${i - 1}.output }}`),
  );
  return { nodes, edges: nodes.slice(1).map(({ id }, i) => edge(`s${i}`, id)) };
}

export const durableChain = (length) => chain(length, durable);

/** Requests, each of which begins only when the result before it is written. They go nowhere: the runner is replaced. */
export const requestChain = (length) =>
  chain(length, (id, input) => node(id, 'http', { method: 'POST', url: 'http://127.0.0.1/', body: input }));

export const transformChain = (length) =>
  chain(length, (id, input) => node(id, 'transform', { output: input.replace(' }}', ' + 1 }}') }));

/** Python of the same text in every step of a chain. */
export const pythonChain = (length, code) => chain(length, (id) => node(id, 'code', { code }));

/** fork ─► p0 … pn ─► joined. */
export function fanOutDefinition(width) {
  const parallel = Array.from({ length: width }, (_, i) => durable(`p${i}`, '{{ input }}'));
  const ends = [node('fork', 'transform', { output: '{{ input }}' }), node('joined', 'transform', { output: 1 })];
  return { nodes: [...ends, ...parallel], edges: parallel.flatMap(({ id }) => [edge('fork', id), edge(id, 'joined')]) };
}

/** review ─► next: the step after a decision. */
export function reviewDefinition() {
  const review = node('review', 'checkpoint', { title: 'Go on?', content: { text: 'Dear {{ input }}' } });
  return { nodes: [review, durable('next', '{{ steps.review.output.content }}')], edges: [edge('review', 'next')] };
}

/** work ─► done: two steps and five events. */
export function twoSteps() {
  const done = node('done', 'end', { output: '{{ steps.work.output }}' });
  return { nodes: [durable('work', '{{ input }}'), done], edges: [edge('work', 'done')] };
}

/** enter ─► work, which starts again as often as `input` says; the runner answers the iteration. */
export function loopDefinition() {
  const again = { id: 'again', source: 'work', target: 'work', data: { when: 'steps.work.output < input' } };
  const work = durable('work', '{{ input }}');
  const nodes = [
    node('enter', 'transform', { output: '{{ input }}' }),
    { ...work, data: { ...work.data, max_iterations: 10_000 } },
    node('done', 'end', { output: '{{ steps.work.output }}' }),
  ];
  const leave = edge('work', 'done', { data: { when: 'steps.work.output >= input' } });
  return { nodes, edges: [edge('enter', 'work'), again, leave] };
}
