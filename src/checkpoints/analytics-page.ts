import { html, type Markup } from '../platform/http/markup.js';
import type { Figures } from './analytics.dto.js';
import type { Analytics } from './analytics.service.js';
import { countScale, durationScale, rateScale } from './chart-geometry.js';
import { type Chart, drawLines, drawStack, type Series } from './draw-chart.js';
import {
  formatCount,
  formatDate,
  formatDuration,
  formatMean,
  formatMoment,
  formatRate,
  NONE,
} from './format-figures.js';
import { STYLE } from './style-analytics-page.js';

/** A page for a browser, complete in itself: no script, nothing loaded, all text of users escaped. */
export function analyticsPage(analytics: Analytics): string {
  return pageOf(
    'Checkpoint analytics',
    html`<header>
        <h1>Checkpoint analytics</h1>
        <p class="soft">${subtitleOf(analytics)}</p>
      </header>
      ${tilesOf(analytics.totals)} ${chartsOf(analytics)} ${nodeTable(analytics)} ${periodTable(analytics)}
      <p class="note">
        Decided: closed by people. Median and 95th percentile are of the time from opening to that decision. Edit rate:
        edited approvals of all approvals. Rejection rate: rejections of all decisions.
      </p>`,
  );
}

/** What a browser shows instead when the link is none of ours, or too old. */
export function linkExpiredPage(): string {
  return pageOf(
    'Link expired',
    html`<header>
      <h1>This link does not work any more</h1>
      <p class="soft">
        Links to charts are good for fifteen minutes. Ask for the analytics again; chart_url in the answer is a new
        link.
      </p>
    </header>`,
  );
}

