// npm run doctor [-- --json]: says what the sandbox lacks on this machine and how to get it. Changes nothing.
import { buildIfStale } from './build-if-stale.mjs';
import { requireNode } from './node-version.mjs';

requireNode();
buildIfStale();
await import('../dist/src/doctor.js');
