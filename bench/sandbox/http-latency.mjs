import { DEMO_PASSWORD, DEMO_PEOPLE } from '../../dist/src/demo/demo-people.js';
import { openBench } from '../engine/bench-database.mjs';
import { TASKS } from './latency.mjs';
import { describeTimes } from './print-table.mjs';
import { startProduct } from '../start-product.mjs';

const REQUESTS = 40;
const WARM_UP = 3;
/** Long enough for the sandbox that a request took to be replaced. */
const PAUSE_MS = 150;

/**
 * From sending POST /api/security/execute over a kept connection to its answer, audit record and all. The product is a
 * process of its own, as `npm start` runs it, on the server of DATABASE_URL or the embedded one.
 */
export async function httpLatency(mode) {
  const bench = await openBench({ rounds: 1, scale: 1 });
  try {
    return await bench.withDatabase((url) => measure(url, mode));
  } finally {
    await bench.close();
  }
}

async function measure(databaseUrl, mode) {
  const product = await startProduct(databaseUrl, { DEMO_DATA: 'true', SANDBOX_MODE: mode });
  try {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${await signIn(product.url)}` };
    const rows = [];
    for (const task of TASKS.filter(({ more }) => !more)) rows.push(await takeTask(product.url, headers, task));
    return { title: `over HTTP, ${mode}: ${REQUESTS} requests`, rows };
  } finally {
    await product.close();
  }
}

async function takeTask(url, headers, { name, code, printed }) {
  const times = [];
  for (let i = -WARM_UP; i < REQUESTS; i++) {
    const startedAt = performance.now();
    const answer = await post(url, '/api/security/execute', { code }, headers);
    if (answer.stdout !== printed) throw new Error(`${name} printed ${answer.stdout}`);
    if (i >= 0) times.push(performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return { label: name, ...describeTimes(times) };
}

async function signIn(url) {
  const person = { email: DEMO_PEOPLE[0].email, password: DEMO_PASSWORD };
  return (await post(url, '/api/auth/login', person, { 'Content-Type': 'application/json' })).access_token;
}

/** fetch keeps its connections. */
async function post(url, path, body, headers) {
  const answer = await fetch(new URL(path, url), { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`POST ${path} was answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}
