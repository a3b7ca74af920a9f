// npm start: what the machine lacks, compile, run. The server runs in this very process, so that signals reach it.
import { buildIfStale } from './build-if-stale.mjs';
import { requireNode } from './node-version.mjs';
import { setUpSandbox } from './setup.mjs';

requireNode();
const lacking = setUpSandbox();
if (lacking) console.warn(`${lacking}\nUntil then code is not executed; everything else works.`);
buildIfStale();
await import('../dist/src/main.js');
