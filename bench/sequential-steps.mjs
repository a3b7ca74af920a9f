// npm run bench: durable steps per second of the engine beside a bare loop that commits one row per step, on the same
// server in the same run. Uses a database of its own on the server of DATABASE_URL, or on the embedded one. Bounded:
// about 30 s. Compile first (npm run build).
import { randomBytes } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import pg from 'pg';
import { AppModule } from '../dist/src/app.module.js';
import { completeSettings } from '../dist/src/config/complete-settings.js';
import { loadSettings } from '../dist/src/config/load-settings.js';
import { dataSourceOptions } from '../dist/src/data-source.js';
import { ExecutionsService } from '../dist/src/executions/executions.service.js';
import { TurnWriter } from '../dist/src/executions/turn-writer.js';
import { migrate } from '../dist/src/platform/database/migrate.js';
import { openDatabase } from '../dist/src/platform/database/open-database.js';
import { Transactions } from '../dist/src/platform/database/transactions.js';
import { SYSTEM_ACTOR } from '../dist/src/platform/http/principal.js';
import { OrganizationsService } from '../dist/src/organizations/organizations.service.js';
import { AccountsService } from '../dist/src/auth/accounts.service.js';
import { WorkflowsService } from '../dist/src/workflows/workflows.service.js';

const STEPS = 10;
const ROUNDS = 3;
const BARE_COMMITS = 1_500;

const given = loadSettings({ ...process.env, NODE_ENV: 'test', LOG_LEVEL: 'error', DATA_DIR: '.holdpoint' });
const server = await openDatabase(given, () => undefined);
const name = `holdpoint_bench_${randomBytes(4).toString('hex')}`;
const url = withDatabase(server.url, name);
try {
  await onServer(`create database ${name}`);
  await migrate(url, dataSourceOptions(url));
  await measure();
} finally {
  await onServer(`drop database if exists ${name} with (force)`);
  await server.close();
}

async function measure() {
  const app = await startEngine();
  const bare = await bareLoop();
  const results = [];
  try {
    await app.run(50, 1); // warm up
    for (let round = 0; round < ROUNDS; round++) {
      results.push({
        bare: await bare.stepsPerSecond(),
        one: await app.run(60, 1),
        fifty: await app.run(600, 50),
      });
    }
  } finally {
    await bare.close();
    await app.close();
  }
  print(results);
}

function print(results) {
  const bare = median(results.map((result) => result.bare));
  const row = (label, pick) => {
    const ratio = median(results.map((result) => pick(result).stepsPerSecond / result.bare));
    const rate = Math.round(median(results.map((result) => pick(result).stepsPerSecond)));
    const p50 = median(results.map((result) => pick(result).p50)).toFixed(1);
    console.log(`${label.padEnd(42)} ${ratio.toFixed(2).padStart(6)} ${String(rate).padStart(9)} ${p50.padStart(9)}`);
  };
  console.log(`${''.padEnd(42)}  ratio   steps/s    p50 ms   (medians of ${ROUNDS} rounds)`);
  console.log(
    `${'bare loop, one commit a step'.padEnd(42)} ${'1.00'.padStart(6)} ${String(Math.round(bare)).padStart(9)}`,
  );
  row(`executions of ${STEPS} steps, 1 in flight`, (result) => result.one);
  row(`executions of ${STEPS} steps, 50 in flight`, (result) => result.fifty);
}

/** The product with its worker, without HTTP; `run` answers when that many executions have ended. */
async function startEngine() {
  const open = { url, embedded: false, close: () => Promise.resolve() };
  const app = await NestFactory.createApplicationContext(AppModule.forRoot(completeSettings(given, url), open), {
    logger: false,
  });
  const waiting = watchEnds(app.get(TurnWriter));
  const owner = await seed(app);
  const executions = app.get(ExecutionsService);
  const one = async () => {
    const began = performance.now();
    const { id } = await executions.start(owner, SYSTEM_ACTOR, { workflow_id: owner.workflow_id, input: 0 });
    await waiting.until(id);
    return performance.now() - began;
  };
  const run = async (count, inFlight) => {
    const began = performance.now();
    const times = [];
    let left = count;
    const lane = async () => {
      while (left-- > 0) times.push(await one());
    };
    await Promise.all(Array.from({ length: inFlight }, lane));
    return { stepsPerSecond: (count * STEPS * 1000) / (performance.now() - began), p50: median(times) };
  };
  return { run, close: () => app.close() };
}

/** Tells when an execution's last commit has been answered, without asking the database. */
function watchEnds(writer) {
  const ended = new Set();
  const waiting = new Map();
  const write = writer.write.bind(writer);
  writer.write = async (commit, parked) => {
    const receipt = await write(commit, parked);
    if (commit.ended && receipt) {
      ended.add(commit.execution_id);
      waiting.get(commit.execution_id)?.();
    }
    return receipt;
  };
  return { until: (id) => (ended.has(id) ? Promise.resolve() : new Promise((resolve) => waiting.set(id, resolve))) };
}

async function seed(app) {
  const person = { name: 'Bench', email: 'bench@test.example' };
  const password_hash = await app.get(AccountsService).hashNewPassword(randomBytes(18).toString('base64url'), person);
  return app.get(Transactions).run(async (tx) => {
    const { id: organization_id } = await app.get(OrganizationsService).createOrganization(tx, 'Bench');
    const user = await app
      .get(AccountsService)
      .createMember(tx, { ...person, password_hash, organization_id, role: 'owner' });
    const owner = { organization_id, user_id: user.id };
    const workflow = await app.get(WorkflowsService).createIn(tx, owner, SYSTEM_ACTOR, chain());
    return { ...owner, workflow_id: workflow.id };
  });
}

/** STEPS transforms in a row, each adding one to what the one before made. */
function chain() {
  const nodes = Array.from({ length: STEPS }, (_, i) => ({
    id: `s${i}`,
    type: 'transform',
    data: { output: i === 0 ? '{{ input + 1 }}' : `{{ steps.s${i - 1}.output + 1 }}` },
  }));
  const edges = nodes.slice(1).map(({ id }, i) => ({ id: `e${i}`, source: `s${i}`, target: id }));
  return { name: 'Chain', description: '', definition: { nodes, edges } };
}

/** One connection, one row, one commit a step: the least that a durable step can cost on this server. */
async function bareLoop() {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('create table bare (id int primary key, step int, output json)');
  await client.query('insert into bare values (1, 0, null)');
  const stepsPerSecond = async () => {
    const began = performance.now();
    for (let i = 0; i < BARE_COMMITS; i++) {
      await client.query({
        name: 'bare',
        text: 'update bare set step = $1, output = $2 where id = 1',
        values: [i, String(i)],
      });
    }
    return (BARE_COMMITS * 1000) / (performance.now() - began);
  };
  await stepsPerSecond();
  return { stepsPerSecond, close: () => client.end() };
}

async function onServer(sql) {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function withDatabase(base, database) {
  const changed = new URL(base);
  changed.pathname = `/${database}`;
  return changed.href;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
