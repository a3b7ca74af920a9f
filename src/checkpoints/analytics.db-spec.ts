import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { reviewDefinition } from '../../test/definitions.js';
import { insertExecutions, insertWorkflow } from '../../test/execution-rows.js';
import { createTestDatabase, type TestDatabase } from '../../test/test-database.js';
import type { Settings } from '../config/settings.js';
import { dataSourceOptions } from '../data-source.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { SignedToken } from '../platform/http/signed-token.js';
import { analyticsQuery } from './analytics.dto.js';
import { AnalyticsRepository } from './analytics.repository.js';
import { AnalyticsService } from './analytics.service.js';

const SETTINGS = { SECRET_KEY: 'a secret key of more than thirty-two characters', DATABASE_POOL_SIZE: 8 } as Settings;

const DAY = 86_400_000;
const START = Date.parse('2026-03-02T00:00:00Z'); // a Monday
const at = (days: number, seconds = 0) => new Date(START + days * DAY + seconds * 1000);

interface Row {
  node?: string;
  status?: string;
  action?: string | null;
  created: Date;
  closed?: Date | null;
  round?: number;
  edited?: boolean;
  expired?: boolean;
  onExpiry?: string;
}

describe('analytics of checkpoints', () => {
  const repository = new AnalyticsRepository();
  let database: TestDatabase;
  let source: DataSource;
  let service: AnalyticsService;
  let of: Awaited<ReturnType<typeof insertWorkflow>>;
  let other: Awaited<ReturnType<typeof insertWorkflow>>;
  let executionId: string;
  let iteration = 0;

  beforeAll(async () => {
    database = await createTestDatabase();
    source = await new DataSource(dataSourceOptions(database.url, 8)).initialize();
    service = new AnalyticsService(SETTINGS, new Transactions(source), repository, new SignedToken(SETTINGS));
    of = await insertWorkflow(database, reviewDefinition());
    other = await insertWorkflow(database, reviewDefinition());
    [executionId = ''] = await insertExecutions(database, of, 1);
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });
  afterEach(() => database.query('delete from checkpoints'));

  const insert = async (...rows: Row[]) => {
    for (const row of rows) {
      await database.query(
        `insert into checkpoints (id, organization_id, execution_id, workflow_id, version, node_id, iteration, round, status,
           action, title, policy, candidates, schedule, history_hash, created_at, closed_at, expired_at, original_content)
         values ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, '', $10, '{}', '[]', '', $11, $12, $13, $14)`,
        [
          uuidv7({ msecs: row.created.getTime() }),
          of.organization,
          executionId,
          of.workflow,
          row.node ?? 'review',
          ++iteration,
          row.round ?? 1,
          row.status ?? 'open',
          row.action ?? null,
          JSON.stringify({ on_expiry: row.onExpiry ?? 'fail' }),
          row.created,
          row.closed ?? null,
          row.expired ? (row.closed ?? row.created) : null,
          row.edited ? '{}' : null,
        ],
      );
    }
  };

  const read = (query: object, organization = of.organization) =>
    service.read(organization, analyticsQuery.parse({ from: at(0).toISOString(), to: at(14).toISOString(), ...query }));

  const decided = (status: string, action: string, created: Date, seconds: number, more: Partial<Row> = {}): Row => {
    return { status, action, created, closed: new Date(created.getTime() + seconds * 1000), ...more };
  };

  it('counts what people decided by action, with rates, rounds and times', async () => {
    await insert(
      ...[10, 20, 30].map((seconds) => decided('approved', 'approve', at(1), seconds)),
      decided('approved', 'approve', at(1), 40, { edited: true, round: 3 }),
      decided('rejected', 'reject', at(1), 50),
      decided('changes_requested', 'request_changes', at(1), 60, { round: 2 }),
      decided('decided', 'ship', at(1), 70),
      decided('decided', 'ship', at(2), 80),
      decided('decided', 'hold', at(2), 90),
    );
    const { totals } = await read({});
    expect(totals).toMatchObject({
      created: 9,
      open_now: 0,
      oldest_open_seconds: null,
      decided: 9,
      approved: 4,
      edited: 1,
      rejected: 1,
      changes_requested: 1,
      custom: 3,
      custom_actions: [
        { action: 'ship', count: 2 },
        { action: 'hold', count: 1 },
      ],
      edit_rate: 0.25,
      rejection_rate: 0.111,
      rounds: { mean: 1.25, max: 3 },
      time_to_decide_seconds: { p50: 50, p95: 86 },
    });
  });

  it('keeps apart what the clock closed, and what was decided after a due moment that only escalated', async () => {
    await insert(
      decided('expired', '', at(1), 10, { expired: true }),
      decided('rejected', 'reject', at(1), 10, { expired: true, onExpiry: 'reject' }),
      decided('approved', 'approve', at(1), 10, { expired: true, onExpiry: 'approve' }),
      decided('approved', 'approve', at(1), 500, { expired: true, onExpiry: 'escalate' }),
      decided('withdrawn', '', at(1), 10),
    );
    const { totals } = await read({});
    expect(totals).toMatchObject({
      decided: 1,
      approved: 1,
      rejected: 0,
      expired: 3,
      expired_as: { failed: 1, rejected: 1, approved: 1 },
      withdrawn: 1,
      rejection_rate: 0,
      time_to_decide_seconds: { p50: 500, p95: 500 },
    });
  });

  it('tells what is open now whenever it was created, and of a period what was created in it', async () => {
    const long = new Date(Date.now() - 3 * 365 * DAY);
    await insert({ created: long }, { created: at(3) }, { created: at(3), node: 'legal' });
    const { totals, nodes, periods } = await read({});
    expect(totals).toMatchObject({ created: 2, open_now: 3 });
    expect(totals.oldest_open_seconds).toBeGreaterThan(3 * 365 * 86_400 - 60);
    expect(nodes.map(({ node_id, open_now, created }) => [node_id, open_now, created])).toEqual([
      ['review', 2, 1],
      ['legal', 1, 1],
    ]);
    expect(periods.map(({ open_now }) => open_now)).toEqual([0, 0, 0, 2, ...Array(10).fill(0)]);
  });

  it('begins periods at midnight of the place, also when the hour changes', async () => {
    const zone = { time_zone: 'Europe/Berlin', from: '2026-03-28T00:00:00+01:00', to: '2026-03-31T00:00:00+02:00' };
    await insert(
      decided('approved', 'approve', new Date('2026-03-28T22:59:00Z'), 30), // 23:59 on the 28th
      decided('approved', 'approve', new Date('2026-03-28T23:00:00Z'), 30), // midnight
      decided('approved', 'approve', new Date('2026-03-29T21:59:00Z'), 30), // the day has 23 hours
      decided('approved', 'approve', new Date('2026-03-29T22:00:00Z'), 30),
    );
    const { periods } = await read(zone);
    expect(periods.map(({ date, starts_at, approved }) => [date, starts_at.toISOString(), approved])).toEqual([
      ['2026-03-28', '2026-03-27T23:00:00.000Z', 1],
      ['2026-03-29', '2026-03-28T23:00:00.000Z', 2],
      ['2026-03-30', '2026-03-29T22:00:00.000Z', 1],
    ]);
  });

  it('counts by weeks from Monday and by months, and a cut period from its cut on', async () => {
    await insert(decided('approved', 'approve', at(0), 1), decided('approved', 'approve', at(7), 1));
    const weeks = await read({ period: 'week' });
    expect(weeks.periods.map(({ date, approved }) => [date, approved])).toEqual([
      ['2026-03-02', 1],
      ['2026-03-09', 1],
    ]);
    const months = await read({ period: 'month', from: at(1).toISOString() });
    expect(months.periods.map(({ date, approved }) => [date, approved])).toEqual([['2026-03-01', 1]]);
  });

  it('shows the last thirty days, today among them, when no range is given', async () => {
    await insert(decided('approved', 'approve', new Date(Date.now() - 5_000), 1));
    const { periods, totals, from, to } = await service.read(of.organization, analyticsQuery.parse({}));
    expect([periods.length, totals.approved, periods.at(-1)?.approved]).toEqual([30, 1, 1]);
    expect([from.toISOString().slice(10), to <= new Date()]).toEqual(['T00:00:00.000Z', true]);
  });

  it('narrows to a workflow or a node', async () => {
    await insert(decided('approved', 'approve', at(1), 1), decided('rejected', 'reject', at(1), 1, { node: 'legal' }));
    expect((await read({ node_id: 'legal' })).totals).toMatchObject({ created: 1, decided: 1, rejected: 1 });
    expect((await read({ workflow_id: of.workflow })).totals).toMatchObject({ created: 2, decided: 2 });
    expect((await read({ workflow_id: other.workflow })).totals).toMatchObject({ created: 0, decided: 0 });
  });

  it('refuses ranges the wrong way round, with over 400 periods, and zones that nobody knows', async () => {
    const wrong = { code: 'INVALID_TIME_RANGE' };
    await expect(read({ from: at(2).toISOString(), to: at(2).toISOString() })).rejects.toMatchObject(wrong);
    await expect(read({ from: '0001-01-01T00:00:00Z' })).rejects.toMatchObject(wrong);
    await expect(read({ to: at(401).toISOString() })).rejects.toMatchObject(wrong);
    expect((await read({ to: at(400).toISOString() })).periods).toHaveLength(400);
    for (const time_zone of ['Europe/Nowhere', '+02:00', 'UTC+2', '']) {
      expect(analyticsQuery.safeParse({ time_zone }).success).toBe(false);
    }
    const query = { ...analyticsQuery.parse({}), time_zone: 'Europe/Nowhere' };
    await expect(service.read(of.organization, query)).rejects.toMatchObject({ code: 'INVALID_TIME_ZONE' });
  });

  it('shows nothing of another organization, and reads nothing of it', async () => {
    await database.query(
      `insert into checkpoints (id, organization_id, execution_id, workflow_id, version, node_id, iteration, status, action,
         title, policy, candidates, schedule, history_hash, created_at, closed_at)
       select gen_random_uuid(), $1, $2, $3, 1, 'foreign', n, case when n % 10 = 0 then 'open' else 'approved' end, 'approve',
         repeat('x', 200), '{}', '{}', '[]', '', $4::timestamptz + n * interval '1 minute',
         case when n % 10 = 0 then null else $4::timestamptz + n * interval '2 minutes' end
       from generate_series(1, 10000) n`,
      [other.organization, executionId, other.workflow, at(0)],
    );
    await insert(...[1, 2, 3].map((day) => decided('approved', 'approve', at(day), 1)), { created: at(4) });
    await database.query('analyze checkpoints');
    const { totals, nodes } = await read({});
    expect(totals).toMatchObject({ created: 4, decided: 3, open_now: 1 });
    expect(nodes.map(({ node_id }) => node_id)).toEqual(['review']);
    for (const query of [{}, { workflow_id: of.workflow, node_id: 'review' }]) {
      const scans = await scansOf({ from: at(0).toISOString(), to: at(14).toISOString(), ...query });
      expect(scans.length).toBeGreaterThanOrEqual(3);
      expect(scans.filter(({ type, rows }) => type === 'Seq Scan' || rows > 10)).toEqual([]);
    }
  });

  /** How the statement reads `checkpoints`: the kind of each scan, and how many rows it touched. */
  const scansOf = async (given: object) => {
    const query = analyticsQuery.parse(given);
    const filter = { organization_id: of.organization, workflow_id: null, node_id: null, ...query };
    const range = await repository.resolveRange(source.manager, filter, { from: query.from, to: query.to });
    let plan: Plan | undefined;
    const explaining = {
      query: async (sql: string, values?: unknown[]) => {
        if (!values) return [];
        const [row] = await database.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
          `explain (analyze, format json) ${sql}`,
          values,
        );
        plan = row?.['QUERY PLAN'][0].Plan;
        return [];
      },
    };
    await repository.read(explaining as unknown as Transaction, filter, range);
    return nodesOf(plan).flatMap((node) => {
      if (node['Relation Name'] !== 'checkpoints') return [];
      return [{ type: node['Node Type'], rows: node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) }];
    });
  };
});

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

function nodesOf(plan: Plan | undefined): Plan[] {
  return plan ? [plan, ...(plan.Plans ?? []).flatMap(nodesOf)] : [];
}
