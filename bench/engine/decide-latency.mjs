import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { openBareLoop } from './bare-loop.mjs';
import { withClient } from './bench-database.mjs';
import { copyExecution } from './copy-execution.mjs';
import { median, takeRounds } from './take-rounds.mjs';
import { startProduct } from '../start-product.mjs';

const PARKED = 10_000;
const DECISIONS = 200;

/**
 * From sending POST /api/checkpoints/:id/decide over a kept connection until the next step, a request to a server of this
 * process, arrives here. The product is a process of its own, as `npm start` runs it; nothing of it is replaced.
 */
export async function decideLatency(bench) {
  return bench.withDatabase(async (url) => {
    const floor = await openBareLoop(url);
    const next = await startNext();
    const product = await startProduct(url, {
      SANDBOX_DRIVER: 'none',
      OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8',
      DEMO_DATA: 'false',
    });
    try {
      const client = await signUp(product.url);
      const workflow = await client.post('/api/workflows', { name: 'Bench', definition: definition(next.url) });
      const run = () => decideMany(bench, client, workflow.id, next);
      await run();
      const alone = await takeRounds(bench, floor, [
        { label: 'decide sent → next step arrives, 0 others parked', run },
      ]);
      const parked = await parkMany(url, client, workflow.id, bench.count(PARKED));
      await run();
      const label = `decide sent → next step arrives, ${parked.toLocaleString('en')} others parked`;
      const [, crowded] = await takeRounds(bench, floor, [{ label, run }]);
      return { title: 'decide (HTTP client)', rows: [...alone, crowded] };
    } finally {
      await product.close();
      await next.close();
      await floor.close();
    }
  });
}

/** review ─► next, a request that the bench receives. */
function definition(url) {
  const review = { title: 'Go on?', content: { text: 'Dear {{ input }}' } };
  const next = { method: 'POST', url, body: { id: '{{ execution.id }}' } };
  return {
    nodes: [
      { id: 'review', type: 'checkpoint', data: review },
      { id: 'next', type: 'http', data: next },
    ],
    edges: [{ id: 'review-next', source: 'review', target: 'next' }],
  };
}

async function decideMany(bench, client, workflow_id, next) {
  const times = [];
  for (let i = 0; i < bench.count(DECISIONS); i++) {
    const { checkpoint } = await park(client, workflow_id);
    const arrived = next.arrivalOf(checkpoint.execution_id);
    const sent = performance.now();
    await client.post(`/api/checkpoints/${checkpoint.id}/decide`, { action: 'approve' }, { 'If-Match': '"1"' });
    times.push((await arrived) - sent);
  }
  return { p50_ms: median(times), p95_ms: times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.95)] };
}

async function park(client, workflow_id) {
  const { id } = await client.post('/api/executions', { workflow_id, input: 'Mina' });
  for (;;) {
    const { data } = await client.get(`/api/checkpoints?status=open&execution_id=${id}`);
    if (data.length > 0) return { id, checkpoint: data[0] };
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** One parked by running, the others its copies. */
async function parkMany(url, client, workflow_id, count) {
  const { id } = await park(client, workflow_id);
  await withClient(url, (database) => copyExecution(database, id, count - 1));
  return count;
}

/** Where the next step's request arrives. */
async function startNext() {
  const waiting = new Map();
  const take = async (given, answer) => {
    const at = performance.now();
    let body = '';
    for await (const chunk of given) body += chunk;
    answer.setHeader('Content-Type', 'application/json').end('null');
    const { id } = JSON.parse(body);
    waiting.get(id)?.(at);
    waiting.delete(id);
  };
  const server = createServer((given, answer) => void take(given, answer));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}/next`,
    arrivalOf: (id) => new Promise((resolve) => waiting.set(id, resolve)),
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}

async function signUp(url) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const send = (method, path, body, headers = {}) => sendJson(agent, url, method, path, body, headers);
  const person = { email: 'bench@bench.example', password: 'a long enough one of 4 words', name: 'Bench' };
  const { access_token } = await send('POST', '/api/auth/register', person);
  const auth = { Authorization: `Bearer ${access_token}` };
  return {
    get: (path) => send('GET', path, undefined, auth),
    post: (path, body, headers) => send('POST', path, body, { ...auth, ...headers }),
  };
}

async function sendJson(agent, base, method, path, body, headers) {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const type =
    payload === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) };
  const sent = request(new URL(path, base), { method, agent, headers: { ...headers, ...type } });
  sent.end(payload);
  const [answer] = await once(sent, 'response');
  let text = '';
  for await (const chunk of answer) text += chunk;
  if (answer.statusCode >= 300) throw new Error(`${method} ${path} was answered ${answer.statusCode}: ${text}`);
  return JSON.parse(text);
}
