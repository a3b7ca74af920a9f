import { randomBytes } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../../dist/src/app.module.js';
import { AccountsService } from '../../dist/src/auth/accounts.service.js';
import { completeSettings } from '../../dist/src/config/complete-settings.js';
import { ExecutionsService } from '../../dist/src/executions/executions.service.js';
import { NodeRunner } from '../../dist/src/executions/node-runner.js';
import { TurnWriter } from '../../dist/src/executions/turn-writer.js';
import { OrganizationsService } from '../../dist/src/organizations/organizations.service.js';
import { Transactions } from '../../dist/src/platform/database/transactions.js';
import { ROLE_PERMISSIONS } from '../../dist/src/platform/http/permissions.js';
import { SYSTEM_ACTOR } from '../../dist/src/platform/http/principal.js';
import { WorkflowsService } from '../../dist/src/workflows/workflows.service.js';
import { openBareLoop } from './bare-loop.mjs';
import { watchMoments } from './moments.mjs';
import { median } from './take-rounds.mjs';

/**
 * Calls `work` with an engine and a bare loop on a new database. Without a sandbox unless `sandboxed`: its self-test would
 * run while others measure.
 */
export function withEngine(bench, work, { sandboxed = false } = {}) {
  return bench.withDatabase(async (url) => {
    const settings = sandboxed ? bench.settings : { ...bench.settings, SANDBOX_DRIVER: 'none' };
    const engine = await startEngine(settings, url);
    try {
      return await useFloor(url, (floor) => work(engine, floor));
    } finally {
      await engine.close();
    }
  });
}

async function useFloor(url, work) {
  const floor = await openBareLoop(url);
  try {
    return await work(floor);
  } finally {
    await floor.close();
  }
}

/** The product with its worker, without HTTP. */
async function startEngine(settings, url) {
  const open = { url, embedded: false, close: () => Promise.resolve() };
  const root = AppModule.forRoot(completeSettings(settings, url), open);
  const app = await NestFactory.createApplicationContext(root, { logger: false });
  const owner = await seed(app);
  const executions = app.get(ExecutionsService);
  const start = async (workflow_id, input = 0) =>
    (await executions.start(owner, SYSTEM_ACTOR, { workflow_id, input })).execution.id;
  return {
    app,
    url,
    owner,
    start,
    ...watchCommits(app.get(TurnWriter)),
    saveWorkflow: (definition) => saveWorkflow(app, owner, definition),
    replaceRunner: (run) => replaceRunner(app.get(NodeRunner), run),
    close: () => app.close(),
  };
}

/** Tells when the commit with which an execution ends, or waits for a person, has been answered; asks no database. */
function watchCommits(writer) {
  const ended = watchMoments('the end');
  const parked = watchMoments('the checkpoint');
  const write = writer.write.bind(writer);
  writer.write = async (...given) => {
    const receipt = await write(...given);
    const [{ execution_id, ended: isEnd, released, status }] = given;
    if (receipt && isEnd) ended.arrive(execution_id, status);
    else if (receipt && released && status === 'awaiting_checkpoint') parked.arrive(execution_id);
    return receipt;
  };
  return { endOf: async (id) => completed(id, await ended.of(id)), parkedAt: async (id) => (await parked.of(id)).at };
}

/** An execution that fails is fast, and no figure. */
function completed(id, { at, value: status }) {
  if (status !== 'completed') throw new Error(`execution ${id} ended as ${status}`);
  return at;
}

/** What `code` nodes answer instead of running Python; without an argument they run it again. */
function replaceRunner(runner, answer) {
  delete runner.run;
  if (!answer) return;
  runner.run = (node, step, claim) =>
    Promise.resolve({ kind: 'completed', output: answer(node, step, claim), handle: null });
}

/** `count` executions, `inFlight` at a time: their steps in a second, and from the call that starts one to its end. */
export async function runMany(engine, workflowId, { count, inFlight, steps, input }) {
  const times = [];
  let left = count;
  const began = performance.now();
  const lane = async () => {
    while (left-- > 0) {
      const called = performance.now();
      const id = await engine.start(workflowId, input);
      times.push((await engine.endOf(id)) - called);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return { steps_per_second: (count * steps * 1000) / (performance.now() - began), p50_ms: median(times) };
}

async function seed(app) {
  const accounts = app.get(AccountsService);
  const person = { name: 'Bench', email: 'bench@test.example' };
  const password_hash = await accounts.hashNewPassword(randomBytes(18).toString('base64url'), person);
  return app.get(Transactions).run(async (tx) => {
    const { id: organization_id } = await app.get(OrganizationsService).createOrganization(tx, 'Bench');
    const user = await accounts.createMember(tx, { ...person, password_hash, organization_id, role: 'owner' });
    const permissions = new Set(ROLE_PERMISSIONS.owner);
    return {
      ...person,
      organization_id,
      user_id: user.id,
      role: 'owner',
      permissions,
      authenticated_by: 'access_token',
    };
  });
}

async function saveWorkflow(app, owner, definition) {
  const workflow = { name: 'Bench', description: '', definition };
  const { id } = await app
    .get(Transactions)
    .run((tx) => app.get(WorkflowsService).createIn(tx, owner, SYSTEM_ACTOR, workflow));
  return id;
}
