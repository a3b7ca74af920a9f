import { formatCount, formatDate, formatDuration, formatRate } from './format-figures.js';

describe('figures as people read them', () => {
  it.each([
    [null, '–'],
    [0, '0 s'],
    [4.26, '4.3 s'],
    [45.4, '45 s'],
    [60, '1 min'],
    [3_569, '59 min'],
    [3_600, '1 h'],
    [12_600, '3.5 h'],
    [86_399, '1 d'],
    [190_000, '2.2 d'],
    [86_400_000, '1\u2009000 d'],
  ])('%p seconds are %p', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it('are rates, counts and dates', () => {
    expect([formatRate(null), formatRate(0.1234), formatRate(1)]).toEqual(['–', '12.3 %', '100 %']);
    expect([formatCount(999), formatCount(1_234_567)]).toEqual(['999', '1\u2009234\u2009567']);
    expect([formatDate('2026-03-03', 'day'), formatDate('2026-03-01', 'month')]).toEqual(['3 Mar', 'Mar 2026']);
  });
});
