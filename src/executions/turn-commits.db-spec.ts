import { DataSource } from 'typeorm';
import { reviewDefinition } from '../../test/definitions.js';
import { insertExecutions, insertWorkflow } from '../../test/execution-rows.js';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.js';
import { dataSourceOptions } from '../data-source.js';
import { Transactions } from '../platform/database/transactions.js';
import { ChildrenRepository } from './children.repository.js';
import { EndedExecutions } from './ended-executions.js';
import { ExecutionRepository } from './execution.repository.js';
import { TurnCommits } from './turn-commits.js';
import { type Claim, type Receipt, type TurnCommit, TurnRepository } from './turn.repository.js';
import { WakeUps } from './wake-ups.js';

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

  async function claimedCommits(count: number): Promise<{ claim: Claim; commit: TurnCommit }[]> {
    await insertExecutions(database, of, count);
    const claims = await new TurnRepository().claimDue(source.manager, 1, count, 60);
    return claims.map((claim) => {
      const { id: execution_id, epoch, nudges, changes } = claim;
      const flags = { status: 'running' as const, released: false, ended: false, outside: false, compensable: false };
      const events = [{ type: 'step.started' as const }];
      return { claim, commit: { execution_id, epoch, nudges, changes, ...flags, steps: [], events } };
    });
  }

  const commitsBy = (repository: TurnRepository) => {
    const transactions = new Transactions(source);
    const executions = new ExecutionRepository();
    const ended = new EndedExecutions(executions, new ChildrenRepository());
    return new TurnCommits(transactions, repository, ended, new WakeUps(source));
  };

  const eventsOf = (given: { commit: TurnCommit }[]) =>
    database.query<{ events: number }>(
      `select count(*)::int - 1 as events from execution_events where execution_id = any($1::uuid[]) group by execution_id`,
      [given.map(({ commit }) => commit.execution_id)],
    );

  it('are not written a second time when the answer is lost', async () => {
    const commits = commitsBy(new AnswerLost());
    const given = await claimedCommits(4);
    const answers = await Promise.allSettled(given.map(({ commit, claim }) => commits.submit(commit, claim)));
    // Two go alone, because so many statements are under way at once; the other two gather meanwhile.
    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
    expect(await eventsOf(given)).toEqual(given.map(() => ({ events: 1 })));
  });

  it('do not suffer from a neighbour that the database refuses', async () => {
    const commits = commitsBy(new TurnRepository());
    const [alone, first, ...rest] = await claimedCommits(4);
    if (!first || !alone) throw new Error('nothing was claimed');
    const refused: TurnCommit = { ...first.commit, status: 'no such status' as 'running' };
    const answers = await Promise.allSettled([
      commits.submit(alone.commit, alone.claim),
      commits.submit(refused, first.claim),
      ...rest.map(({ commit, claim }) => commits.submit(commit, claim)),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    const accepted = [alone, ...rest];
    expect(await eventsOf(accepted)).toEqual(accepted.map(() => ({ events: 1 })));
  });
});
