// npm run test:faults [-- --seed 123]: the long form of test/faults.e2e-spec.ts. 200 executions while processes are
// killed, stopped, replaced and cut off from the database. About three minutes. The seed decides when and whom it hits.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { buildIfStale } from './build-if-stale.mjs';
import { requireNode } from './node-version.mjs';

requireNode();
const { values } = parseArgs({ options: { seed: { type: 'string' } } });
buildIfStale();
const { status } = spawnSync(
  process.execPath,
  [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
    '--selectProjects',
    'full',
    '--runInBand',
    'test/faults',
  ],
  {
    stdio: 'inherit',
    env: { ...process.env, FAULT_RUN: 'long', ...(values.seed ? { FAULT_SEED: values.seed } : {}) },
  },
);
process.exit(status ?? 1);
