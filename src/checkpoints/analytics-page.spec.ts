import { createHash } from 'node:crypto';
import { analyticsPage, linkExpiredPage } from './analytics-page.js';
import type { AnalyticsRow } from './analytics.repository.js';
import { PAGE_POLICY } from './style-analytics-page.js';
import { summarize } from './summarize-analytics.js';

const EVIL = `"><script>alert('1')</script>&`;

const PERIODS = ['2026-03-02', '2026-03-03', '2026-03-04'].map((date) => ({ date, starts_at: new Date(date) }));

const TOTAL = { scope: 'total', workflow_id: null, workflow_name: null, node_id: null, date: null } as const;
const NODE = { ...TOTAL, scope: 'node', workflow_id: 'w', workflow_name: EVIL, node_id: EVIL } as const;
const SECOND = { ...TOTAL, scope: 'period', date: '2026-03-03' } as const;

const CLOSED = {
  part: 'closed',
  approved: 6,
  edited: 2,
  rejected: 1,
  changes_requested: 1,
  custom: 1,
  expired_failed: 1,
  expired_rejected: 0,
  expired_approved: 0,
  withdrawn: 0,
  rounds_mean: 1.5,
  rounds_max: 2,
  seconds: [60, 7_200],
} as const;

const ROWS: AnalyticsRow[] = [TOTAL, NODE, SECOND].flatMap((scope): AnalyticsRow[] => [
  { ...scope, ...CLOSED, seconds: [60, 7_200] },
  { ...scope, part: 'custom', action: EVIL, count: 1 },
  { ...scope, part: 'created', created: 12, open: 2, oldest_seconds: 90 },
]);

const pageWith = (rows: AnalyticsRow[]) =>
  analyticsPage({
    from: new Date('2026-03-02'),
    to: new Date('2026-03-05'),
    period: 'day',
    time_zone: 'UTC',
    workflow_id: 'w',
    node_id: EVIL,
    ...summarize(rows, PERIODS),
  });

describe('the page of charts', () => {
  it('shows the charts and their figures as a table', () => {
    const page = pageWith(ROWS);
    expect(page.match(/<svg[^>]+role="img"/g)).toHaveLength(3);
    expect(page.match(/<rect\s+class="fill approved"\s+x=/g)).toHaveLength(1);
    expect(page).toMatch(/3 Mar\s+Approved unchanged: 4\s+Edited and approved: 2\s+Changes requested: 1/);
    expect(page).toMatch(/<th scope="row">2026-03-03<\/th>/);
    expect(page).toContain('33.3 %');
  });

  it('gives each drawing a title and a description of its own', () => {
    const page = pageWith(ROWS);
    const named = [...page.matchAll(/aria-labelledby="([^"]+)"/g)].flatMap(([, ids = '']) => ids.split(' '));
    expect(new Set(named).size).toBe(6);
    for (const id of named) expect(page.split(`id="${id}"`)).toHaveLength(2);
  });

  it('escapes every text of users, in text and in attributes', () => {
    const page = pageWith(ROWS);
    expect(page).toContain('&#60;script&#62;');
    expect(page).not.toMatch(/<script|alert\('/);
    expect(page).not.toMatch(/\s(on\w+|style)=/);
  });

  it('says so where there is nothing to draw', () => {
    const page = pageWith([]);
    expect(page.match(/Nothing was decided in this time/g)).toHaveLength(3);
    expect(page).not.toMatch(/NaN|Infinity|undefined|null/);
  });

  it('has the one style sheet that its policy admits, and loads nothing', () => {
    for (const page of [pageWith(ROWS), linkExpiredPage()]) {
      const css = /<style>([\s\S]*?)<\/style>/.exec(page)?.[1] ?? '';
      const hash = createHash('sha256').update(css).digest('base64');
      expect(PAGE_POLICY).toContain(`style-src 'sha256-${hash}';`);
      expect(page).not.toMatch(/<(script|link|img|iframe|form|object|base)\b|\b(src|href|url)\s*[=(]/);
    }
  });
});
