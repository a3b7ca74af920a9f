// npm test [-- jest arguments]: all tests. npm run test:unit: those that need neither database nor sandbox.
import { spawnSync } from 'node:child_process';
import { buildIfStale } from './build-if-stale.mjs';
import { requireNode } from './node-version.mjs';
import { HAS_GVISOR_PACKAGE, setUpSandbox } from './setup.mjs';

requireNode();
const unit = process.argv.includes('--unit');
if (!unit) {
  const lacking = setUpSandbox({ gvisor: HAS_GVISOR_PACKAGE });
  if (lacking) {
    console.error(lacking);
    process.exit(1);
  }
  buildIfStale(); // tests that kill processes run the compiled product
}
const wanted = process.argv.slice(2).filter((argument) => argument !== '--unit');
const left = HAS_GVISOR_PACKAGE ? [] : ['--testPathIgnorePatterns', 'gvisor\\.sandbox-spec'];
if (!unit && left.length > 0) console.warn(`NOT TESTED: gVisor, which has no package for ${process.arch}.`);

/** @param {string[]} options */
function runJest(...options) {
  const { status } = spawnSync(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      'node_modules/jest/bin/jest.js',
      ...options,
      ...wanted,
      ...left, // Last: what follows this option is taken for one more of its values.
    ],
    { stdio: 'inherit' },
  );
  return status ?? 1;
}

if (unit) process.exit(runJest('--selectProjects', 'unit'));
if (wanted.length > 0) process.exit(runJest());
// Tests that hold the product to a time have the machine to themselves.
const together = runJest('--selectProjects', 'unit', 'full');
const alone = runJest('--selectProjects', 'timed', '--maxWorkers=1');
process.exit(together || alone);
