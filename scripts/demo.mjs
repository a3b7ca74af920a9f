// npm run demo: plays the main job against a running server (HOLDPOINT_URL, else http://127.0.0.1:3000), or against one
// that it starts and stops itself, and says what happens. Needs the demo accounts, so not for production.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildIfStale } from './build-if-stale.mjs';
import { requireNode } from './node-version.mjs';
import { setUpSandbox } from './setup.mjs';

const MESSAGE = 'My parcel says delivered, but nothing is here. I need it for a birthday on Friday!';
const STEPS = 9;

const color = process.stdout.isTTY ? (code, text) => `\u001b[${code}m${text}\u001b[0m` : (_code, text) => text;
let done = 0;

requireNode();
buildIfStale();
const { DEMO_PASSWORD: PASSWORD } = await import('../dist/src/demo/demo-people.js');
try {
  const server = (await runningServer()) ?? (await freshServer());
  try {
    await play(server.url);
    sayWhatNext(server);
  } finally {
    await server.stop();
  }
} catch (error) {
  console.error(`\nThe demo stopped: ${error.message}`);
  process.exitCode = 1;
}

async function play(url) {
  const [author, approver, admin] = await Promise.all(['author', 'approver', 'admin'].map((who) => signIn(url, who)));
  step('signed in as the demo author, the approver and the admin');

  const workflow = await author.post('/api/workflows', supportReply());
  step(`created the workflow "${workflow.body.name}": Python drafts → a person reviews → Python formats`);

  const input = { customer: 'Mina', message: MESSAGE };
  const started = await author.post('/api/executions', { workflow_id: workflow.body.id, input });
  const executionId = started.body.id;
  step(`started execution ${executionId}`);
  quote(`${input.customer} writes: ${MESSAGE}`);

  const waiting = await untilWaiting(author, approver, executionId);
  const checkpoint = await approver.get(`/api/checkpoints/${waiting.id}`);
  step('the draft was made in the sandbox; the execution stopped and waits for a person');
  quote(`${checkpoint.body.title}\n\n${checkpoint.body.content.text}`);

  const content = {
    ...checkpoint.body.content,
    text: checkpoint.body.content.text.replace(
      'We are looking into it.',
      'A new one leaves today and arrives on Thursday.',
    ),
  };
  const etag = checkpoint.headers.get('etag');
  const decided = await approver.post(`/api/checkpoints/${waiting.id}/decide`, { action: 'edit', content }, etag);
  step(`the approver edited and approved; the change is kept as a JSON Patch`);
  quote(decided.body.decision.patch.map((change) => `${change.op} ${change.path}: ${change.value}`).join('\n'));

  const again = await approver.request('POST', `/api/checkpoints/${waiting.id}/decide`, { action: 'approve' }, etag);
  if (again.status !== 409) throw new Error(`a second decision was answered ${again.status}, not 409`);
  step(`a second decision is refused: ${again.body.detail}`);

  const ended = await untilEnded(author, executionId);
  step('the workflow went on where it had stopped, and ended');
  quote(ended.output);

  const timeline = await author.get(`/api/executions/${executionId}/events`);
  step('every move is on the timeline');
  quote(timeline.body.data.map(eventLine).join('\n'));

  const records = await admin.get(`/api/audit?subject_type=checkpoint&subject_id=${waiting.id}`);
  const chain = await admin.get('/api/audit/verify');
  if (!chain.body.intact) throw new Error(`the audit chain is broken at ${JSON.stringify(chain.body.broken_at)}`);
  step('and every human act is in the audit record');
  quote(
    [
      ...records.body.data.map(
        (record) => `#${record.seq} ${record.action} by ${record.actor_id} hash ${record.hash.slice(0, 16)}…`,
      ),
      `verified: ${chain.body.records} records, chain intact, head ${chain.body.head_hash.slice(0, 16)}…`,
    ].join('\n'),
  );
}