function pageOf(title: string, content: Markup): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title} · Holdpoint</title>
        ${STYLE}
      </head>
      <body>
        <main>${content}</main>
      </body>
    </html>`.text;
}

function subtitleOf({ from, to, period, time_zone, workflow_id, node_id, nodes }: Analytics): string {
  const workflow =
    workflow_id && (nodes.find((node) => node.workflow_id === workflow_id)?.workflow_name ?? workflow_id);
  return [
    `${formatMoment(from, time_zone)} to ${formatMoment(to, time_zone)} (${time_zone})`,
    `by ${period}`,
    ...(workflow ? [`workflow ${workflow}`] : []),
    ...(node_id ? [`node ${node_id}`] : []),
  ].join(' · ');
}

function tilesOf(totals: Figures): Markup {
  const { rounds, time_to_decide_seconds: time, expired_as } = totals;
  const oldest = totals.oldest_open_seconds;
  const tiles: [label: string, value: string, note: string][] = [
    ['Open now', formatCount(totals.open_now), oldest === null ? 'nothing waits' : `oldest ${formatDuration(oldest)}`],
    ['Created', formatCount(totals.created), `${formatCount(totals.withdrawn)} withdrawn`],
    ['Decided', formatCount(totals.decided), `${formatCount(totals.approved)} approved`],
    ['Median time to decide', formatDuration(time.p50), `95 % within ${formatDuration(time.p95)}`],
    ['Edit rate', formatRate(totals.edit_rate), `${formatCount(totals.edited)} edited`],
    ['Rejection rate', formatRate(totals.rejection_rate), `${formatCount(totals.rejected)} rejected`],
    ['Rounds', formatMean(rounds.mean), rounds.max === null ? 'nothing decided' : `on average; ${rounds.max} at most`],
    ['Expired', formatCount(totals.expired), `${formatCount(expired_as.failed)} failed`],
  ];
  return html`<dl class="tiles">
    ${tiles.map(
      ([label, value, note]) =>
        html`<div class="tile">
          <dt>${label}</dt>
          <dd class="value">${value}</dd>
          <dd class="note">${note}</dd>
        </div>`,
    )}
  </dl>`;
}

function chartsOf(analytics: Analytics): Markup[] {
  const dates = analytics.periods.map(({ date }) => formatDate(date, analytics.period));
  return [closedChart(analytics, dates), timeChart(analytics, dates), rateChart(analytics, dates)];
}

function closedChart({ periods, period, totals }: Analytics, dates: string[]): Markup {
  const part = (key: string, label: string, read: (figures: Figures) => number): Series => ({
    key,
    label,
    values: periods.map(read),
  });
  const series = [
    part('approved', 'Approved unchanged', ({ approved, edited }) => approved - edited),
    part('edited', 'Edited and approved', ({ edited }) => edited),
    part('changes', 'Changes requested', ({ changes_requested }) => changes_requested),
    part('rejected', 'Rejected', ({ rejected }) => rejected),
    part('custom', 'Other actions', ({ custom }) => custom),
    part('expired', 'Expired', ({ expired }) => expired),
  ];
  const chart: Chart = {
    id: 'closed',
    title: `Closed by ${period}`,
    description: `Stacked columns, one for each ${period}: how many checkpoints were closed by which action.`,
    dates,
    series: series.filter(({ values }) => values.some((value) => value)),
    scale: countScale(Math.max(0, ...periods.map(({ decided, expired }) => decided + expired))),
    format: formatCount,
  };
  const actions = totals.custom_actions.map(({ action, count }) => `${action} ${formatCount(count)}`).join(', ');
  const note = actions === '' ? [] : [html`<p class="note">Other actions: ${actions}</p>`];
  return cardOf(chart, drawStack, note);
}

function timeChart({ periods, period }: Analytics, dates: string[]): Markup {
  const times = periods.map(({ time_to_decide_seconds: time }) => time);
  const series = [
    { key: 'p50', label: 'Median', values: times.map(({ p50 }) => p50) },
    { key: 'p95', label: '95th percentile', values: times.map(({ p95 }) => p95) },
  ];
  const known = series.flatMap(({ values }) => values.filter((value) => value !== null));
  return cardOf(
    {
      id: 'time',
      title: 'Time to decide',
      hint: 'logarithmic',
      description: `Two lines over each ${period}: the median and the 95th percentile of the time from opening to decision, on a logarithmic scale.`,
      dates,
      series: known.length > 0 ? series : [],
      scale: durationScale(known),
      format: formatDuration,
    },
    drawLines,
  );
}

function rateChart({ periods, period }: Analytics, dates: string[]): Markup {
  const series = [
    { key: 'edit-rate', label: 'Edit rate', values: periods.map(({ edit_rate }) => edit_rate) },
    { key: 'rejection-rate', label: 'Rejection rate', values: periods.map(({ rejection_rate }) => rejection_rate) },
  ];
  return cardOf(
    {
      id: 'rates',
      title: 'Edited and rejected',
      description: `Two lines over each ${period}: the share of approvals that were edited, and of decisions that were rejections.`,
      dates,
      series: series.filter(({ values }) => values.some((value) => value !== null)),
      scale: rateScale(),
      format: formatRate,
    },
    drawLines,
  );
}

function cardOf(chart: Chart, drawing: (chart: Chart) => Markup, below: Markup[] = []): Markup {
  const isEmpty = chart.series.length === 0;
  const hint = chart.hint ? [html` <span class="note">${chart.hint}</span>`] : [];
  const dense = chart.dates.length > 120 ? ' dense' : '';
  return html`<section class="card" aria-label="${chart.title}">
    <div class="head">
      <h2>${chart.title}${hint}</h2>
      <ul class="legend">
        ${chart.series.map((series) => html`<li>${swatchOf(series, drawing === drawLines)}${series.label}</li>`)}
      </ul>
    </div>
    ${
      isEmpty
        ? html`<p class="empty">Nothing was decided in this time.</p>`
        : html`<div class="scroll${dense}" tabindex="0" role="group" aria-label="${chart.title}, chart">
            ${drawing(chart)}
          </div>`
    }
    ${below}
  </section>`;
}

function swatchOf({ key }: Series, isLine: boolean): Markup {
  return isLine
    ? html`<svg class="swatch" viewBox="0 0 14 10" aria-hidden="true"><path class="line ${key}" d="M0 5H14" /></svg>`
    : html`<svg class="swatch" viewBox="0 0 14 10" aria-hidden="true">
        <rect class="fill ${key}" width="14" height="10" rx="2" />
      </svg>`;
}

const COLUMNS: [heading: string, read: (figures: Figures) => string][] = [
  ['Created', ({ created }) => formatCount(created)],
  ['Open', ({ open_now }) => formatCount(open_now)],
  ['Oldest open', ({ oldest_open_seconds }) => formatDuration(oldest_open_seconds)],
  ['Approved', ({ approved }) => formatCount(approved)],
  ['Edited', ({ edited }) => formatCount(edited)],
  ['Edit rate', ({ edit_rate }) => formatRate(edit_rate)],
  ['Rejected', ({ rejected }) => formatCount(rejected)],
  ['Rejection rate', ({ rejection_rate }) => formatRate(rejection_rate)],
  ['Changes', ({ changes_requested }) => formatCount(changes_requested)],
  ['Other', ({ custom }) => formatCount(custom)],
  ['Expired', ({ expired }) => formatCount(expired)],
  ['Rounds, most', ({ rounds: { mean, max } }) => (max === null ? NONE : `${formatMean(mean)} / ${max}`)],
  ['Median', ({ time_to_decide_seconds: { p50 } }) => formatDuration(p50)],
  ['95 %', ({ time_to_decide_seconds: { p95 } }) => formatDuration(p95)],
];

function nodeTable({ nodes, nodes_left_out }: Analytics): Markup {
  const rows = nodes.map((node) => ({
    name: html`<span class="name" title="${node.node_id}">${node.node_id}</span>
      <span class="note"
        ><span class="name" title="${node.workflow_name ?? node.workflow_id}"
          >${node.workflow_name ?? node.workflow_id}</span
        ></span
      >`,
    figures: node,
  }));
  const left =
    nodes_left_out > 0 ? [html`<p class="note">${formatCount(nodes_left_out)} nodes with less are left out.</p>`] : [];
  return html`<section class="card">${tableOf('By node', 'Node', rows)} ${left}</section>`;
}

/** What the charts show, for those who cannot see them or want the numbers. */
function periodTable({ periods, period }: Analytics): Markup {
  const rows = periods.map((figures) => ({ name: html`${figures.date}`, figures }));
  return html`<details class="card">
    <summary>The figures of the charts as a table</summary>
    ${tableOf(`By ${period}`, 'From', rows)}
  </details>`;
}

function tableOf(caption: string, first: string, rows: { name: Markup; figures: Figures }[]): Markup {
  if (rows.length === 0)
    return html`<h2>${caption}</h2>
      <p class="empty">There is nothing in this time.</p>`;
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${caption}, table">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          <th scope="col">${first}</th>
          ${COLUMNS.map(([heading]) => html`<th scope="col">${heading}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ name, figures }) =>
            html`<tr>
              <th scope="row">${name}</th>
              ${COLUMNS.map(([, read]) => html`<td>${read(figures)}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
