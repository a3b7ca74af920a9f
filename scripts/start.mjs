// npm start: what the machine lacks, compile, run. The server runs in this very process, so that signals reach it.
import { buildIfStale } from './build-if-stale.mjs';
import { requireNode } from './node-version.mjs';
import { makesSandboxes, setUpSandbox } from './setup.mjs';

requireNode();
const lacking = makesSandboxes() ? setUpSandbox() : null;
if (lacking) console.warn(`${lacking}\nUntil then code is not executed; everything else works.`);
buildIfStale();
if (process.env.npm_lifecycle_event === 'start') stopWithNpm();
await import('../dist/src/main.js');

/** npm hands SIGTERM to the shell between it and us, which ends without passing it on: then we are somebody else's child. */
function stopWithNpm() {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 250);
  watch.unref();
}
