import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import type { Client } from 'pg';
import { PgBoss } from 'pg-boss';
import { DataSource } from 'typeorm';
import { loadSettings } from '../../config/load-settings.js';
import { completeSettings } from '../../config/complete-settings.js';
import { dataSourceOptions } from '../../data-source.js';
import { createTestDatabase, type TestDatabase } from '../../../test/test-database.js';
import { waitFor } from '../../../test/wait-for.js';
import { Transactions } from '../database/transactions.js';
import { Jobs } from './jobs.js';
import { HopelessJob, type JobHandler, type QueueOptions } from './queue.js';

const QUEUE = 'errands';

const OPTIONS: QueueOptions = {
  retries: 2,
  retryDelaySeconds: 0,
  retryDelayMaxSeconds: 1,
  timeoutSeconds: 60,
  batch: 5,
  takers: 1,
  notify: true,
};

interface Errand {
  what: string;
}

let database: TestDatabase;
let source: DataSource;
let transactions: Transactions;
const running: Jobs[] = [];

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createTestDatabase();
  source = await new DataSource(dataSourceOptions(database.url)).initialize();
  transactions = new Transactions(source);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((jobs) => jobs.beforeApplicationShutdown()));
  await database.query('delete from pgboss.job');
});
afterAll(async () => {
  await source.destroy();
  await database.drop();
});

/** What a process does with the queue, until the end of the test. */
function start(handler: JobHandler<Errand>, roles = 'api,worker', url = database.url): Jobs {
  const given = loadSettings({ NODE_ENV: 'test', DATABASE_URL: url, HOLDPOINT_ROLES: roles });
  const jobs = new Jobs(completeSettings(given, url));
  jobs.work(QUEUE, handler, OPTIONS);
  jobs.onApplicationBootstrap();
  running.push(jobs);
  return jobs;
}

const send = (jobs: Jobs, ...errands: string[]) =>
  transactions.run((tx) => jobs.send(tx, QUEUE, ...errands.map((what) => ({ data: { what } }))));

const states = () =>
  database.query<{ state: string; tries: number }>(
    `select state::text, retry_count as tries from pgboss.job order by created_on`,
  );

const allAre = (state: string) =>
  waitFor(`all to be ${state}`, states, (rows) => rows.length > 0 && rows.every((row) => row.state === state));

const idle: JobHandler<Errand> = () => Promise.resolve();

describe('the schema of the queue', () => {
  it('is the one that the installed pg-boss wants', async () => {
    const boss = new PgBoss({
      connectionString: database.url,
      migrate: false,
      max: 1,
      supervise: false,
      schedule: false,
    });
    await boss.start(); // refuses another version
    const drift = await boss.detectSchemaDrift();
    await boss.stop({ graceful: false });
    expect(Object.entries(drift).filter(([, found]) => found !== null && found.length > 0)).toEqual([]);
  });
});

