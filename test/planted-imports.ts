import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

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
  ['src/notifications/notifications.service.ts', '../audit/audit.service.js'],
  ['src/audit/audit.service.ts', 'node:crypto'],
  ['src/audit/circle-end.ts', './circle-begin.js'], // a circle is told once, of its other file
];

export const FORBIDDEN_IMPORTS: readonly [file: string, imported: string, ...rules: string[]][] = [
  ['src/workflows/who-asks.ts', '../auth/auth.service.js', 'not-in-allowed'],
  ['src/executions/knows-checkpoints.ts', '../checkpoints/checkpoints.service.js', 'not-in-allowed'],
  ['src/notifications/knows-checkpoints.ts', '../checkpoints/checkpoints.service.js', 'not-in-allowed'],
  ['src/executions/past-the-door.ts', '../workflows/workflow.repository.js', 'not-in-allowed'],
  ['src/platform/http/knows-a-module.ts', '../../audit/audit.service.js', 'not-in-allowed'],
  ['src/config/knows-platform.ts', '../platform/errors/domain-error.js', 'not-in-allowed'],
  ['src/checkpoints/runs-the-engine.ts', '../workflows/engine/advance-execution.js', 'not-in-allowed'],
  ['src/workflows/engine/reads-files.ts', 'node:fs', 'engine-is-pure'],
  ['src/workflows/engine/uses-nest.ts', '@nestjs/common', 'engine-is-pure'],
  ['src/workflows/engine/asks-the-database.ts', '../workflow.repository.js', 'engine-is-pure'],
  ['src/audit/for-tests-only.ts', 'supertest', 'no-dev-dependency', 'not-in-allowed'],
  ['src/audit/found-by-chance.ts', 'iconv-lite', 'no-undeclared-package', 'not-in-allowed'],
  ['src/audit/nowhere.ts', './not-there.js', 'no-unresolvable', 'not-in-allowed'],
  ['src/audit/circle-begin.ts', './circle-end.js', 'no-circle'],
  ['src/audit/uses-a-test.ts', './audit.fixture.js', 'no-test-in-the-product'],
];

/** Writes a folder with all of these files, in which the linter finds the same rules and packages as here. */
export function plantImports(): string {
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

/** `rule: file` of each violation. */
export async function borderViolations(folder: string): Promise<string[]> {
  const cruiser = join(process.cwd(), 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const options = ['src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
  const { stdout } = await promisify(execFile)(process.execPath, [cruiser, ...options], {
    cwd: folder,
    maxBuffer: 64 << 20,
  }).catch((failed: { stdout: string }) => failed);
  const { summary } = JSON.parse(stdout) as { summary: { violations: { rule: { name: string }; from: string }[] } };
  return summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`);
}
