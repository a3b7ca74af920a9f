import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { anchorOf, errorPage } from '../src/error-page.js';
import { STATUS_OF_KIND } from '../src/platform/http/problem.filter.js';
import { validateDefinition } from '../src/workflows/engine/validate-definition.js';
import { codesIn, codesOfSources, NO_CODES, PRODUCT, thrownCodes } from './error-codes.js';
import { borderViolations, FORBIDDEN_IMPORTS, plantImports } from './planted-imports.js';

const THIS = 'test/house.spec.ts';
const OURS = globSync(['src/**/*.ts', 'test/**/*.ts', 'migrations/*.ts', 'scripts/**/*.mjs', 'bench/**/*.mjs']);
const PAGES = globSync(['*.md', 'docs/**/*.md', 'src/**/*.md', 'bench/*.md']);

/** The numbers of the twenty patterns of van der Aalst et al. (2003). */
const CLASSIC_PATTERNS = Array.from({ length: 20 }, (_, i) => String(i + 1));

const read = (path: string) => readFileSync(path, 'utf8');

/** The files of ours in which something is found; this one speaks of what it looks for. */
const filesWith = (pattern: RegExp) => OURS.filter((path) => path !== THIS && pattern.test(read(path)));

/** The sources of the product in which something is found outside of comments. */
const sourcesWith = (pattern: RegExp) =>
  [...PRODUCT].flatMap(([path, source]) => (pattern.test(source) ? [path] : [])).toSorted(compareText);

