import { columns, countScale, durationScale, FRAME, labelled, linePath, rateScale, stack } from './chart-geometry.js';

const marks = ({ ticks }: { ticks: { value: number }[] }) => ticks.map(({ value }) => value);

describe('the scale of counts', () => {
  it.each([
    [0, [0, 1]],
    [1, [0, 1]],
    [3, [0, 1, 2, 3]],
    [7, [0, 2, 4, 6, 8]],
    [23, [0, 5, 10, 15, 20, 25]],
    [100, [0, 20, 40, 60, 80, 100]],
    [9_999, [0, 2_000, 4_000, 6_000, 8_000, 10_000]],
  ])('for up to %d has whole, round marks: %j', (largest, expected) => {
    expect(marks(countScale(largest))).toEqual(expected);
  });

  it('holds every count within the frame', () => {
    for (let largest = 0; largest < 2_000; largest++) {
      const scale = countScale(largest);
      expect(scale.y(0)).toBe(FRAME.bottom);
      expect(scale.y(largest)).toBeGreaterThanOrEqual(FRAME.top - 1e-9);
      expect(scale.ticks.length).toBeLessThanOrEqual(7);
    }
  });
});

describe('the scale of durations', () => {
  it('reaches from the mark below the least to the one above the most', () => {
    expect(marks(durationScale([42, 5_000]))).toEqual([10, 60, 600, 3_600, 21_600]);
    expect(marks(durationScale([60]))).toEqual([60, 600]);
    expect(marks(durationScale([0.2]))).toEqual([1, 10]);
    expect(marks(durationScale([1e12]))).toEqual([315_360_000]);
  });

  it('keeps what lies beyond its ends within the frame', () => {
    const scale = durationScale([0.2, 5]);
    expect(scale.y(0)).toBe(FRAME.bottom);
    expect(scale.y(10)).toBe(FRAME.top);
  });
});

describe('the scale of rates', () => {
  it('is always from nothing to all', () => {
    expect([rateScale().y(0), rateScale().y(1)]).toEqual([FRAME.bottom, FRAME.top]);
  });
});

describe('columns', () => {
  it.each([1, 2, 31, 400])('fill the width evenly when there are %d', (count) => {
    const all = columns(count);
    expect(all).toHaveLength(count);
    for (const { x, width, left, step } of all) {
      expect(x).toBeGreaterThanOrEqual(left - 1e-9);
      expect(x + width).toBeLessThanOrEqual(left + step + 1e-9);
    }
    const last = all.at(-1);
    expect((last?.left ?? 0) + (last?.step ?? 0)).toBeCloseTo(FRAME.right);
  });

  it('have about ten dates below, the first among them', () => {
    for (let count = 1; count <= 400; count++) {
      expect(labelled(count)[0]).toBe(0);
      expect(labelled(count).length).toBeLessThanOrEqual(12);
    }
  });
});

describe('a stack', () => {
  it('stands on the bottom, without gaps, and leaves out zeros', () => {
    const scale = countScale(10);
    const parts = stack([4, 0, 6], scale);
    expect(parts.map(({ index }) => index)).toEqual([0, 2]);
    expect((parts[0]?.y ?? 0) + (parts[0]?.height ?? 0)).toBe(FRAME.bottom);
    expect((parts[1]?.y ?? 0) + (parts[1]?.height ?? 0)).toBeCloseTo(parts[0]?.y ?? 0);
    expect(parts[1]?.y).toBeCloseTo(scale.y(10));
  });
});

describe('a line', () => {
  it('breaks where there is no value', () => {
    const path = linePath([0, 1, null, null, 0.5], rateScale(), columns(5));
    expect(path.replaceAll(/[\d. ]+/g, '_')).toBe('M_L_M_');
  });
});