function supportReply() {
  const draft = [
    'name = input["customer"]',
    'urgent = "!" in input["message"]',
    'print("words:", len(input["message"].split()), "urgent:", urgent)',
    'opening = "I am sorry, and I see that it is urgent." if urgent else "Thank you for writing."',
    'output = {"to": name, "text": f"Dear {name},\\n\\n{opening} We are looking into it.\\n\\nYour support team"}',
  ].join('\n');
  const format = [
    'import textwrap',
    'lines = [textwrap.fill(line, 64) for line in input["content"]["text"].split("\\n")]',
    'output = "To: " + input["content"]["to"] + "\\nSubject: Re: your message\\n\\n" + "\\n".join(lines)',
  ].join('\n');
  const nodes = [
    {
      id: 'draft',
      type: 'code',
      position: { x: 0, y: 0 },
      data: { label: 'Draft', code: draft, input: '{{ input }}' },
    },
    {
      id: 'review',
      type: 'checkpoint',
      position: { x: 240, y: 0 },
      data: {
        title: 'Send this reply to {{ input.customer }}?',
        instructions: 'Edit the text as you like.',
        content: '{{ steps.draft.output }}',
        schema: {
          type: 'object',
          required: ['to', 'text'],
          properties: { to: { type: 'string' }, text: { type: 'string', minLength: 1 } },
        },
        not_requester: true,
      },
    },
    { id: 'format', type: 'code', position: { x: 480, y: 0 }, data: { label: 'Format', code: format } },
    { id: 'sent', type: 'end', position: { x: 720, y: 0 }, data: { output: '{{ steps.format.output }}' } },
  ];
  const edges = [
    { id: 'drafted', source: 'draft', target: 'review' },
    { id: 'approved', source: 'review', sourceHandle: 'approved', target: 'format' },
    { id: 'formatted', source: 'format', target: 'sent' },
  ];
  return { name: 'Support reply', definition: { nodes, edges } };
}

async function untilWaiting(author, approver, executionId) {
  return until(async () => {
    const execution = await author.get(`/api/executions/${executionId}`);
    if (execution.body.status === 'failed')
      throw new Error(`${execution.body.error.code}: ${execution.body.error.message}`);
    const open = await approver.get(`/api/checkpoints?status=open&execution_id=${executionId}`);
    return open.body.data[0];
  });
}

async function untilEnded(author, executionId) {
  const execution = await until(async () => {
    const { body } = await author.get(`/api/executions/${executionId}`);
    return body.ended_at ? body : undefined;
  });
  if (execution.status !== 'completed')
    throw new Error(`the execution is ${execution.status}: ${execution.error?.message}`);
  return execution;
}

async function until(look) {
  for (let i = 0; i < 600; i++) {
    const found = await look();
    if (found) return found;
    await sleep(50);
  }
  throw new Error('nothing happened for 30 seconds');
}

async function signIn(url, who) {
  const request = async (method, path, body, etag) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(etag ? { 'if-match': etag } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  const ok = async (...args) => {
    const answer = await request(...args);
    if (answer.status >= 300) throw new Error(`${args[0]} ${args[1]}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  };
  let token;
  const login = await ok('POST', '/api/auth/login', { email: `${who}@demo.example`, password: PASSWORD });
  token = login.body.access_token;
  return { request, get: (path) => ok('GET', path), post: (path, body, etag) => ok('POST', path, body, etag) };
}

async function runningServer() {
  const url = process.env.HOLDPOINT_URL ?? 'http://127.0.0.1:3000';
  const ready = await fetch(`${url}/health/readiness`).catch(() => undefined);
  if (!ready?.ok && process.env.HOLDPOINT_URL) throw new Error(`no Holdpoint answers at ${url}`);
  const checks = ready?.ok ? await ready.json().catch(() => undefined) : undefined;
  if (!checks?.checks) return undefined;
  console.log(`Using the server at ${url}.`);
  return { url, stop: () => undefined };
}

async function freshServer() {
  const lacking = setUpSandbox();
  if (lacking) throw new Error(lacking);
  console.log('Starting a server for the demo …');
  const child = spawn(process.execPath, ['dist/src/main.js'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LOG_LEVEL: 'warn' },
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /ready at (http\S+)/.exec(line)?.[1];
      if (found) resolve(found);
    });
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  return { url, stop, fresh: true };
}

function step(text) {
  done += 1;
  console.log(`\n${color(32, `✔ ${done}/${STEPS}`)} ${text}`);
}

function quote(text) {
  console.log(
    color(
      2,
      text
        .split('\n')
        .map((line) => `      ${line}`)
        .join('\n'),
    ),
  );
}

function eventLine({ seq, occurred_at, type, node_id }) {
  return `${String(seq).padStart(2)}  ${occurred_at.slice(11, 23)}  ${type}${node_id ? ` (${node_id})` : ''}`;
}

function sayWhatNext({ url, fresh }) {
  const where = fresh ? 'npm start, then open the /docs that it names' : `open ${url}/docs`;
  console.log(`\nThat was real: PostgreSQL, an isolated sandbox, signed tokens, a hash chain.`);
  console.log(`Try next: ${where}, press Authorize and sign in as admin@demo.example (${PASSWORD}).`);
  console.log('Or kill -9 the server while a checkpoint waits, start it again, and decide: nothing is lost.');
}
