import { CelDuration } from './cel-value.js';
import { ExpressionFailure } from './expression-failure.js';

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  ns: 1n,
};

/** Largest duration of CEL and Protocol Buffers: about 10,000 years. */
const MAX_DURATION = 315_576_000_000n * 1_000_000_000n;

/** 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999Z, the range of CEL, in milliseconds of the epoch. */
const MIN_TIMESTAMP = -62_135_596_800_000;
const MAX_TIMESTAMP = 253_402_300_799_999;

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** Reads an RFC 3339 date-time with an offset; digits after the milliseconds are dropped. Undefined if it is none. */
export function parseTimestamp(text: string): Date | undefined {
  const parts = rfc3339.exec(text);
  if (!parts) return undefined;
  const [, year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number);
  const daysInMonth = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const date = new Date(text.toUpperCase());
  if (date.getTime() < MIN_TIMESTAMP || date.getTime() > MAX_TIMESTAMP) return undefined;
  return date;
}

/**
 * The moment at which clocks in a time zone show a local date-time (RFC 3339 without offset). Of a moment that comes
 * twice when clocks are set back it is the first; a moment that is skipped is as late as it would have been.
 * Undefined if the text is no such date-time.
 * @throws ExpressionFailure INVALID_VALUE for a name that is no IANA time zone, and outside the years 1 to 9999 of UTC
 */
export function momentIn(timeZone: string, text: string): Date | undefined {
  const local = /[Zz]|[+-]\d\d:\d\d$/.test(text) ? undefined : parseTimestamp(`${text}Z`)?.getTime();
  if (local === undefined) return undefined;
  // The offsets on both sides of any change of clocks nearby; they change by less than a day.
  const offsets = [-DAY_MS, DAY_MS].map((by) => wallClock(new Date(local + by), timeZone).getTime() - local - by);
  const candidates = offsets.map((offset) => new Date(local - offset)).toSorted((a, b) => a.getTime() - b.getTime());
  const shown = candidates.find((moment) => wallClock(moment, timeZone).getTime() === local);
  return timestampAt(shown?.getTime() ?? local - (offsets[0] ?? 0));
}

const DAY_MS = 86_400_000;

/** @throws ExpressionFailure INVALID_VALUE outside the years 1 to 9999 */
export function timestampAt(milliseconds: number): Date {
  if (milliseconds >= MIN_TIMESTAMP && milliseconds <= MAX_TIMESTAMP) return new Date(Math.trunc(milliseconds));
  throw new ExpressionFailure('INVALID_VALUE', 'A timestamp must lie in the years 1 to 9999.');
}

/** @throws ExpressionFailure INVALID_VALUE beyond ±10,000 years */
export function durationOf(nanoseconds: bigint): CelDuration {
  if (nanoseconds <= MAX_DURATION && nanoseconds >= -MAX_DURATION) return new CelDuration(nanoseconds);
  throw new ExpressionFailure('INVALID_VALUE', 'A duration may last up to 10,000 years.');
}

/** Reads a duration as Go writes it ("1h30m", "-1.5s", "250ms"). Undefined if it is none. */
export function parseDuration(text: string): CelDuration | undefined {
  if (text.length > 64 || !/^[+-]?(\d{1,18}(\.\d{1,9})?(h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined;
  let total = 0n;
  for (const [, whole, fraction = '', unit] of text.matchAll(/(\d+)(?:\.(\d+))?(h|ms|m|s|us|µs|ns)/g)) {
    const size = NANOSECONDS[unit === 'µs' ? 'us' : unit!]!;
    total += BigInt(whole!) * size + (BigInt(fraction.padEnd(9, '0')) * size) / 1_000_000_000n;
  }
  return durationOf(text.startsWith('-') ? -total : total);
}

/** Seconds with an `s`, up to nine decimals, no trailing zeros: "90s", "-0.25s". */
export function formatDuration({ nanoseconds }: CelDuration): string {
  const size = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  const fraction = (size % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${nanoseconds < 0n ? '-' : ''}${size / 1_000_000_000n}${fraction && `.${fraction}`}s`;
}

/** Year, month (from 0), day of the month (from 0), hour, … of a moment, in UTC or in an IANA time zone. */
export function timestampField(name: TimestampField, moment: Date, timeZone?: string): bigint {
  return BigInt(timestampFields[name](timeZone === undefined ? moment : wallClock(moment, timeZone)));
}

export const timestampFields = {
  getFullYear: (at: Date) => at.getUTCFullYear(),
  getMonth: (at: Date) => at.getUTCMonth(),
  getDate: (at: Date) => at.getUTCDate(),
  getDayOfMonth: (at: Date) => at.getUTCDate() - 1,
  getDayOfWeek: (at: Date) => at.getUTCDay(),
  getDayOfYear: (at: Date) =>
    (Date.UTC(2000, at.getUTCMonth(), at.getUTCDate()) - Date.UTC(2000, 0, 1)) / 86_400_000 -
    (at.getUTCMonth() > 1 && !isLeapYear(at.getUTCFullYear()) ? 1 : 0),
  getHours: (at: Date) => at.getUTCHours(),
  getMinutes: (at: Date) => at.getUTCMinutes(),
  getSeconds: (at: Date) => at.getUTCSeconds(),
  getMilliseconds: (at: Date) => at.getUTCMilliseconds(),
} as const;
export type TimestampField = keyof typeof timestampFields;

const isLeapYear = (year: number) => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

/**
 * The moment whose UTC fields are what a clock in the time zone shows.
 * @throws ExpressionFailure INVALID_VALUE for a name that is no IANA time zone
 */
export function wallClock(moment: Date, timeZone: string): Date {
  const parts = zonedParts(moment, timeZone);
  const part = (type: Intl.DateTimeFormatPartTypes) =>
    Number(parts.find((candidate) => candidate.type === type)?.value);
  const clock = new Date(0);
  clock.setUTCFullYear(part('year'), part('month') - 1, part('day'));
  clock.setUTCHours(part('hour'), part('minute'), part('second'), moment.getUTCMilliseconds());
  return clock;
}

function zonedParts(moment: Date, timeZone: string): Intl.DateTimeFormatPart[] {
  try {
    return formatIn(timeZone).formatToParts(moment);
  } catch {
    throw new ExpressionFailure(
      'INVALID_VALUE',
      `${JSON.stringify(timeZone.slice(0, 64))} is no time zone; write an IANA name such as "Europe/Berlin".`,
    );
  }
}

/** Making one takes up to 0.2 ms. A name may be written in any mixture of cases, so only so many are kept. */
const formats = new Map<string, Intl.DateTimeFormat>();
const MAX_FORMATS = 100;

function formatIn(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    hourCycle: 'h23',
    ...numericFields,
  });
  if (formats.size >= MAX_FORMATS) formats.clear();
  formats.set(timeZone, format);
  return format;
}

const numericFields = {
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
} as const;
