import { z } from 'zod';
import { timestamp } from '../platform/http/returns.decorator.js';
import { MAX_PERIODS, PERIODS } from './analytics.repository.js';

/** The database reads `+2` and the like with the opposite sign, so only names will do. */
const timeZone = z
  .string()
  .max(64)
  .regex(/^[A-Za-z][\w+-]*(\/[\w+-]+)*$/, 'A time zone has an IANA name such as Europe/Berlin.')
  .refine(isTimeZone, 'There is no such time zone. Write an IANA name such as Europe/Berlin.');

const moment = z.iso.datetime({ offset: true });

export const analyticsQuery = z.strictObject({
  workflow_id: z.uuid().toLowerCase().optional(),
  node_id: z.string().min(1).max(255).optional(),
  from: moment.optional().meta({ description: 'Thirty days ago if left out' }),
  to: moment.optional().meta({ description: 'Not included; now if left out' }),
  period: z
    .enum(PERIODS)
    .default('day')
    .meta({ description: `Weeks begin on Monday; at most ${MAX_PERIODS} in the range` }),
  time_zone: timeZone.default('UTC').meta({ description: 'Where periods begin at midnight; an IANA name' }),
});
export type AnalyticsQuery = z.output<typeof analyticsQuery>;

export const chartPageQuery = z.strictObject({ token: z.string().max(4_000).default('') });
export type ChartPageQuery = z.output<typeof chartPageQuery>;

const count = z.int().min(0);
const rate = z.number().min(0).max(1).nullable();
const seconds = z.number().min(0).nullable();

/** docs/insight.md says what each means. */
const figures = {
  created: count,
  open_now: count,
  oldest_open_seconds: seconds,
  decided: count.meta({ description: 'By people; the next five but edited add up to it' }),
  approved: count.meta({ description: 'Those with edits among them' }),
  edited: count,
  rejected: count,
  changes_requested: count,
  custom: count,
  custom_actions: z.array(z.object({ action: z.string(), count })).meta({ description: 'The twenty most frequent' }),
  expired: count.meta({ description: 'Closed by the clock; expired_as adds up to it' }),
  expired_as: z.object({ failed: count, rejected: count, approved: count }),
  withdrawn: count,
  edit_rate: rate.meta({ description: 'edited / approved' }),
  rejection_rate: rate.meta({ description: 'rejected / decided' }),
  rounds: z.object({ mean: z.number().nullable(), max: z.int().nullable() }),
  time_to_decide_seconds: z.object({ p50: seconds, p95: seconds }),
};
export type Figures = z.output<z.ZodObject<typeof figures>>;

const ofNode = z
  .object({ workflow_id: z.uuid(), workflow_name: z.string().nullable(), node_id: z.string(), ...figures })
  .meta({ id: 'CheckpointAnalyticsOfNode' });
export type NodeFigures = z.output<typeof ofNode>;

const ofPeriod = z
  .object({
    date: z.string().meta({ description: 'The local day on which it begins' }),
    starts_at: timestamp,
    ...figures,
  })
  .meta({ id: 'CheckpointAnalyticsOfPeriod' });

export const analyticsView = z
  .object({
    from: timestamp,
    to: timestamp,
    period: z.enum(PERIODS),
    time_zone: z.string(),
    workflow_id: z.uuid().nullable(),
    node_id: z.string().nullable(),
    totals: z.object(figures).meta({ id: 'CheckpointFigures' }),
    nodes: z.array(ofNode).meta({ description: 'Those with most to do first' }),
    nodes_left_out: count.meta({ description: 'How many nodes come after those in nodes' }),
    periods: z.array(ofPeriod),
    chart_url: z.string().meta({ description: 'A page with charts of this, to be opened in a browser as it is' }),
    chart_expires_at: timestamp,
  })
  .meta({ id: 'CheckpointAnalytics' });

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
