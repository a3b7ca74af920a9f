import { html, type Markup } from '../platform/http/markup.js';
import { type Column, columns, FRAME, labelled, linePath, round, type Scale, stack } from './chart-geometry.js';

export interface Series {
  /** Also the class that gives it its colour. */
  key: string;
  label: string;
  /** One for each period. */
  values: readonly (number | null)[];
}

export interface Chart {
  /** Unique in the page. */
  id: string;
  title: string;
  /** Beside the title. */
  hint?: string;
  /** What it shows, for those who do not see it; the figures themselves are in a table. */
  description: string;
  /** Below the columns. */
  dates: readonly string[];
  series: readonly Series[];
  scale: Scale;
  format: (value: number) => string;
}

/** More than these and dots are a smear. */
const MAX_DOTS = 62;

/** Columns with one part for each series, the first at the bottom. */
export function drawStack(chart: Chart): Markup {
  return draw(chart, (column, index) => {
    const values = chart.series.map(({ values: all }) => all[index] ?? 0);
    return stack(values, chart.scale).map(
      (part) =>
        html`<rect
          class="fill ${chart.series[part.index]?.key ?? ''}"
          x="${round(column.x)}"
          y="${round(part.y)}"
          width="${round(column.width)}"
          height="${round(part.height)}"
        />`,
    );
  });
}

/** A line for each series, with dots where there are few. */
export function drawLines(chart: Chart): Markup {
  const across = columns(chart.dates.length);
  const lines = chart.series.map(
    ({ key, values }) => html`<path class="line ${key}" d="${linePath(values, chart.scale, across)}" />`,
  );
  const dots = (column: Column, index: number) =>
    chart.series.flatMap(({ key, values }) => {
      const value = values[index] ?? null;
      if (value === null || (across.length > MAX_DOTS && !isAlone(values, index))) return [];
      return [
        html`<circle class="dot ${key}" cx="${round(column.middle)}" cy="${round(chart.scale.y(value))}" r="3.5" />`,
      ];
    });
  return draw(chart, dots, lines);
}

/** Neither neighbour has a value, so no line leads to it. */
function isAlone(values: readonly (number | null)[], index: number): boolean {
  return (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null;
}

function draw(chart: Chart, mark: (column: Column, index: number) => Markup[], under: readonly Markup[] = []): Markup {
  const { id, title, description } = chart;
  return html`<svg
    viewBox="0 0 ${FRAME.width} ${FRAME.height}"
    role="img"
    aria-labelledby="${id}-title ${id}-description"
  >
    <title id="${id}-title">${title}</title>
    <desc id="${id}-description">${description}</desc>
    ${drawGrid(chart)} ${under}
    ${columns(chart.dates.length).map((column, index) => drawSlot(chart, column, index, mark))}
    ${drawDates(chart.dates)}
  </svg>`;
}

/** The whole height of a period answers the pointer and tells its figures. */
function drawSlot(
  chart: Chart,
  column: Column,
  index: number,
  mark: (column: Column, index: number) => Markup[],
): Markup {
  const height = FRAME.bottom - FRAME.top;
  return html`<g class="slot">
    <title>${describe(chart, index)}</title>
    <rect class="hit" x="${round(column.left)}" y="${FRAME.top}" width="${round(column.step)}" height="${height}" />
    ${mark(column, index)}
  </g>`;
}

function describe({ dates, series, format }: Chart, index: number): string {
  const parts = series.flatMap(({ label, values }) => {
    const value = values[index] ?? null;
    return value === null ? [] : [`${label}: ${format(value)}`];
  });
  return [dates[index], ...parts].join('\n');
}

function drawGrid({ scale, format }: Chart): Markup[] {
  return scale.ticks.map(
    ({ value, y }, index) =>
      html`<line
          class="${index === 0 ? 'base' : 'grid'}"
          x1="${FRAME.left}"
          x2="${FRAME.right}"
          y1="${round(y)}"
          y2="${round(y)}"
        />
        <text class="tick" x="${FRAME.left - 10}" y="${round(y + 4)}" text-anchor="end">${format(value)}</text>`,
  );
}

function drawDates(dates: readonly string[]): Markup[] {
  const across = columns(dates.length);
  return labelled(dates.length).map((index) => {
    const x = Math.min(round(across[index]?.middle ?? 0), FRAME.right - 24);
    return html`<text class="tick" x="${x}" y="${FRAME.bottom + 22}" text-anchor="middle">${dates[index] ?? ''}</text>`;
  });
}
