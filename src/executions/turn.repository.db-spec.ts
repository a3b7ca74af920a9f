import { DataSource } from 'typeorm';
import { reviewDefinition } from '../../test/definitions.js';
import { insertExecutions, insertWorkflow } from '../../test/execution-rows.js';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.js';
import { dataSourceOptions } from '../data-source.js';
import { EXECUTION_STATUSES } from '../workflows/engine/execution-status.js';
import { STEP_MOVES, STEP_STATUSES, type StepStatus } from '../workflows/engine/step-status.js';
import { StepLogsRepository } from './step-logs.repository.js';
import { type Claim, type StepWrite, type TurnCommit, TurnRepository, WORKER_LOCKS } from './turn.repository.js';

const LEASE_SECONDS = 15;

describe('TurnRepository', () => {
  const repository = new TurnRepository();
  let database: TestDatabase;
  let source: DataSource;
  let of: Awaited<ReturnType<typeof insertWorkflow>>;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(dataSourceOptions(database.url, 12)).initialize();
    of = await insertWorkflow(database, reviewDefinition());
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });
  afterEach(() => database.query('update executions set wake_at = null, worker = null'));

  const claim = (worker: number, limit = 1) => repository.claimDue(source.manager, worker, limit, LEASE_SECONDS);

  const claimOne = async (worker = 1): Promise<Claim> => {
    const [claimed] = await claim(worker);
    if (!claimed) throw new Error('nothing was due');
    return claimed;
  };

  const step = (fields: Partial<StepWrite> = {}): StepWrite => ({
    node_id: 'draft',
    iteration: 1,
    node_type: 'transform',
    status: 'completed',
    attempt: 1,
    consumed: [],
    fired: [],
    ...fields,
  });

  const commitOf = ({ id, epoch, nudges, changes }: Claim, fields: Partial<TurnCommit> = {}): TurnCommit => ({
    execution_id: id,
    epoch,
    nudges,
    changes,
    outside: false,
    status: 'running',
    released: false,
    ended: false,
    compensable: false,
    steps: [],
    events: [],
    ...fields,
  });

  const commit = async (one: TurnCommit) => (await repository.commitTurns(source.manager, [one]))[0];

  const everythingOf = async (id: string) => ({
    execution: await database.query('select * from executions where id = $1', [id]),
    steps: await database.query('select * from steps where execution_id = $1', [id]),
    events: await database.query('select * from execution_events where execution_id = $1', [id]),
  });

  it('lets exactly one of ten workers claim an execution, fifty times', async () => {
    for (let round = 0; round < 50; round++) {
      const [id] = await insertExecutions(database, of, 1);
      const claims = (await Promise.all(Array.from({ length: 10 }, (_, worker) => claim(worker + 1)))).flat();
      expect(claims.map((claimed) => [claimed.id, claimed.epoch])).toEqual([[id, 1]]);
    }
  });

  it('shares forty due executions among ten workers, each to one', async () => {
    const ids = await insertExecutions(database, of, 40);
    const claims = (await Promise.all(Array.from({ length: 10 }, (_, worker) => claim(worker + 1, 40)))).flat();
    expect(claims.map((claimed) => claimed.id).toSorted()).toEqual(ids.toSorted());
  });

  describe('writing what a running step has printed', () => {
    const stepLogs = new StepLogsRepository();
    const key = { node_id: 'draft', iteration: 1, attempt: 1 };
    const logs = (stdout: string) => ({ stdout, stderr: '' });
    const printed = async (id: string) => {
      const rows = await database.query<{ logs: { stdout: string } | null }>(
        'select logs from steps where execution_id = $1',
        [id],
      );
      return rows[0]?.logs?.stdout;
    };

    const running = async (): Promise<Claim> => {
      await insertExecutions(database, of, 1);
      const held = await claimOne();
      await commit(commitOf(held, { steps: [step({ status: 'running' })] }));
      return held;
    };

    it('is for the holder of the execution, the try that runs, and as long as it runs', async () => {
      const held = await running();
      const write = (stdout: string, claimed = held, tried = key) =>
        stepLogs.write(source.manager, claimed, tried, logs(stdout));
      await write('mine');
      await write('of an older claim', { ...held, epoch: held.epoch - 1 });
      await write('of another try', held, { ...key, attempt: 2 });
      expect(await printed(held.id)).toBe('mine');
      await database.query('update executions set wake_at = now() where id = $1', [held.id]);
      await claimOne(2);
      await write('too late');
      expect(await printed(held.id)).toBe('mine');
    });

    it('is over with the result of the step; a cancelled one keeps what it printed', async () => {
      const [done, cancelled] = [await running(), await running()];
      for (const held of [done, cancelled]) await stepLogs.write(source.manager, held, key, logs('so far'));
      await commit(commitOf(done, { steps: [step({ logs: logs('all of it') })] }));
      await commit(commitOf(cancelled, { steps: [step({ status: 'cancelled' })] }));
      for (const held of [done, cancelled]) await stepLogs.write(source.manager, held, key, logs('too late'));
      expect([await printed(done.id), await printed(cancelled.id)]).toEqual(['all of it', 'so far']);
    });

    it('waits for nobody who is changing the execution, and is too late when that is another claim', async () => {
      const held = await running();
      await database.query('update executions set wake_at = now() where id = $1', [held.id]);
      await source.transaction(async (tx) => {
        const [other] = await repository.claimDue(tx, 2, 1, LEASE_SECONDS);
        expect(other?.id).toBe(held.id);
        await stepLogs.write(source.manager, held, key, logs('meanwhile'));
      });
      expect(await printed(held.id)).toBeUndefined();
    });
  });

  it('changes nothing for a writer whose epoch is over', async () => {
    const [id = ''] = await insertExecutions(database, of, 1);
    const first = await claimOne(1);
    await database.query('update executions set wake_at = now() where id = $1', [id]); // its lease runs out
    const second = await claimOne(2);
    expect(second.epoch).toBe(first.epoch + 1);
    const before = await everythingOf(id);
    const late = commitOf(first, {
      released: true,
      ended: true,
      status: 'completed',
      steps: [step()],
      events: [{ type: 'execution.completed' }],
    });
    expect(await commit(late)).toBeUndefined();
    expect(await everythingOf(id)).toEqual(before);
    expect(await commit({ ...late, epoch: second.epoch })).toEqual({
      execution_id: id,
      epoch: second.epoch,
      nudges: 0,
    });
  });

  it('writes what the current holder says and leaves out its neighbour in the same statement', async () => {
    await insertExecutions(database, of, 2);
    const [one, two] = (await claim(1, 2)) as unknown as [Claim, Claim];
    const commits = [one, two].map((held) => commitOf(held, { steps: [step()], events: [{ type: 'step.completed' }] }));
    const stale = { ...(commits[0] as TurnCommit), epoch: 0 };
    const receipts = await repository.commitTurns(source.manager, [stale, commits[1] as TurnCommit]);
    expect(receipts.map((receipt) => receipt.execution_id)).toEqual([two.id]);
    expect((await everythingOf(one.id)).steps).toEqual([]);
    expect((await everythingOf(two.id)).steps).toHaveLength(1);
  });

  it('numbers events without gaps from the one before', async () => {
    const [id = ''] = await insertExecutions(database, of, 1);
    const held = await claimOne();
    await commit(
      commitOf(held, {
        events: [{ type: 'step.started', node_id: 'draft', iteration: 1 }, { type: 'step.completed' }],
      }),
    );
    await commit(commitOf(held, { events: [{ type: 'step.started', data: { a: 1 } }] }));
    const events = await database.query('select seq, type from execution_events where execution_id = $1 order by seq', [
      id,
    ]);
    expect(events).toEqual([
      { seq: 1, type: 'execution.started' },
      { seq: 2, type: 'step.started' },
      { seq: 3, type: 'step.completed' },
      { seq: 4, type: 'step.started' },
    ]);
  });

  it('leaves an execution due when it was nudged since its holder last looked', async () => {
    const [id = ''] = await insertExecutions(database, of, 1);
    const held = await claimOne();
    await database.query('update executions set nudges = nudges + 1 where id = $1', [id]);
    expect(await commit(commitOf(held, { released: true, status: 'waiting' }))).toMatchObject({
      execution_id: id,
      nudges: 1,
    });
    expect((await claimOne(2)).id).toBe(id);
  });

  it('is not due again after letting go without a moment to wait for', async () => {
    const [id = ''] = await insertExecutions(database, of, 1);
    await commit(commitOf(await claimOne(), { released: true, status: 'awaiting_checkpoint' }));
    const [row] = await database.query<{ wake_at: Date | null; worker: number | null }>(
      'select * from executions where id = $1',
      [id],
    );
    expect(row).toMatchObject({ status: 'awaiting_checkpoint', wake_at: null, worker: null });
  });

  it.each(STEP_STATUSES.flatMap((from) => STEP_STATUSES.map((to): [StepStatus, StepStatus] => [from, to])))(
    'moves a step from %s to %s exactly when the table says so',
    async (from, to) => {
      const [id = ''] = await insertExecutions(database, of, 1);
      const held = await claimOne();
      await commit(commitOf(held, { steps: [step({ status: from })] }));
      await commit(commitOf(held, { steps: [step({ status: to, attempt: 2 })] }));
      const [row] = await database.query<{ attempt: number }>('select attempt from steps where execution_id = $1', [
        id,
      ]);
      expect(row?.attempt).toBe(STEP_MOVES[from].includes(to) ? 2 : 1);
    },
  );

  it.each([
    ['executions', EXECUTION_STATUSES],
    ['steps', STEP_STATUSES],
  ])('admits the statuses of the code in the table %s and no others', async (table, statuses) => {
    const checks = await database.query<{ definition: string }>(
      `select pg_get_constraintdef(oid) as definition from pg_constraint
       where conrelid = $1::regclass and contype = 'c' and pg_get_constraintdef(oid) like '%(status %'`,
      [table],
    );
    const admitted = [...(checks[0]?.definition ?? '').matchAll(/'(\w+)'::text/g)].map((match) => String(match[1]));
    expect(admitted.toSorted()).toEqual([...statuses].toSorted());
  });

  it('makes due what a worker held whose session has ended, and nothing else', async () => {
    const [deadId] = await insertExecutions(database, of, 1);
    await claimOne(101);
    const [aliveId = ''] = await insertExecutions(database, of, 1);
    await claimOne(102);
    const session = source.createQueryRunner();
    try {
      await session.query('select pg_advisory_lock($1, $2)', [WORKER_LOCKS, 102]);
      expect(await repository.releaseDeadWorkers(source.manager)).toBe(1);
      expect((await claim(103, 10)).map((claimed) => claimed.id)).toEqual([deadId]);
      await session.query('select pg_advisory_unlock_all()');
      await repository.releaseDeadWorkers(source.manager);
      expect((await claim(104, 10)).map((claimed) => claimed.id)).toContain(aliveId);
    } finally {
      await session.release();
    }
  });

  it('loads of each node only the output that ended last, and inputs only of open steps', async () => {
    const [id = ''] = await insertExecutions(database, of, 1);
    await database.query(
      `insert into steps (execution_id, node_id, iteration, node_type, status, consumed, input, output, ended_at) values
         ($1, 'a', 1, 'transform', 'completed', '[]', '1', '"slow first"', now()),
         ($1, 'a', 2, 'transform', 'completed', '[]', '1', '"quick second"', now() - interval '1 second'),
         ($1, 'b', 1, 'code', 'running', '[]', '"kept"', null, null)`,
      [id],
    );
    const rows = await repository.loadSteps(source.manager, id);
    expect(rows.map(({ node_id, iteration, input, output }) => [node_id, iteration, input, output])).toEqual([
      ['a', 2, null, null],
      ['a', 1, null, 'slow first'],
      ['b', 1, 'kept', null],
    ]);
  });

  it('finds what a person has changed and what another worker has taken', async () => {
    const [nudged = '', taken = '', same = ''] = await insertExecutions(database, of, 3);
    const held = await claim(1, 3);
    expect(await repository.findChanged(source.manager, held)).toEqual([]);
    await database.query('update executions set nudges = nudges + 1 where id = $1', [nudged]);
    await database.query('update executions set epoch = epoch + 1 where id = $1', [taken]);
    const changed = await repository.findChanged(source.manager, held);
    expect(changed.toSorted()).toEqual([nudged, taken].toSorted());
    expect(changed).not.toContain(same);
  });

  it('does not wait for a row that a commit has locked when it renews leases', async () => {
    const [locked = '', free = ''] = await insertExecutions(database, of, 2);
    await claim(1, 2);
    const runner = source.createQueryRunner();
    await runner.startTransaction();
    try {
      await runner.query('select 1 from executions where id = $1 for update', [locked]);
      await repository.renewLeases(source.manager, 1, [locked, free], 1_000);
    } finally {
      await runner.rollbackTransaction();
      await runner.release();
    }
    const renewed = await database.query(`select id from executions where wake_at > now() + interval '900 seconds'`);
    expect(renewed).toEqual([{ id: free }]);
  });

  it('renews only leases that the worker still has', async () => {
    const [id = ''] = await insertExecutions(database, of, 1);
    await claimOne(1);
    await repository.renewLeases(source.manager, 2, [id], 1_000);
    const left = async () =>
      (
        await database.query<{ seconds: number }>(
          `select extract(epoch from wake_at - now())::float8 as seconds from executions where id = $1`,
          [id],
        )
      )[0]?.seconds ?? 0;
    expect(await left()).toBeLessThan(LEASE_SECONDS + 1);
    await repository.renewLeases(source.manager, 1, [id], 1_000);
    expect(await left()).toBeGreaterThan(900);
  });
});
