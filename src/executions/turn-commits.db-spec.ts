import { DataSource } from 'typeorm';
import { reviewDefinition } from '../../test/definitions.js';
import { insertExecutions, insertWorkflow } from '../../test/execution-rows.js';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.js';
import { dataSourceOptions } from '../data-source.js';
import { Transactions } from '../platform/database/transactions.js';
import { TurnCommits } from './turn-commits.js';
import { type Receipt, type TurnCommit, TurnRepository } from './turn.repository.js';

/** Loses the answer to its third statement, as a connection does that is cut after the commit. */
class AnswerLost extends TurnRepository {
  private statements = 0;

  override async commitTurns(...given: Parameters<TurnRepository['commitTurns']>): Promise<Receipt[]> {
    const number = (this.statements += 1);
    const receipts = await super.commitTurns(...given);
    if (number === 3) throw new Error('Connection terminated unexpectedly');
    return receipts;
  }
}

describe('commits of several turns in one statement', () => {
  let database: TestDatabase;
  let source: DataSource;
  let of: Awaited<ReturnType<typeof insertWorkflow>>;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(dataSourceOptions(database.url)).initialize();
    of = await insertWorkflow(database, reviewDefinition());
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  async function claimedCommits(count: number): Promise<TurnCommit[]> {
    await insertExecutions(database, of, count);
    const claims = await new TurnRepository().claimDue(source.manager, 1, count, 60);
    return claims.map(({ id: execution_id, epoch, nudges }) => {
      const flags = { status: 'running' as const, released: false, ended: false };
      return { execution_id, epoch, nudges, ...flags, steps: [], events: [{ type: 'step.started' as const }] };
    });
  }

  const eventsOf = (commits: TurnCommit[]) =>
    database.query<{ events: number }>(
      `select count(*)::int - 1 as events from execution_events where execution_id = any($1::uuid[]) group by execution_id`,
      [commits.map((commit) => commit.execution_id)],
    );

  it('are not written a second time when the answer is lost', async () => {
    const commits = new TurnCommits(new Transactions(source), new AnswerLost());
    const given = await claimedCommits(4);
    const answers = await Promise.allSettled(given.map((commit) => commits.submit(commit)));
    // Two go alone, because so many statements are under way at once; the other two gather meanwhile.
    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
    expect(await eventsOf(given)).toEqual(given.map(() => ({ events: 1 })));
  });

  it('do not suffer from a neighbour that the database refuses', async () => {
    const commits = new TurnCommits(new Transactions(source), new TurnRepository());
    const [first, ...rest] = await claimedCommits(4);
    if (!first) throw new Error('nothing was claimed');
    const refused: TurnCommit = { ...first, status: 'no such status' as 'running' };
    const alone = commits.submit(rest[0] as TurnCommit);
    const answers = await Promise.allSettled([
      alone,
      commits.submit(refused),
      ...rest.slice(1).map((one) => commits.submit(one)),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(await eventsOf(rest)).toEqual(rest.map(() => ({ events: 1 })));
  });
});
