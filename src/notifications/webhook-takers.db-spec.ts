import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { reviewDefinition } from '../../test/definitions.js';
import { insertWorkflow } from '../../test/execution-rows.js';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.js';
import { waitFor } from '../../test/wait-for.js';
import { dataSourceOptions } from '../data-source.js';
import { Transactions } from '../platform/database/transactions.js';
import { WebhookEndpointRepository } from './webhook-endpoint.repository.js';
import { WebhookTakers } from './webhook-takers.js';

/** Its first answer is on its way for as long as the test wants. */
class SlowAnswer extends WebhookEndpointRepository {
  readonly read = Promise.withResolvers<void>();
  readonly arrives = Promise.withResolvers<void>();
  answers = 0;

  override async listWantedEvents(...given: Parameters<WebhookEndpointRepository['listWantedEvents']>) {
    const events = await super.listWantedEvents(...given);
    this.read.resolve();
    await this.arrives.promise;
    this.answers += 1;
    return events;
  }
}

describe('what is known of who takes events', () => {
  let database: TestDatabase;
  let source: DataSource;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(dataSourceOptions(database.url)).initialize();
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  it('is forgotten with a change of an endpoint, also what was being looked up meanwhile', async () => {
    const { organization: organization_id, user: created_by } = await insertWorkflow(database, reviewDefinition());
    const repository = new SlowAnswer();
    const takers = new WebhookTakers(new Transactions(source), repository);
    expect(takers.mayTake(organization_id, 'checkpoint.closed')).toBe(true);
    await repository.read.promise;
    const endpoint = { id: uuidv7(), organization_id, url: 'http://127.0.0.1:9', description: '', events: ['*'] };
    await repository.insert(source.manager, { ...endpoint, secret: 'sealed', created_by });
    takers.forget(organization_id);
    repository.arrives.resolve();
    const answered = (count: number) =>
      waitFor(
        `${count} answers`,
        () => Promise.resolve(repository.answers),
        (answers) => answers === count,
      );
    await answered(1);
    expect(takers.mayTake(organization_id, 'checkpoint.closed')).toBe(true);
    await answered(2);
    expect(takers.mayTake(organization_id, 'checkpoint.closed')).toBe(true);
  });
});
