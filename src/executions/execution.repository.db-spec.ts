import { DataSource } from 'typeorm';
import { reviewDefinition } from '../../test/definitions.js';
import { insertExecutions, insertWorkflow } from '../../test/execution-rows.js';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.js';
import { dataSourceOptions } from '../data-source.js';
import { ExecutionRepository } from './execution.repository.js';
import { TurnRepository } from './turn.repository.js';

describe('ExecutionRepository', () => {
  const repository = new ExecutionRepository();
  const turns = new TurnRepository();
  let database: TestDatabase;
  let source: DataSource;
  let of: Awaited<ReturnType<typeof insertWorkflow>>;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(dataSourceOptions(database.url, 4)).initialize();
    of = await insertWorkflow(database, reviewDefinition());
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });
  afterEach(() => database.query('update executions set wake_at = null, worker = null'));

  const due = async (id: string) => {
    const [row] = await database.query<{ due: boolean }>(
      'select wake_at <= now() as due from executions where id = $1',
      [id],
    );
    return row?.due ?? false;
  };

  it('wakes for a signal who waits, and not who queues behind others', async () => {
    const [waiting = '', queueing = ''] = await insertExecutions(database, of, 2);
    await database.query('update executions set wake_at = null');
    await database.query(`update executions set status = 'waiting' where id = $1`, [waiting]);
    for (const id of [waiting, queueing]) await repository.nudge(source.manager, id);
    expect([await due(waiting), await due(queueing)]).toEqual([true, false]);
  });

  it('leaves who queues behind others in the queue when a person changes its steps', async () => {
    const [id = ''] = await insertExecutions(database, of, 1);
    await database.query('update executions set wake_at = null');
    const { epoch, nudges, changes } = await repository.get(source.manager, of.organization, id);
    const [receipt] = await turns.commitTurns(source.manager, [
      {
        execution_id: id,
        epoch,
        nudges,
        changes,
        outside: true,
        status: 'running',
        released: false,
        ended: false,
        compensable: false,
        steps: [],
        events: [],
      },
    ]);
    expect(receipt).toBeDefined();
    expect(await due(id)).toBe(false);
  });
});
