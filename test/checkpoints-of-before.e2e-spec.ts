import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../src/data-source.js';
import { migrate } from '../src/platform/database/migrate.js';
import { addMember } from './add-member.js';
import { brief, driveCheckpoints } from './drive-checkpoints.js';
import { startTestApp, type TestApp } from './start-test-app.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

/** The migration that gave checkpoints votes, and all after it. */
const SINCE = 1_764_000_000_000;

let database: TestDatabase;
let folder: string;
let test: TestApp;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'holdpoint-before-'));
});
beforeEach(async () => {
  test = await startTestApp({ DATA_DIR: folder }, database);
});
afterEach(() => test.close());
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function people() {
  const ann = await test.register('Ann');
  const add = (name: string) => addMember(test, ann.organization.id, 'approver', name);
  return { drive: driveCheckpoints(test, ann), bea: await add('Bea'), cem: await add('Cem') };
}

async function goBack(): Promise<void> {
  const source = await new DataSource(dataSourceOptions(database.url)).initialize();
  const since = source.migrations.filter(({ name }) => Number(/\d+$/.exec(name ?? '')?.[0]) >= SINCE);
  for (const _ of since) await source.undoLastMigration();
  await source.destroy();
}

it('one that was decided before histories were kept names who was first however often others come', async () => {
  const { drive, bea, cem } = await people();
  const parked = await drive.park();
  await drive.decide(parked, bea).expect(200);
  await drive.ended(parked);
  await database.query(`delete from checkpoint_events where checkpoint_id = $1`, [parked.id]);
  await database.query(`update checkpoints set history_length = 0, history_hash = repeat('0', 64) where id = $1`, [
    parked.id,
  ]);
  const late = await drive.again(parked);
  for (const _ of [1, 2, 3]) expect(brief(await drive.decide(late, cem))).toEqual([409, 'CHECKPOINT_DECIDED']);
  expect(await drive.read(parked)).toMatchObject({
    decision: { decided_by: bea.id },
    decisions: [{ action: 'approve' }],
  });
});

it('the schema of before has no decision for a checkpoint that still waits for one, so that it can be decided', async () => {
  const { drive, bea, cem } = await people();
  const parked = await drive.park({ quorum: 2 });
  await drive.decide(parked, bea).expect(200);
  const done = await drive.park({ quorum: 2 });
  await drive.decide(done, bea).expect(200);
  await drive.decide(await drive.again(done), cem).expect(200);
  await drive.ended(done);
  await test.close();
  await goBack();
  const left = await database.query(
    `select d.checkpoint_id, d.decided_by, c.status from decisions d join checkpoints c on c.id = d.checkpoint_id
     where c.id = any($1)`,
    [[parked.id, done.id]],
  );
  expect(left).toEqual([{ checkpoint_id: done.id, decided_by: cem.id, status: 'approved' }]);
  await migrate(database.url, dataSourceOptions(database.url));
  test = await startTestApp({ DATA_DIR: folder }, database);
  const again = driveCheckpoints(test, { ...(await test.register('Eve')), auth: cem.auth });
  await again.decide(await again.again(parked), cem).expect(200);
  expect(await again.ended(parked)).toMatchObject({ status: 'completed', output: { decided_by: cem.id } });
});
