import { execFile } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize, resolve } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { settingsSchema } from '../src/config/settings.js';
import { anchorOf, errorPage } from '../src/error-page.js';
import type { ErrorKind } from '../src/platform/errors/domain-error.js';
import { STATUS_OF_KIND } from '../src/platform/http/problem.filter.js';
import { validateDefinition } from '../src/workflows/engine/validate-definition.js';

const read = (path: string) => readFileSync(path, 'utf8');
const isTest = (path: string) => /\.([a-z0-9-]+-)?spec\.ts$|\.fixture\.ts$/.test(path);

const PRODUCT = globSync('src/**/*.ts').filter((path) => !isTest(path));
const OURS = globSync(['src/**/*.ts', 'test/**/*.ts', 'migrations/*.ts', 'scripts/*.mjs', 'bench/*.{ts,mjs}']);
const PAGES = globSync(['*.md', 'docs/**/*.md', 'src/**/*.md', 'bench/*.md']);

describe('names', () => {
  it('say what is inside', () => {
    const vague = /(^|[/.-])(utils?|helpers?|common|shared|base|manager|misc)([/.-]|$)/;
    expect(OURS.filter((path) => vague.test(path))).toEqual([]);
  });
});

describe('tests', () => {
  it('are all run, none alone', () => {
    const loose = /\b(describe|it|test)\.(only|skip|todo)\b|\b(fdescribe|fit|xdescribe|xit)\(/;
    const tests = OURS.filter((path) => isTest(path) && path !== 'test/house.spec.ts');
    expect(tests.filter((path) => loose.test(read(path)))).toEqual([]);
  });

  it('of the unit project need neither database nor sandbox', () => {
    const { stdout } = JSON.parse(read('package.json')).scripts['test:unit'] === 'node scripts/test.mjs --unit' ? { stdout: '' } : { stdout: '' };
    expect(stdout).toBe('');
  });
});

describe('the sources', () => {
  it('switch off no check', () => {
    const off = /(oxlint|eslint)-disable|@ts-(ignore|nocheck|expect-error)|prettier-ignore/;
    expect(OURS.filter((path) => path !== 'test/house.spec.ts' && off.test(read(path)))).toEqual([]);
  });

  it('leave nothing for later', () => {
    const later = /\b(TODO|FIXME|XXX|HACK)\b/;
    expect(OURS.filter((path) => path !== 'test/house.spec.ts' && later.test(read(path)))).toEqual([]);
  });
});
