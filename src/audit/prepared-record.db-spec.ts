import { v7 as uuidv7 } from 'uuid';
import { DataSource } from 'typeorm';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.js';
import { dataSourceOptions } from '../data-source.js';
import { Transactions } from '../platform/database/transactions.js';
import type { Actor } from '../platform/http/principal.js';
import type { SignedCursor } from '../platform/http/signed-cursor.js';
import { AuditRepository } from './audit.repository.js';
import { AuditService } from './audit.service.js';

const actor = (user_agent: string | null): Actor => ({
  type: 'user',
  id: uuidv7(),
  request_id: 'abcdefgh',
  address: '127.0.0.1',
  user_agent,
});

describe('audit records that the database completes', () => {
  let database: TestDatabase;
  let source: DataSource;
  let audit: AuditService;
  let organization_id: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(dataSourceOptions(database.url)).initialize();
    audit = new AuditService(new Transactions(source), new AuditRepository(), {} as SignedCursor);
    organization_id = uuidv7();
    await database.query(`insert into organizations (id, name) values ($1, 'Test')`, [organization_id]);
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const entry = (details: Record<string, unknown> = {}) => {
    return { organization_id, action: 'thing.done', subject: { type: 'thing', id: uuidv7() }, details };
  };

  const append = (record: object, facts: object) =>
    database.query('select append_audit_record($1::json, $2::jsonb)', [JSON.stringify(record), JSON.stringify(facts)]);

  it('have the hash that their content has, beside those that the service completes', async () => {
    const odd = ['quoted "agent" \\ back', 'Grüße, 你好 \u{1F600}', '@@seq previous_hash occurred_at', null];
    for (const agent of odd) {
      await append(audit.prepare(actor(agent), entry({ b: 1, a: { z: [1.5, 'x'] } }), ['version', 'text']), {
        version: 3,
        text: 'α "\\\n',
      });
      await source.transaction((tx) => audit.record(tx, actor(agent), entry({ version: 3 })));
    }
    expect(await audit.verify(organization_id)).toMatchObject({ intact: true, records: 2 * odd.length });
    const [first] = await database.query('select details from audit_records where seq = 1');
    expect(first).toEqual({ details: { a: { z: [1.5, 'x'] }, b: 1, version: 3, text: 'α "\\\n' } });
  });
});
