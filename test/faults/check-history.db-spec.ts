import { v7 as uuidv7 } from 'uuid';
import { insertWorkflow } from '../execution-rows.js';
import { createTestDatabase, type TestDatabase } from '../test-database.js';
import { checkChain, checkHistory } from './check-history.js';

import {
  BREACHES,
  chain,
  changedStep,
  held,
  LEGITIMATE,
  PAST,
  type Planted,
  type Row,
  swapped,
  token,
} from './planted-histories.js';

const NODES = ['a', 'b', 'c'];

/** Columns that are never null; rows are planted whole. */
const EXECUTION_DEFAULTS = { nudges: 0, changes: 0, compensable: false, priority: 0, scope: '', depth: 0 };

describe('the checker of histories', () => {
  let database: TestDatabase;
  let of: Awaited<ReturnType<typeof insertWorkflow>>;

  beforeAll(async () => {
    database = await createTestDatabase();
    of = await insertWorkflow(database, { nodes: [], edges: [] });
  });
  afterAll(() => database.drop());

  async function plant({ execution: row, steps, events }: Planted): Promise<string> {
    const id = uuidv7();
    const { organization: organization_id, workflow: workflow_id } = of;
    await insert('executions', [
      { id, organization_id, workflow_id, last_event: events.length, ...EXECUTION_DEFAULTS, ...row },
    ]);
    await insert(
      'steps',
      steps.map((given) => ({ attempt: 1, ...given, execution_id: id })),
    );
    await insert(
      'execution_events',
      events.map((event, index) => ({ ...eventRow(event), execution_id: id, seq: index + 1, occurred_at: PAST })),
    );
    return id;
  }

  const insert = (table: string, rows: Row[]) =>
    database.query(`insert into ${table} select * from json_populate_recordset(null::${table}, $1)`, [
      JSON.stringify(rows),
    ]);

  const foundOf = async (id: string) =>
    (await checkHistory(database.url)).flatMap((found) =>
      found.includes(id) ? [found.replace(`execution ${id} `, '')] : [],
    );

  it.each(LEGITIMATE)('has nothing against %s', async (_, planted) => {
    expect(await foundOf(await plant(planted))).toEqual([]);
  });

  it.each(BREACHES)('finds %s', async (_, planted, expected) => {
    expect(await foundOf(await plant(planted()))).toEqual(expected);
  });

  it('finds a gap in the events', async () => {
    const id = await plant(chain());
    await database.query('delete from execution_events where execution_id = $1 and seq = 4', [id]);
    expect(await foundOf(id)).toContain('has event 5 where event 4 should be');
  });

  it('finds steps and events whose execution is gone', async () => {
    const id = await plant(chain());
    await database.query('delete from executions where id = $1', [id]);
    const found = await checkHistory(database.url);
    expect(found).toContain(`there are steps of execution ${id}, which is not there`);
    expect(found).toContain(`there are events of execution ${id}, which is not there`);
  });

  describe('of a chain', () => {
    const linked = (before: unknown, after: unknown) => after === ((before as number | undefined) ?? 0) + 1;

    const foundInChain = async (planted: Planted, nodes = NODES) => {
      const id = await plant(planted);
      const found = await checkChain(database.url, of.workflow, nodes, linked);
      return found
        .filter((sentence) => sentence.includes(id))
        .map((sentence) => sentence.replace(`execution ${id} `, ''));
    };

    it('has nothing against one whose outputs follow from each other', async () => {
      expect(await foundInChain(chain())).toEqual([]);
    });

    it('finds an output that does not follow, a step that is lacking and one that another step started', async () => {
      expect(await foundInChain(changedStep(chain(), 2, { output: 9 }))).toEqual([
        'has a step c whose output 9 does not follow from the one before',
      ]);
      expect(await foundInChain(chain(), ['a', 'b', 'c', 'd'])).toEqual([
        'tells of the ends of a, b, c, not of a, b, c, d',
        'has 3 steps, not 4',
        'has no completed step d',
      ]);
      expect(await foundInChain(changedStep(chain(), 2, { consumed: [token('a', 'c')] }))).toEqual([
        'has a step c that was started by a, not by b',
      ]);
    });

    it('finds one that has not ended and one whose steps ended in another order', async () => {
      expect(await foundInChain(held())).toContain('is running, not completed');
      expect(await foundInChain({ ...chain(), events: swapped(chain().events, 5, 6) })).toEqual([
        'tells of the ends of a, c, b, not of a, b, c',
      ]);
    });
  });
});

function eventRow(event: string): Row {
  const [type, node_id = null, iteration = '1'] = event.split(' ');
  return { type, node_id, iteration: node_id === null ? null : Number(iteration) };
}
