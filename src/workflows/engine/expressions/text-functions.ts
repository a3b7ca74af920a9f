import type { CelValue } from './cel-value.js';
import { ExpressionFailure } from './expression-failure.js';
import { codePoints, expectCount, expectText, type CelFunction } from './function-arguments.js';
import type { WorkBudget } from './work-budget.js';

/** Methods of texts. Positions count Unicode code points, as CEL's do, so they fit what size() says. */
export const textFunctions: Readonly<Record<string, CelFunction>> = {
  'contains/1': search('contains', (text, part) => text.includes(part)),
  'startsWith/1': search('startsWith', (text, part) => text.startsWith(part)),
  'endsWith/1': search('endsWith', (text, part) => text.endsWith(part)),
  'lowerAscii/0': rewrite('lowerAscii', (text) => text.replace(/[A-Z]+/g, (run) => run.toLowerCase())),
  'upperAscii/0': rewrite('upperAscii', (text) => text.replace(/[a-z]+/g, (run) => run.toUpperCase())),
  'trim/0': rewrite('trim', (text) => text.trim()),
  'indexOf/1': search('indexOf', (text, part) => pointsBefore(text, text.indexOf(part))),
  'lastIndexOf/1': search('lastIndexOf', (text, part) => pointsBefore(text, text.lastIndexOf(part))),
  'indexOf/2': ([text, part, from], budget) => indexFrom(text, part, from, budget),
  'substring/1': ([text, start], budget) => substring(text, start, undefined, budget),
  'substring/2': ([text, start, end], budget) => substring(text, start, end, budget),
  'split/1': ([text, separator], budget) => split(text, separator, budget),
  'replace/2': ([text, from, to], budget) => replaceAll(text, from, to, budget),
};

function search(name: string, find: (text: string, part: string) => CelValue): CelFunction {
  return ([value, sought], budget) => {
    const text = expectText(name, value);
    const part = expectText(name, sought);
    spendOnSearch(text, part, budget);
    return find(text, part);
  };
}

function rewrite(name: string, change: (text: string) => string): CelFunction {
  return ([value], budget) => {
    const text = expectText(name, value);
    budget.spendOnText(text.length * 8);
    return change(text);
  };
}

const hasSurrogates = (text: string) => /[\ud800-\udfff]/.test(text);

function pointsBefore(text: string, index: number): bigint {
  if (index <= 0 || !hasSurrogates(text)) return BigInt(index);
  return BigInt(codePoints(text.slice(0, index)).length);
}

function indexFrom(
  value: CelValue | undefined,
  sought: CelValue | undefined,
  from: CelValue | undefined,
  budget: WorkBudget,
): bigint {
  const text = expectText('indexOf', value);
  const part = expectText('indexOf', sought);
  const start = expectCount('indexOf', from);
  const rest = slicePoints(text, start, undefined, budget);
  const index = pointsBefore(rest, rest.indexOf(part));
  return index < 0n ? index : index + BigInt(start);
}

function substring(
  value: CelValue | undefined,
  start: CelValue | undefined,
  end: CelValue | undefined,
  budget: WorkBudget,
): string {
  const last = end === undefined ? undefined : expectCount('substring', end);
  return slicePoints(expectText('substring', value), expectCount('substring', start), last, budget);
}

function slicePoints(text: string, start: number, end: number | undefined, budget: WorkBudget): string {
  budget.spendOnText(text.length * 8);
  const points: string | string[] = hasSurrogates(text) ? codePoints(text) : text;
  const last = end ?? points.length;
  if (start < 0 || last < start || last > points.length) {
    throw new ExpressionFailure(
      'INDEX_OUT_OF_RANGE',
      `Positions ${start} to ${last} do not lie in a text of ${points.length} characters.`,
    );
  }
  const part = points.slice(start, last);
  return typeof part === 'string' ? part : part.join('');
}

function split(value: CelValue | undefined, separator: CelValue | undefined, budget: WorkBudget): string[] {
  const text = expectText('split', value);
  const sought = expectText('split', separator);
  budget.walkList(countOf(text, sought, budget) + 1);
  return sought === '' ? codePoints(text) : text.split(sought);
}

function replaceAll(
  value: CelValue | undefined,
  from: CelValue | undefined,
  to: CelValue | undefined,
  budget: WorkBudget,
): string {
  const text = expectText('replace', value);
  const sought = expectText('replace', from);
  const replacement = expectText('replace', to);
  const count = countOf(text, sought, budget);
  budget.buildText(text.length + count * Math.max(0, replacement.length - sought.length));
  return text.replaceAll(sought, () => replacement);
}

/** How often the part stands in the text; counted first, so that what is built from it can be refused. */
function countOf(text: string, part: string, budget: WorkBudget): number {
  spendOnSearch(text, part, budget);
  if (part === '') return text.length + 1;
  let count = 0;
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + part.length)) count += 1;
  budget.spend(count);
  return count;
}

/** The product of both lengths counts: 1,000,000 × "a" searched for 10,000 × "a" and a "b" took 1.4 s. */
function spendOnSearch(text: string, part: string, budget: WorkBudget): void {
  budget.spendOnText(text.length + (text.length * part.length) / 8);
}
