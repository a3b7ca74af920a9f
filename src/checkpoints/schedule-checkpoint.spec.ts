import type { CheckpointPolicy } from '../workflows/engine/checkpoint-policy.js';
import { PLAIN_POLICY } from './plain-policy.fixture.js';
import { scheduleCheckpoint } from './schedule-checkpoint.js';

const OPENED = new Date('2026-01-30T15:00:00Z');
const HOUR = 3_600;
const to = { users: ['boss@example.com'], roles: [], groups: [] };

const berlin = {
  time_zone: 'Europe/Berlin',
  days: ['mon', 'tue', 'wed', 'thu', 'fri'],
  from: '09:00',
  to: '17:00',
} as const;

function schedule(policy: Partial<CheckpointPolicy>) {
  const { due_at, events } = scheduleCheckpoint({ ...PLAIN_POLICY, ...policy }, OPENED);
  return { due_at: due_at?.toISOString() ?? null, events: events.map((e) => `${e.at} ${e.type} ${e.index}`) };
}

const after = (...hours: number[]) => hours.map((count) => ({ after_seconds: count * HOUR }));
const rungs = (...hours: number[]) => after(...hours).map((rung) => ({ ...rung, to }));

describe('the schedule of a checkpoint', () => {
  it('is empty where nothing is said of time', () => {
    expect(schedule({})).toEqual({ due_at: null, events: [] });
  });

  it('has reminders and rungs without anything being due', () => {
    expect(schedule({ reminders: after(2, 1), escalation: rungs(3) })).toEqual({
      due_at: null,
      events: [
        '2026-01-30T16:00:00.000Z reminder 1',
        '2026-01-30T17:00:00.000Z reminder 0',
        '2026-01-30T18:00:00.000Z escalation 0',
      ],
    });
  });

  it('ends with the expiry, and drops what would come after it or before the opening', () => {
    const reminders = [...after(1, 5), { before_due_seconds: HOUR }, { before_due_seconds: 5 * HOUR }];
    expect(schedule({ due: { in_seconds: 4 * HOUR }, reminders, escalation: rungs(2, 6) })).toEqual({
      due_at: '2026-01-30T19:00:00.000Z',
      events: [
        '2026-01-30T16:00:00.000Z reminder 0',
        '2026-01-30T17:00:00.000Z escalation 0',
        '2026-01-30T18:00:00.000Z reminder 2',
        '2026-01-30T19:00:00.000Z expiry 0',
      ],
    });
  });

  it('has reminders first on the same moment, then rungs, then the expiry', () => {
    const policy = { due: { in_seconds: HOUR }, reminders: after(1, 1), escalation: rungs(1) };
    expect(schedule({ ...policy, on_expiry: 'escalate' }).events).toEqual([
      '2026-01-30T16:00:00.000Z reminder 0',
      '2026-01-30T16:00:00.000Z reminder 1',
      '2026-01-30T16:00:00.000Z escalation 0',
      '2026-01-30T16:00:00.000Z expiry 0',
    ]);
  });

  it('drops later rungs also where the expiry takes all of them', () => {
    const policy = { due: { in_seconds: HOUR }, escalation: rungs(2), on_expiry: 'escalate' } as const;
    expect(schedule(policy).events).toEqual(['2026-01-30T16:00:00.000Z expiry 0']);
  });

  it('has what is due before the opening due at the opening', () => {
    const reminders = [...after(1), { before_due_seconds: 60 }];
    expect(schedule({ due: { at: '2026-01-01T00:00:00.000Z' }, reminders })).toEqual({
      due_at: OPENED.toISOString(),
      events: ['2026-01-30T15:00:00.000Z expiry 0'],
    });
  });

  it('counts working time but for a fixed moment', () => {
    const times = { reminders: [...after(2), { before_due_seconds: 2 * HOUR }], working_hours: berlin };
    expect(schedule({ ...times, due: { in_seconds: 9 * HOUR } })).toEqual({
      due_at: '2026-02-02T16:00:00.000Z',
      events: [
        '2026-02-02T09:00:00.000Z reminder 0',
        '2026-02-02T14:00:00.000Z reminder 1',
        '2026-02-02T16:00:00.000Z expiry 0',
      ],
    });
    expect(
      schedule({ ...times, due: { at: '2026-02-01T12:00:00.000Z' }, reminders: [{ before_due_seconds: 60 }] }),
    ).toEqual({
      due_at: '2026-02-01T12:00:00.000Z',
      events: ['2026-01-30T15:59:00.000Z reminder 0', '2026-02-01T12:00:00.000Z expiry 0'],
    });
  });
});