describe('jobs', () => {
  it('sent in a transaction that is rolled back are never done', async () => {
    const done: string[] = [];
    const jobs = start(({ data }) => Promise.resolve(void done.push(data.what)));
    const broken = transactions.run(async (tx) => {
      await jobs.send(tx, QUEUE, { data: { what: 'never' } });
      throw new Error('changed its mind');
    });
    await expect(broken).rejects.toThrow('changed its mind');
    await send(jobs, 'after');
    await allAre('completed');
    expect(done).toEqual(['after']);
  });

  it('are sent by one statement, however many they are, and by none when there are none', async () => {
    const jobs = start(idle, 'api');
    await send(jobs, 'first, which opens the way');
    await transactions.run(async (tx) => {
      const client = (await tx.queryRunner?.connect()) as Client;
      const statements = jest.spyOn(client, 'query');
      await jobs.send(tx, QUEUE, ...['a', 'b', 'c'].map((what) => ({ data: { what } })));
      await jobs.send(tx, QUEUE);
      expect(statements).toHaveBeenCalledTimes(1);
      statements.mockRestore();
    });
    expect(await states()).toHaveLength(4);
  });

  it('with the id of one that is there are not sent again', async () => {
    const jobs = start(idle, 'api');
    const id = '01900000-0000-7000-8000-000000000001';
    const errand = (what: string) => ({ id, data: { what } });
    await transactions.run((tx) => jobs.send(tx, QUEUE, errand('first')));
    await transactions.run((tx) => jobs.send(tx, QUEUE, errand('second')));
    const rows = await database.query<{ data: Errand }>('select data from pgboss.job');
    expect(rows.map(({ data }) => data.what)).toEqual(['first']);
  });

  it('survive the process that sent them', async () => {
    const dying = start(idle, 'api');
    await send(dying, 'left behind');
    await dying.beforeApplicationShutdown();
    expect((await states()).map(({ state }) => state)).toEqual(['created']);
    const done: string[] = [];
    start(({ data }) => Promise.resolve(void done.push(data.what)));
    await allAre('completed');
    expect(done).toEqual(['left behind']);
  });

  it('are done by one of two workers, each once', async () => {
    const done: string[] = [];
    const note: JobHandler<Errand> = ({ data }) => Promise.resolve(void done.push(data.what));
    const jobs = start(note);
    start(note);
    const errands = Array.from({ length: 40 }, (_, i) => `errand ${i}`);
    await Promise.all(errands.map((errand) => send(jobs, errand)));
    await allAre('completed');
    expect(done.toSorted()).toEqual(errands.toSorted());
  });

  it('that fail are tried again, and those beside them are not', async () => {
    const tries: string[] = [];
    const jobs = start(({ data }) => {
      tries.push(data.what);
      return data.what === 'bad' && tries.filter((what) => what === 'bad').length < 2
        ? Promise.reject(new Error('not yet'))
        : Promise.resolve();
    });
    await send(jobs, 'good', 'bad', 'fine');
    await allAre('completed');
    expect(tries.toSorted()).toEqual(['bad', 'bad', 'fine', 'good']);
  });

  it('need no right to change the schema', async () => {
    const url = new URL(database.url);
    [url.username, url.password] = [`holdpoint_jobs_${randomBytes(4).toString('hex')}`, randomBytes(8).toString('hex')];
    await database.query(`create role ${url.username} login password '${url.password}'`);
    await database.query(`grant usage on schema pgboss to ${url.username}`);
    await database.query(`grant select, insert, update, delete on all tables in schema pgboss to ${url.username}`);
    try {
      await send(start(idle, 'api,worker', url.href), 'as somebody with few rights');
      await allAre('completed');
      await Promise.all(running.splice(0).map((jobs) => jobs.beforeApplicationShutdown()));
    } finally {
      await database.query(`drop owned by ${url.username}`);
      await database.query(`drop role ${url.username}`);
    }
  });

  it('are given up after the last retry, and at once when they are hopeless', async () => {
    const jobs = start(({ data }) =>
      Promise.reject(data.what === 'hopeless' ? new HopelessJob('nobody there') : new Error('no luck')),
    );
    await send(jobs, 'unlucky', 'hopeless');
    await allAre('failed');
    const rows = await database.query(`select data->>'what' as what, retry_count, output from pgboss.job order by 1`);
    expect(rows).toEqual([
      { what: 'hopeless', retry_count: 0, output: { message: 'nobody there' } },
      { what: 'unlucky', retry_count: 2, output: { message: 'no luck' } },
    ]);
  });

  it('of a process that died are done by another', async () => {
    const dying = start(idle, 'api');
    await send(dying, 'half done');
    await database.query(
      `update pgboss.job set state = 'active', started_on = now(), heartbeat_on = now() - interval '1 minute'`,
    );
    start(idle);
    await allAre('completed');
    expect((await states()).map(({ tries }) => tries)).toEqual([1]);
  });

  it('go on when all connections of the queue were cut', async () => {
    const jobs = start(idle);
    await send(jobs, 'before');
    await allAre('completed');
    for (let round = 0; round < 2; round++) {
      await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name = 'holdpoint jobs'`,
      );
      await send(jobs, `after cut ${round}`);
      await allAre('completed');
    }
  });

  it('take two connections', async () => {
    const jobs = start(idle);
    await send(jobs, ...Array.from({ length: 50 }, (_, i) => `errand ${i}`));
    await allAre('completed');
    const open = await database.query(
      `select 1 from pg_stat_activity where datname = current_database() and application_name = 'holdpoint jobs'`,
    );
    expect(open.length).toBeLessThanOrEqual(2);
  });

  it('that do not end hold up the end of the process for a few seconds only, and are tried again', async () => {
    let aborted = false;
    const jobs = start(({ signal }) => {
      signal.addEventListener('abort', () => (aborted = true));
      return new Promise(() => undefined);
    });
    await send(jobs, 'endless');
    await allAre('active');
    const began = performance.now();
    await jobs.beforeApplicationShutdown();
    expect(performance.now() - began).toBeLessThan(6_000);
    expect(aborted).toBe(true);
    expect((await states()).map(({ state }) => state)).toEqual(['retry']);
  });
});