describe('the house', () => {
  it('names files for what is inside', () => {
    const vague = /(^|[/.-])(utils?|helpers?|common|shared|base|manager|misc)([/.-]|$)/;
    expect(OURS.filter((path) => vague.test(path))).toEqual([]);
  });

  it('switches off no check', () => {
    expect(filesWith(/(oxlint|eslint)-disable|@ts-(ignore|nocheck|expect-error)|prettier-ignore/)).toEqual([]);
  });

  it('leaves nothing for later', () => {
    expect(filesWith(/\b(TODO|FIXME|XXX|HACK)\b/)).toEqual([]);
  });

  it('runs all of its tests and none alone', () => {
    expect(filesWith(/\b(describe|it|test)\.(only|skip|todo)\b|\b(fdescribe|fit|xdescribe|xit)\(/)).toEqual([]);
  });

  it('reads the environment in one place', () => {
    expect(sourcesWith(/process\.env/)).toEqual([
      'src/code-security/sandbox/find-installation.ts', // PATH, to find bubblewrap
      'src/config/read-environment.ts',
      'src/platform/database/embedded-postgres.ts', // handed on to the server's programs
    ]);
  });

  it('keeps clocks, chance and the process out of the engine', () => {
    const outside = sourcesWith(
      /\b(Date\.now\(|new Date\(\)|Math\.random\(|performance\.|process\.|setTimeout\(|fetch\()/,
    );
    expect(outside.length).toBeGreaterThan(0);
    expect(outside.filter((path) => path.startsWith('src/workflows/engine/'))).toEqual([]);
  });

  it('has a file behind every script of package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const files = Object.values(scripts).flatMap((script) => script.match(/(?<=node )\S+\.m?js/g) ?? []);
    const sources = files.map((file) => file.replace(/^dist\/(.*)\.js$/, '$1.ts'));
    expect(sources.filter((file) => !existsSync(file))).toEqual([]);
  });

  it('leaves out no test by a name that none has', () => {
    const [, name = ''] = /'--testPathIgnorePatterns', '(\S+)'/.exec(read('scripts/test.mjs')) ?? [];
    const pattern = new RegExp(name.replaceAll('\\\\', '\\'));
    expect(OURS.filter((path) => pattern.test(path))).toEqual(['src/code-security/sandbox/gvisor.sandbox-spec.ts']);
  });

  it('runs as unit tests only what needs neither database nor sandbox', async () => {
    const jest = [
      '--experimental-vm-modules',
      'node_modules/jest/bin/jest.js',
      '--selectProjects',
      'unit',
      '--listTests',
    ];
    const { stdout } = await promisify(execFile)(process.execPath, jest, { env: { ...process.env, NODE_OPTIONS: '' } });
    const specs = stdout
      .trim()
      .split('\n')
      .map((path) => relative('.', path))
      .filter((path) => path !== THIS && path.endsWith('.ts'));
    expect(specs.length).toBeGreaterThan(10);
    const needy = /real-sandbox\.fixture|start-test-app|test-database|spawn-server|new LocalDriver/;
    expect(specs.filter((path) => needy.test(read(path)))).toEqual([]);
  });
});

describe('the pages', () => {
  it.each(PAGES)('%s links only to what is there', (page) => {
    const targets = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '');
    const local = targets.filter((target) => !/^(https?:|mailto:)/.test(target));
    expect(local.filter((target) => !leadsSomewhere(page, target))).toEqual([]);
  });

  it('hold decisions that say in their title what was decided, and why', () => {
    const records = globSync('docs/decisions/*.md').filter((path) => !path.endsWith('README.md'));
    expect(records.length).toBeGreaterThan(0);
    for (const record of records) {
      expect(record).toMatch(/\/\d{8}-[a-z0-9-]+\.md$/);
      const headings = [...read(record).matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
      expect([record, ...headings]).toEqual([record, 'Context', 'Decision', 'Consequences']);
    }
  });

  it('list every decision in the index of decisions', () => {
    const index = read('docs/decisions/README.md');
    const records = globSync('docs/decisions/2*.md').map((path) => path.replace('docs/decisions/', ''));
    expect(records.filter((record) => !index.includes(`(${record})`))).toEqual([]);
  });

  it('show definitions that are valid', () => {
    const blocks = [...read('docs/definitions.md').matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(
      ([, text]) => text ?? '',
    );
    const definitions = blocks.map((text) => JSON.parse(text) as object).filter((value) => 'nodes' in value);
    expect(definitions.length).toBeGreaterThanOrEqual(2);
    expect(definitions.map((definition) => validateDefinition(definition)).filter(({ ok }) => !ok)).toEqual([]);
  });

  it('name for each workflow pattern the test that shows it, and no other', () => {
    const tests = [...read('src/workflows/engine/patterns.spec.ts').matchAll(/'(WCP-\d+ [^']+)'/g)];
    const rows = read('docs/patterns.md').match(/^\| \d+ .*$/gm) ?? [];
    const named = rows.map((row) => row.split('|')[4]?.trim() ?? '').filter((title) => title !== '');
    expect(rows.map((row) => /\d+/.exec(row)?.[0])).toEqual([...CLASSIC_PATTERNS, '24', '29', '30', '43']);
    expect(named).toEqual(tests.map(([, title]) => title));
    const product = read('test/patterns.e2e-spec.ts').replaceAll('%s', 'code');
    const shown = rows.map((row) => row.split('|')[5]?.trim() ?? '').filter((title) => title !== '');
    expect(shown.length).toBeGreaterThan(10);
    expect(shown.filter((title) => !product.includes(`'${title}'`))).toEqual([]);
  });
});

describe('the page of errors', () => {
  const page = read('docs/errors.md');
  const codes = codesIn(page, /`([A-Z][A-Z0-9_]{3,})`/g);

  /** Codes that are answered as `code` of a problem document, with their status. */
  const answered = new Map(
    [...page.matchAll(/^### (.+)\n\n`([A-Z_]+)` · (\d{3})/gm)].map(([, heading = '', code = '', status]) => [
      code,
      { heading, status: Number(status) },
    ]),
  );

  it('lists every code that the sources have', () => {
    expect([...codesOfSources()].filter((code) => !codes.has(code))).toEqual([]);
  });

  it('lists no code that the sources do not have', () => {
    const known = codesOfSources();
    expect([...codes].filter((code) => !known.has(code))).toEqual([]);
  });

  it('gives each code that is answered the status it is answered with', () => {
    const told = thrownCodes().map(({ code }) => [code, answered.get(code)?.status]);
    expect(told).toEqual(thrownCodes().map(({ code, kind }) => [code, STATUS_OF_KIND[kind]]));
  });

  it('has the anchors that problem documents name', () => {
    const html = errorPage();
    for (const [code, { heading }] of answered) {
      expect(anchorOf(heading)).toBe(code.toLowerCase().replaceAll('_', '-'));
      expect(html).toContain(`id="${anchorOf(heading)}"`);
    }
    expect(answered.size).toBeGreaterThan(40);
  });

  it('is made into HTML with nothing of the Markdown left', () => {
    const html = errorPage();
    expect(html).not.toMatch(/^#|`|^- /m);
    expect(html).toContain('<li><code>NO_SUCH_KEY</code>');
  });

  it('knows every word in capitals that is no code, and no other', () => {
    expect(NO_CODES.filter((word) => sourcesWith(new RegExp(`'${word}'`)).length === 0)).toEqual([]);
  });
});

describe('the borders between modules', () => {
  it('let pass what the table allows and name every import that it does not', async () => {
    const folder = plantImports();
    try {
      const found = await borderViolations(folder);
      const expected = FORBIDDEN_IMPORTS.flatMap(([file, , ...rules]) => rules.map((rule) => `${rule}: ${file}`));
      expect(found.toSorted(compareText)).toEqual(expected.toSorted(compareText));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function leadsSomewhere(page: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : join(dirname(page), path);
  if (!existsSync(file)) return false;
  if (anchor === undefined) return true;
  return [...read(file).matchAll(/^#{1,6} (.+)$/gm)].some(([, heading = '']) => anchorOf(heading) === anchor);
}
