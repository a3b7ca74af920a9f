const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export const NONE = '–';

const UNITS: readonly [name: string, seconds: number][] = [
  ['d', DAY],
  ['h', HOUR],
  ['min', MINUTE],
];

/** `4.2 s`, `45 s`, `12 min`, `3.5 h`, `2 d`: one unit, with a tenth below ten. */
export function formatDuration(seconds: number | null): string {
  if (seconds === null) return NONE;
  const [unit, size] = UNITS.find(([, least]) => seconds >= least * 0.9999) ?? ['s', 1];
  const count = seconds / size;
  return `${formatCount(count < 9.95 ? Math.round(count * 10) / 10 : Math.round(count))} ${unit}`;
}

export function formatRate(rate: number | null): string {
  if (rate === null) return NONE;
  return `${Math.round(rate * 1000) / 10} %`;
}

export function formatMean(mean: number | null): string {
  return mean === null ? NONE : String(Math.round(mean * 10) / 10);
}

/** With a thin space between thousands, which reads the same everywhere. */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** Of a local day `YYYY-MM-DD`: `3 Mar`, or `Mar 2026` where it stands for a month. */
export function formatDate(date: string, period: 'day' | 'week' | 'month'): string {
  const [year = '', month = '', day = ''] = date.split('-');
  const name = MONTHS[Number(month) - 1] ?? '';
  return period === 'month' ? `${name} ${year}` : `${Number(day)} ${name}`;
}

export function formatMoment(moment: Date, timeZone: string): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone, dateStyle: 'medium', timeStyle: 'short' }).format(moment);
}
