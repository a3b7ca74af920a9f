/** Where charts stand in their drawing, in units of the view box. */
export const FRAME = { width: 1000, height: 270, left: 62, right: 988, top: 12, bottom: 236 } as const;

export interface Tick {
  value: number;
  y: number;
}

/** From a value to its height on the page. */
export interface Scale {
  ticks: Tick[];
  y: (value: number) => number;
}

/** From 0 to a round number above the largest count, with up to five steps of 1, 2 or 5 times a power of ten. */
export function countScale(largest: number): Scale {
  const rough = Math.max(1, largest) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10) * power);
  const top = Math.max(1, Math.ceil(largest / step)) * step;
  return scaleOver(
    Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step),
    (value) => value / top,
  );
}

export function rateScale(): Scale {
  return scaleOver([0, 0.25, 0.5, 0.75, 1], (value) => value);
}

/** 1 s, 10 s, 1 min, 10 min, 1 h, 6 h, 1 d, 7 d, 30 d, 1 year, 10 years. */
const DURATIONS = [1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000, 31_536_000, 315_360_000];

/** Logarithmic, since people take seconds or weeks; from the mark below the least to the one above the most. */
export function durationScale(values: readonly number[]): Scale {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const from = Math.max(
    0,
    DURATIONS.findLastIndex((mark) => mark <= least),
  );
  const found = DURATIONS.findIndex((mark) => mark >= most);
  const to = Math.max(found < 0 ? DURATIONS.length - 1 : found, from + 1);
  const marks = DURATIONS.slice(from, to + 1);
  const [low, high] = [Math.log(marks[0] ?? 1), Math.log(marks.at(-1) ?? 10)];
  return scaleOver(marks, (value) => (Math.log(Math.max(value, marks[0] ?? 1)) - low) / (high - low));
}

export interface Column {
  /** Of its whole slot, which the pointer finds. */
  left: number;
  step: number;
  /** Of what is drawn. */
  x: number;
  width: number;
  middle: number;
}

/** So many columns side by side over the whole width; narrow ones without a gap, none wider than 44. */
export function columns(count: number): Column[] {
  const step = (FRAME.right - FRAME.left) / Math.max(1, count);
  const width = step < 4 ? step : Math.min(44, step * 0.72);
  return Array.from({ length: count }, (_, index) => {
    const left = FRAME.left + index * step;
    return { left, step, x: left + (step - width) / 2, width, middle: left + step / 2 };
  });
}

/** One on top of the other, from the bottom up; nothing is drawn of a zero. */
export function stack(values: readonly number[], scale: Scale): { index: number; y: number; height: number }[] {
  let below = 0;
  return values.flatMap((value, index) => {
    const bottom = scale.y(below);
    below += value;
    const y = scale.y(below);
    return value > 0 ? [{ index, y, height: bottom - y }] : [];
  });
}

/** A path through the middles of the columns, broken where there is no value. */
export function linePath(values: readonly (number | null)[], scale: Scale, across: readonly Column[]): string {
  let drawing = false;
  return values
    .map((value, index) => {
      const column = across[index];
      if (value === null || !column) {
        drawing = false;
        return '';
      }
      const command = drawing ? 'L' : 'M';
      drawing = true;
      return `${command}${round(column.middle)} ${round(scale.y(value))}`;
    })
    .join('');
}

/** Which columns have their date written below: every n-th, about ten in all. */
export function labelled(count: number): number[] {
  const every = [1, 2, 5, 7, 10, 14, 28, 30, 60].find((candidate) => count / candidate <= 12) ?? Math.ceil(count / 12);
  return Array.from({ length: Math.ceil(count / every) }, (_, index) => index * every);
}

/** To a tenth: a page of 400 columns need not be longer than it is. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function scaleOver(marks: readonly number[], share: (value: number) => number): Scale {
  const y = (value: number) => FRAME.bottom - share(value) * (FRAME.bottom - FRAME.top);
  return { ticks: marks.map((value) => ({ value, y: y(value) })), y };
}
