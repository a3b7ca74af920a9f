import { execFile } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { z } from 'zod';
import { settingsSchema } from '../src/config/settings.js';
import { anchorOf, errorPage } from '../src/error-page.js';
import { ERROR_KINDS, type ErrorKind } from '../src/platform/errors/domain-error.js';
import { STATUS_OF_KIND } from '../src/platform/http/problem.filter.js';
import { validateDefinition } from '../src/workflows/engine/validate-definition.js';

const run = promisify(execFile);
const read = (path: string) => readFileSync(path, 'utf8');
const isTest = (path: string) => /\.([a-z0-9]+-)?spec\.ts$|\.fixture\.ts$/.test(path);

const THIS = 'test/house.spec.ts';
const OURS = globSync(['src/**/*.ts', 'test/**/*.ts', 'migrations/*.ts', 'scripts/*.mjs', 'bench/*.{ts,mjs}']);
const PRODUCT = OURS.filter((path) => path.startsWith('src/') && !isTest(path));
const PAGES = globSync(['*.md', 'docs/**/*.md', 'src/**/*.md', 'bench/*.md']);

/** The files of ours in which something is found; this one speaks of what it looks for. */
const filesWith = (pattern: RegExp) => OURS.filter((path) => path !== THIS && pattern.test(read(path)));

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
    expect(PRODUCT.filter((path) => read(path).includes('process.env'))).toEqual([
      'src/code-security/sandbox/find-installation.ts',
      'src/config/read-environment.ts',
      'src/platform/database/embedded-postgres.ts',
    ]);
  });

  it('keeps clocks, chance and the process out of the engine', () => {
    const outside = /\b(Date\.now\(|new Date\(\)|Math\.random\(|performance\.|process\.|setTimeout\(|fetch\()/;
    const engine = PRODUCT.filter((path) => path.startsWith('src/workflows/engine/'));
    expect(engine.filter((path) => outside.test(withoutComments(read(path))))).toEqual([]);
  });

  it('has a file behind every script of package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const files = Object.values(scripts).flatMap((script) => script.match(/(?<=node )\S+\.m?js/g) ?? []);
    const sources = files.map((file) => file.replace(/^dist\/(.*)\.js$/, '$1.ts'));
    expect(sources.filter((file) => !existsSync(file))).toEqual([]);
  });

  it('runs as unit tests only what needs neither database nor sandbox', async () => {
    const jest = [
      '--experimental-vm-modules',
      'node_modules/jest/bin/jest.js',
      '--selectProjects',
      'unit',
      '--listTests',
    ];
    const { stdout } = await run(process.execPath, jest, { env: { ...process.env, NODE_OPTIONS: '' } });
    const specs = stdout
      .trim()
      .split('\n')
      .map((path) => relative('.', path))
      .filter((path) => path !== THIS && path.endsWith('.ts'));
    expect(specs.length).toBeGreaterThan(10);
    const needy = /real-sandbox\.fixture|start-test-app|test-database|spawn-server|new BubblewrapDriver/;
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
    for (const definition of definitions) expect(validateDefinition(definition)).toMatchObject({ ok: true });
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
    expect(codesOfSources().difference(codes)).toEqual(new Set());
  });

  it('lists no code that the sources do not have', () => {
    expect(codes.difference(codesOfSources())).toEqual(new Set());
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
    const all = PRODUCT.map((path) => withoutComments(read(path))).join('\n');
    expect(NO_CODES.filter((word) => !all.includes(`'${word}'`))).toEqual([]);
  });
});

describe('the borders between modules', () => {
  it('let pass what the table allows and name every import that it does not', async () => {
    const folder = plantedImports();
    try {
      const found = await borderViolations(folder);
      const expected = FORBIDDEN_IMPORTS.map(([file, , rule]) => `${rule}: ${file}`);
      expect(found.toSorted(compareText)).toEqual(expected.toSorted(compareText));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const compareText = (a: string, b: string) => (a < b ? -1 : Number(a > b));

/** Words of the sources that look like codes: of SQL, of systems, of algorithms. */
const NO_CODES = (
  'CAP_SYS_ADMIN CASCADE DESC EADDRINUSE EEXIST EPERM ES256 FALSE NFKC PATH PG_VERSION RESTRICT SIGINT SIGKILL SIGTERM ' +
  'SIGXCPU TRUE'
).split(' ');

/** Codes that the sources put together, by the text that does it. */
const COMPOSED: Readonly<Record<string, readonly string[]>> = {
  '`${prefix}_MISSING`': ['NODES_MISSING', 'EDGES_MISSING'],
  '`TOO_MANY_${prefix}`': ['TOO_MANY_NODES', 'TOO_MANY_EDGES'],
  "(issue.code ?? 'invalid').toUpperCase()": [...zodCodes(), 'INVALID'],
};

/** `unrecognized_keys` is told as UNKNOWN_FIELD. */
function zodCodes(): string[] {
  const codes = {
    invalid_type: true,
    too_big: true,
    too_small: true,
    invalid_format: true,
    not_multiple_of: true,
    unrecognized_keys: false,
    invalid_union: true,
    invalid_key: true,
    invalid_element: true,
    invalid_value: true,
    custom: true,
  } satisfies Record<z.core.$ZodIssue['code'], boolean>;
  return Object.entries(codes).flatMap(([code, told]) => (told ? [code.toUpperCase()] : []));
}

function codesOfSources(): Set<string> {
  const sources = PRODUCT.map((path) => withoutComments(read(path)));
  const composed = Object.entries(COMPOSED).flatMap(([text, codes]) =>
    sources.some((source) => source.includes(text)) ? codes : [],
  );
  return new Set([...sources.flatMap((source) => [...codesIn(source, /'([A-Z][A-Z0-9_]{3,})'/g)]), ...composed]);
}

function codesIn(text: string, pattern: RegExp): Set<string> {
  const words = new Set([...text.matchAll(pattern)].map(([, word = '']) => word));
  return words.difference(new Set([...Object.keys(settingsSchema.shape), ...NO_CODES]));
}

/** Codes beside their kind, as in `new DomainError('conflict', 'EMAIL_TAKEN', …)`. */
function thrownCodes(): { kind: ErrorKind; code: string }[] {
  const pattern = new RegExp(`'(${ERROR_KINDS.join('|')})',\\s*'([A-Z][A-Z_]+)'`, 'g');
  return PRODUCT.flatMap((path) =>
    [...read(path).matchAll(pattern)].map(([, kind, code = '']) => ({ kind: kind as ErrorKind, code })),
  );
}

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '');
}

function leadsSomewhere(page: string, target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : join(dirname(page), path);
  if (!existsSync(file)) return false;
  if (anchor === undefined) return true;
  return [...read(file).matchAll(/^#{1,6} (.+)$/gm)].some(([, heading = '']) => anchorOf(heading) === anchor);
}

/** A small copy of the house: each file imports one thing. What is imported exists. */
const ALLOWED_IMPORTS: readonly [file: string, imported: string][] = [
  ['src/checkpoints/checkpoints.service.ts', '../executions/executions.service.js'],
  ['src/executions/executions.service.ts', '../workflows/engine/advance-execution.js'],
  ['src/executions/parked-steps.ts', '../platform/errors/domain-error.js'],
  ['src/workflows/workflows.service.ts', './workflow.repository.js'],
  ['src/workflows/workflow.repository.ts', 'typeorm'],
  ['src/workflows/engine/advance-execution.ts', 'zod'],
  ['src/platform/http/signed-cursor.ts', '../../config/settings.js'],
  ['src/platform/errors/domain-error.ts', 'node:util'],
  ['src/config/settings.ts', 'zod'],
  ['src/auth/auth.service.ts', '../audit/audit.service.js'],
  ['src/audit/audit.service.ts', 'node:crypto'],
];

const FORBIDDEN_IMPORTS: readonly [file: string, imported: string, rule: string][] = [
  ['src/workflows/who-asks.ts', '../auth/auth.service.js', 'not-in-allowed'],
  ['src/executions/knows-checkpoints.ts', '../checkpoints/checkpoints.service.js', 'not-in-allowed'],
  ['src/executions/past-the-door.ts', '../workflows/workflow.repository.js', 'not-in-allowed'],
  ['src/platform/http/knows-a-module.ts', '../../audit/audit.service.js', 'not-in-allowed'],
  ['src/config/knows-platform.ts', '../platform/errors/domain-error.js', 'not-in-allowed'],
  ['src/checkpoints/runs-the-engine.ts', '../workflows/engine/advance-execution.js', 'not-in-allowed'],
  ['src/workflows/engine/reads-files.ts', 'node:fs', 'engine-is-pure'],
  ['src/workflows/engine/uses-nest.ts', '@nestjs/common', 'engine-is-pure'],
  ['src/workflows/engine/asks-the-database.ts', '../workflow.repository.js', 'engine-is-pure'],
  ['src/audit/for-tests-only.ts', 'supertest', 'no-dev-dependency'],
  ['src/audit/found-by-chance.ts', 'iconv-lite', 'no-undeclared-package'],
  ['src/audit/nowhere.ts', './not-there.js', 'no-unresolvable'],
  ['src/audit/uses-a-test.ts', './audit.fixture.js', 'no-test-in-the-product'],
];

function plantedImports(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-borders-'));
  for (const name of ['node_modules', '.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) {
    symlinkSync(join(process.cwd(), name), join(folder, name));
  }
  const files = [...ALLOWED_IMPORTS, ...FORBIDDEN_IMPORTS, ['src/audit/audit.fixture.ts', 'node:util']];
  for (const [file = '', imported] of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `import '${imported}';\n`);
  }
  return folder;
}

/** `rule: file` of each violation. An import may break several rules: what the table does not know is told once. */
async function borderViolations(folder: string): Promise<string[]> {
  const cruiser = join(process.cwd(), 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const options = ['src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
  const { stdout } = await run(process.execPath, [cruiser, ...options], { cwd: folder, maxBuffer: 64 << 20 }).catch(
    (failed: { stdout: string }) => failed,
  );
  const { summary } = JSON.parse(stdout) as { summary: { violations: { rule: { name: string }; from: string }[] } };
  return summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`);
}
