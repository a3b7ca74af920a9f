import { WEEKDAYS, type WorkingHours } from '../workflows/engine/checkpoint-policy.js';
import { wallClock } from '../workflows/engine/expressions/cel-time.js';

/** How far is counted. A year of working time, eight hours on five days a week, takes four and a half. */
const MAX_WEEKS = 522;

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

/**
 * The first moment at which so much working time has passed since the start. Time counts whenever a clock in the place
 * shows a working hour, so an hour that is skipped when clocks go forward does not, and one that comes twice does twice.
 * @param seconds from 0; what takes longer than ten years is over after ten years
 * @param hours null: all time counts
 */
export function addWorkingTime(start: Date, seconds: number, hours: WorkingHours | null): Date {
  let left = Math.round(seconds * 1_000);
  if (!hours || left <= 0) return new Date(start.getTime() + left);
  for (const { begin, end } of spansAfter(start.getTime(), hours)) {
    if (end - begin >= left) return new Date(begin + left);
    left -= end - begin;
  }
  return new Date(start.getTime() + MAX_WEEKS * WEEK_MS);
}

/** The last moment from which on so much working time passes until the end; otherwise as `addWorkingTime`. */
export function subtractWorkingTime(end: Date, seconds: number, hours: WorkingHours | null): Date {
  let left = Math.round(seconds * 1_000);
  if (!hours || left <= 0) return new Date(end.getTime() - left);
  for (const span of spansBefore(end.getTime(), hours)) {
    if (span.end - span.begin >= left) return new Date(span.end - left);
    left -= span.end - span.begin;
  }
  return new Date(end.getTime() - MAX_WEEKS * WEEK_MS);
}

/** Milliseconds of the epoch. */
interface Span {
  readonly begin: number;
  readonly end: number;
}

function* spansAfter(start: number, hours: WorkingHours): Generator<Span> {
  for (let week = 0; week < MAX_WEEKS; week++) {
    const begin = start + week * WEEK_MS;
    yield* spansWithin({ begin, end: begin + WEEK_MS }, hours);
  }
}

function* spansBefore(start: number, hours: WorkingHours): Generator<Span> {
  for (let week = 0; week < MAX_WEEKS; week++) {
    const end = start - week * WEEK_MS;
    yield* spansWithin({ begin: end - WEEK_MS, end }, hours).toReversed();
  }
}

/** What of a week is working time, in order. */
function spansWithin(week: Span, hours: WorkingHours): Span[] {
  return piecesOf(week, hours.time_zone).flatMap(({ begin, end, offset }) =>
    localSpans({ begin: begin + offset, end: end + offset }, hours).map((span) => {
      return { begin: span.begin - offset, end: span.end - offset };
    }),
  );
}

/**
 * The parts of a week in which the offset from UTC does not change. No place changes it twice within a week: the
 * shortest pause of summer time, for Ramadan in Morocco, takes a month.
 */
function piecesOf({ begin, end }: Span, timeZone: string): (Span & { offset: number })[] {
  const before = offsetAt(begin, timeZone);
  const after = offsetAt(end, timeZone);
  if (before === after) return [{ begin, end, offset: before }];
  let [last, change] = [begin, end];
  while (change - last > 1) {
    const middle = Math.floor((last + change) / 2);
    if (offsetAt(middle, timeZone) === before) last = middle;
    else change = middle;
  }
  return [
    { begin, end: change, offset: before },
    { begin: change, end, offset: after },
  ];
}

const offsetAt = (moment: number, timeZone: string) => wallClock(new Date(moment), timeZone).getTime() - moment;

/** The working hours within a span, both as clocks in the place show them. */
function localSpans({ begin, end }: Span, { days, from, to }: WorkingHours): Span[] {
  const [opens, closes] = [clockMs(from), clockMs(to)];
  const spans: Span[] = [];
  for (let day = Math.floor(begin / DAY_MS); day * DAY_MS < end; day++) {
    if (!days.includes(weekdayOf(day))) continue;
    const span = { begin: Math.max(begin, day * DAY_MS + opens), end: Math.min(end, day * DAY_MS + closes) };
    if (span.begin < span.end) spans.push(span);
  }
  return spans;
}

/** Of a day counted from 1970-01-01, which was a Thursday. */
const weekdayOf = (day: number) => WEEKDAYS[(((day + 3) % 7) + 7) % 7]!;

/** From midnight to `HH:MM`. */
function clockMs(clock: string): number {
  const [hours = 0, minutes = 0] = clock.split(':').map(Number);
  return (hours * 60 + minutes) * 60_000;
}
