import { WEEKDAYS, type WorkingHours } from '../workflows/engine/checkpoint-policy.js';
import { pick, randomNumbers } from '../workflows/engine/random.fixture.js';
import { addWorkingTime, subtractWorkingTime } from './working-time.js';

const HOUR = 3_600;
const MINUTE_MS = 60_000;

const berlin: WorkingHours = {
  time_zone: 'Europe/Berlin',
  days: ['mon', 'tue', 'wed', 'thu', 'fri'],
  from: '09:00',
  to: '17:00',
};
const always: WorkingHours = { ...berlin, days: WEEKDAYS, from: '00:00', to: '24:00' };
const nights: WorkingHours = { ...berlin, days: WEEKDAYS, from: '01:00', to: '04:00' };

describe('working time', () => {
  // 2026-03-27 is a Friday; clocks go forward on Sunday 29 March at 02:00 and back on Sunday 25 October at 03:00.
  it.each<[string, string, number, WorkingHours | null, string]>([
    ['is all time where there are no hours', '2026-03-28T23:00:00Z', 2.5, null, '2026-03-28T23:00:02.500Z'],
    ['passes within a day', '2026-01-30T09:00:00Z', 2 * HOUR, berlin, '2026-01-30T11:00:00Z'],
    ['is over when the last hour is', '2026-01-30T09:00:00Z', 7 * HOUR, berlin, '2026-01-30T16:00:00Z'],
    ['goes on after the days off', '2026-01-30T15:00:00Z', 2 * HOUR, berlin, '2026-02-02T09:00:00Z'],
    ['begins when the hours do', '2026-01-30T03:00:00Z', 60, berlin, '2026-01-30T08:01:00Z'],
    ['begins on the next day after the hours', '2026-01-29T20:00:00Z', 60, berlin, '2026-01-30T08:01:00Z'],
    ['begins after a day off', '2026-01-31T11:00:00Z', 0.5, berlin, '2026-02-02T08:00:00.500Z'],
    ['of no length is over at once', '2026-01-31T11:00:00Z', 0, berlin, '2026-01-31T11:00:00Z'],
    ['follows the clocks going forward', '2026-03-27T15:30:00Z', HOUR, berlin, '2026-03-30T07:30:00Z'],
    ['follows the clocks going back', '2026-10-23T14:30:00Z', HOUR, berlin, '2026-10-26T08:30:00Z'],
    ['leaves out an hour that is skipped', '2026-03-29T00:00:00Z', 2 * HOUR, nights, '2026-03-29T02:00:00Z'],
    ['counts an hour that comes twice', '2026-10-24T23:00:00Z', 4 * HOUR, nights, '2026-10-25T03:00:00Z'],
    ['of whole days is all time', '2026-03-28T12:34:56Z', 30 * 24 * HOUR, always, '2026-04-27T12:34:56Z'],
    ['of a year of hours passes', '2026-01-05T08:00:00Z', 8 * HOUR * 260, berlin, '2027-01-01T16:00:00Z'],
  ])('%s', (_fact, start, seconds, hours, end) => {
    expect(addWorkingTime(new Date(start), seconds, hours).toISOString()).toBe(new Date(end).toISOString());
  });

  it.each<[string, string, number, WorkingHours | null, string]>([
    ['is all time where there are no hours', '2026-03-28T23:00:00Z', 2.5, null, '2026-03-28T22:59:57.500Z'],
    ['begins within a day', '2026-01-30T11:00:00Z', 2 * HOUR, berlin, '2026-01-30T09:00:00Z'],
    ['begins when the hours do', '2026-01-30T16:00:00Z', 8 * HOUR, berlin, '2026-01-30T08:00:00Z'],
    ['begins before the days off', '2026-02-02T09:00:00Z', 2 * HOUR, berlin, '2026-01-30T15:00:00Z'],
    ['begins before the hours are over', '2026-02-01T12:00:00Z', 60, berlin, '2026-01-30T15:59:00Z'],
    ['follows the clocks going forward', '2026-03-30T07:30:00Z', HOUR, berlin, '2026-03-27T15:30:00Z'],
    ['counts an hour that comes twice', '2026-10-25T03:00:00Z', 4 * HOUR, nights, '2026-10-24T23:00:00Z'],
  ])('before a moment %s', (_fact, end, seconds, hours, start) => {
    expect(subtractWorkingTime(new Date(end), seconds, hours).toISOString()).toBe(new Date(start).toISOString());
  });

  it('of a year takes milliseconds to find, and ends after ten years however few the hours', () => {
    const start = new Date('2026-01-05T08:00:00Z');
    const aMinute = { ...berlin, days: ['mon'] as const, to: '09:01' };
    const began = performance.now();
    expect(addWorkingTime(start, 31_536_000, berlin).getUTCFullYear()).toBe(2030);
    expect(addWorkingTime(start, 31_536_000, aMinute).toISOString()).toBe('2036-01-07T08:00:00.000Z');
    expect(subtractWorkingTime(start, 31_536_000, aMinute).toISOString()).toBe('2016-01-04T08:00:00.000Z');
    expect(performance.now() - began).toBeLessThan(500);
  });

  it.each(Array.from({ length: 40 }, (_, seed) => seed))('is what counting minutes gives (seed %i)', (seed) => {
    const random = randomNumbers(seed);
    const hours = anyHours(random);
    const start = new Date(pick(NEAR_CHANGES, random).getTime() + Math.floor((random() - 0.5) * 5 * 1_440) * MINUTE_MS);
    const minutes = 1 + Math.floor(random() * 600);
    expect(addWorkingTime(start, minutes * 60, hours)).toEqual(countMinutes(start, minutes, hours, 1));
    expect(subtractWorkingTime(start, minutes * 60, hours)).toEqual(countMinutes(start, minutes, hours, -1));
  });
});

/** Berlin, New York, Lord Howe, Apia (which left out a day), Kathmandu (never), São Paulo (at midnight). */
const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'Asia/Kathmandu',
  'America/Sao_Paulo',
];
const NEAR_CHANGES = [
  '2026-03-29T01:00:00Z',
  '2026-10-25T01:00:00Z',
  '2026-03-08T07:00:00Z',
  '2026-11-01T06:00:00Z',
  '2026-04-04T15:00:00Z',
  '2026-10-03T15:30:00Z',
  '2011-12-30T10:00:00Z',
  '2018-11-04T03:00:00Z',
].map((moment) => new Date(moment));

function anyHours(random: () => number): WorkingHours {
  const [a, b] = [Math.floor(random() * 96), Math.floor(random() * 96)];
  const days = WEEKDAYS.filter(() => random() < 0.7);
  const clock = (quarter: number) =>
    `${String(quarter >> 2).padStart(2, '0')}:${String((quarter & 3) * 15).padStart(2, '0')}`;
  return {
    time_zone: pick(ZONES, random),
    days: days.length > 0 ? days : ['sun'],
    from: clock(Math.min(a, b)),
    to: clock(Math.max(a, b) + 1),
  };
}

/** Looks at the clock of the place at each minute, one after another. */
function countMinutes(start: Date, minutes: number, { time_zone, days, from, to }: WorkingHours, direction: 1 | -1) {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: time_zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  let at = start.getTime();
  for (let left = minutes; left > 0; at += direction * MINUTE_MS) {
    const shown = format.format(direction === 1 ? at : at - MINUTE_MS);
    const [weekday, clock] = [shown.slice(0, 3).toLowerCase(), shown.slice(-5)];
    if (days.some((day) => day === weekday) && clock >= from && clock < to) left -= 1;
  }
  return new Date(at);
}
