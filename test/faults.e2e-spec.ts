import { randomNumbers } from '../src/workflows/engine/random.fixture.js';
import { FaultRun } from './faults/fault-run.js';
import type { Member } from './faults/fleet.js';
import { type PrivatePostgres, startPrivatePostgres } from './faults/private-postgres.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

/** `npm run test:faults` runs the long form, by FAULT_RUN and FAULT_SEED. */
const LONG = process.env.FAULT_RUN === 'long';
const SEED = Number(process.env.FAULT_SEED ?? Math.floor(Math.random() * 1_000_000));
const PROCESSES = LONG ? 3 : 2;
const KILLS = LONG ? 10 : 2;
/** Executions that are started around each kill. */
const ROUND = 20;
const RESTARTS = LONG ? 3 : 1;
const CUTS = LONG ? 10 : 3;
const LEASE_SECONDS = 2;
/** What one process runs at once where it matters that the others cannot take everything. */
const PLACES = 20;

/** An execution writes its start, two events a step, and its end. */
const EVENTS = 22;

const random = randomNumbers(SEED);
const below = (limit: number) => Math.floor(random() * limit);

jest.setTimeout(LONG ? 150_000 : 60_000);
beforeAll(() => say(`seed ${SEED}: npm run test:faults -- --seed ${SEED} plays it again`));

describe('a fleet of processes', () => {
  let database: TestDatabase;
  let run: FaultRun;

  beforeAll(async () => {
    database = await createTestDatabase();
    run = await FaultRun.open(database.url, PROCESSES);
  });
  afterAll(async () => {
    await run.close();
    await database.drop();
  });

  it('ends every acknowledged execution although processes are killed, each taken over within a second', async () => {
    const takeovers: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      const started = run.load.start(ROUND, 400);
      await run.goesOnFor(1 + below((ROUND * EVENTS) / 2));
      const times = await run.kill(anyOf(run));
      say(`kill ${i + 1}: ${times.length} executions taken over, the last after ${Math.max(0, ...times)} ms`);
      takeovers.push(...times);
      await run.fleet.add();
      await started;
    }
    await run.allEnd();
    expect(await run.breaches()).toEqual([]);
    expect(run.load.acknowledged).toHaveLength(KILLS * ROUND);
    say(`${takeovers.length} takeovers, p100 ${Math.max(0, ...takeovers)} ms`);
    expect(takeovers.length).toBeGreaterThanOrEqual(KILLS);
    expect(takeovers.filter((ms) => ms >= 1_000)).toEqual([]);
  });

  it('repeats no step when all processes are replaced one after the other', async () => {
    const before = [...run.fleet.members];
    const started = run.load.start(ROUND * PROCESSES, 2_000 * PROCESSES);
    for (const member of before) {
      await run.fleet.add();
      expect(await run.fleet.drain(member)).toBe(0);
    }
    await started;
    await run.allEnd();
    expect(await run.breaches()).toEqual([]);
  });

  it('goes on in the same processes when connections are cut at random', async () => {
    const started = run.load.start(ROUND * 2, 300 * CUTS);
    for (let i = 0; i < CUTS; i++) {
      await run.goesOnFor(1 + below(ROUND));
      await run.disturb(() =>
        database.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and application_name like 'holdpoint%' order by md5(pid || $1) limit $2`,
          [String(SEED + i), 1 + below(4)],
        ),
      );
    }
    await started;
    await run.allEnd();
    expect(await run.breaches()).toEqual([]);
    expect(run.fleet.dead).toEqual([]);
  });
});

describe('a process that was stopped beyond its lease', () => {
  let database: TestDatabase;
  let run: FaultRun;
  let late: Member;

  beforeAll(async () => {
    database = await createTestDatabase();
    run = await FaultRun.open(database.url, 1, {
      HOLDPOINT_ROLES: 'api',
      WORKER_LEASE_SECONDS: String(LEASE_SECONDS),
      WORKER_CONCURRENCY: String(PLACES),
    });
    // They start nothing: stopped within a start one would hold the end of the audit chain for five seconds.
    for (let i = 0; i < PROCESSES; i++) {
      late = await run.fleet.addOne({ HOLDPOINT_ROLES: 'worker' });
      run.load.avoid(late);
    }
  });
  afterAll(async () => {
    await run.close();
    await database.drop();
  });

  it.each(['others still run', 'others have ended'])('can write nothing to executions that %s', async (which) => {
    const started = run.load.start(ROUND * 2, 1_000);
    await run.goesOnFor(1 + below(ROUND * EVENTS));
    await run.watch.until('the late one to hold some', () => run.watch.heldBy(late.worker()).length > 0);
    const times = await run.stop(late);
    say(`stop: ${times.length} executions taken over, the last after ${Math.max(0, ...times)} ms`);
    await started;
    if (which === 'others have ended') await run.allEnd();
    const ended = await endedRows();
    run.goOn(late);
    await useOf(late);
    expect(await endedRows(ended.map(({ id }) => id))).toEqual(ended);
    await run.allEnd();
    expect(await run.breaches()).toEqual([]);
    expect(times).not.toEqual([]);
    expect(times.filter((ms) => ms >= (LEASE_SECONDS + 1) * 1_000)).toEqual([]);
  });

  /** More than the others can take, until it holds some of them. */
  async function useOf(member: Member): Promise<void> {
    await run.load.start(2 * PLACES * PROCESSES, 0);
    await run.watch.until('the late one to be useful', () => run.watch.heldBy(member.worker()).length > 0);
  }

  /** All that is stored of executions that have ended. */
  const endedRows = (ids?: string[]) =>
    database.query<{ id: string }>(
      `select e.id, e::text as execution,
              (select string_agg(s::text, ' ' order by s.node_id) from steps s where s.execution_id = e.id) as steps,
              (select string_agg(v::text, ' ' order by v.seq) from execution_events v where v.execution_id = e.id) as events
       from executions e where ended_at is not null and ($1::uuid[] is null or id = any($1)) order by id`,
      [ids ?? null],
    );
});

describe('a database that is torn down', () => {
  let server: PrivatePostgres;
  let run: FaultRun;

  beforeAll(async () => {
    server = await startPrivatePostgres();
    run = await FaultRun.open(server.url, PROCESSES);
  });
  afterAll(async () => {
    await run.close();
    await server.remove();
  });

  it('is found again by the same processes, which lose nothing', async () => {
    for (let i = 0; i < RESTARTS; i++) {
      const started = run.load.start(ROUND, 500);
      await run.goesOnFor(1 + below((ROUND * EVENTS) / 2));
      await run.disturb(() => server.restart());
      await started;
      await run.allEnd();
    }
    expect(await run.breaches()).toEqual([]);
    expect(run.fleet.dead).toEqual([]);
  });
});

function anyOf({ fleet }: FaultRun): Member {
  const member = fleet.members[below(fleet.members.length)];
  if (!member) throw new Error('nobody is left');
  return member;
}

function say(what: string): void {
  process.stdout.write(`  fault run: ${what}\n`);
}
