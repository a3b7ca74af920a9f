import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { sqlState, type Transaction, Transactions } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import { SignedToken } from '../platform/http/signed-token.js';
import type { AnalyticsQuery, Figures, NodeFigures } from './analytics.dto.js';
import { type AnalyticsFilter, type AnalyticsRange, AnalyticsRepository, MAX_PERIODS } from './analytics.repository.js';
import { summarize } from './summarize-analytics.js';

export const CHART_PATH = '/pages/checkpoint-analytics';

const CHART_TOKEN = 'checkpoint analytics';
const CHART_MINUTES = 15;

export interface Analytics extends Omit<AnalyticsFilter, 'organization_id'> {
  from: Date;
  to: Date;
  totals: Figures;
  nodes: NodeFigures[];
  nodes_left_out: number;
  periods: (Figures & { date: string; starts_at: Date })[];
}

/** What a chart token stands for: the right to see these figures, whoever holds it. */
interface ChartClaims extends AnalyticsQuery {
  organization_id: string;
}

@Injectable()
export class AnalyticsService {
  private running = 0;

  constructor(
    private readonly settings: Settings,
    private readonly transactions: Transactions,
    private readonly repository: AnalyticsRepository,
    private readonly tokens: SignedToken,
  ) {}

  /**
   * @throws DomainError INVALID_TIME_RANGE, INVALID_TIME_ZONE, REPORT_TOO_LARGE where the database takes over ten seconds,
   * BUSY where too many others ask.
   */
  async read(organization_id: string, query: AnalyticsQuery): Promise<Analytics> {
    const { workflow_id = null, node_id = null, period, time_zone, from, to } = query;
    const filter = { organization_id, workflow_id, node_id, period, time_zone };
    const [range, rows] = await this.inTurn((tx) => this.readRows(tx, filter, { from, to }));
    return { ...withoutPeriods(range), period, time_zone, workflow_id, node_id, ...summarize(rows, range.periods) };
  }

  /** The page of these figures, as a path with a token that is good for fifteen minutes. */
  chartOf(organization_id: string, { from, to, period, time_zone, workflow_id, node_id }: Analytics) {
    const claims: ChartClaims = {
      organization_id,
      from: from.toISOString(),
      to: to.toISOString(),
      period,
      time_zone,
      ...(workflow_id === null ? {} : { workflow_id }),
      ...(node_id === null ? {} : { node_id }),
    };
    const expires = new Date(Date.now() + CHART_MINUTES * 60_000);
    const token = this.tokens.issue(CHART_TOKEN, claims, expires);
    return { chart_url: `${CHART_PATH}?token=${token}`, chart_expires_at: expires };
  }

  /** Undefined when the token is none of ours or has expired. */
  async readByToken(token: string): Promise<Analytics | undefined> {
    const claims = this.tokens.read(CHART_TOKEN, token) as ChartClaims | undefined;
    return claims && this.read(claims.organization_id, claims);
  }

  private async readRows(
    tx: Transaction,
    filter: AnalyticsFilter,
    given: Parameters<typeof this.repository.resolveRange>[2],
  ) {
    const range = await this.repository.resolveRange(tx, filter, given);
    checkRange(range);
    return [range, await this.repository.read(tx, filter, range)] as const;
  }

  /** Reports get a quarter of the connections, so that no number of them holds up executions and decisions. */
  private async inTurn<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    if (this.running >= this.settings.DATABASE_POOL_SIZE / 4) {
      const message = 'Too many reports are being made at this moment. Try again in a second.';
      throw new DomainError('unavailable', 'BUSY', message, { retryAfterSeconds: 1 });
    }
    this.running += 1;
    try {
      return await this.transactions.run(work);
    } catch (error) {
      throw refusalOf(error);
    } finally {
      this.running -= 1;
    }
  }
}

function withoutPeriods({ from, to }: AnalyticsRange) {
  return { from, to };
}

function checkRange({ from, to, periods }: AnalyticsRange): void {
  const pointer = from < to ? '/period' : '/from';
  const message =
    from < to
      ? `The range has more than ${MAX_PERIODS} periods. Make it shorter, or take longer periods.`
      : '“from” has to lie before “to”. Swap them, or leave one out.';
  if (from < to && periods.length <= MAX_PERIODS) return;
  throw new DomainError('invalid', 'INVALID_TIME_RANGE', message, {
    errors: [{ pointer, code: 'INVALID_TIME_RANGE', message }],
  });
}

function refusalOf(error: unknown): unknown {
  const state = sqlState(error);
  if (state === '57014') {
    const message = 'The report took longer than ten seconds. Ask for a shorter range, or for one workflow or node.';
    return new DomainError('unavailable', 'REPORT_TOO_LARGE', message, { cause: error });
  }
  if (state === '22023') {
    const message = 'The database does not know this time zone. Write an IANA name such as Europe/Berlin.';
    return new DomainError('invalid', 'INVALID_TIME_ZONE', message, {
      errors: [{ pointer: '/time_zone', code: 'INVALID_TIME_ZONE', message }],
      cause: error,
    });
  }
  return error;
}
