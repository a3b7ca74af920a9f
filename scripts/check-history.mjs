// npm run check:history -- postgres://…: says every rule of the engine that the executions of a database break. Reads
// only, in one snapshot; the database may be in use. Ends with 1 when something is found.
import { checkHistory } from '../test/faults/check-history.ts';
import { requireNode } from './node-version.mjs';

requireNode();
const url = process.argv[2] ?? process.env.DATABASE_URL;
if (!url) {
  console.error('Name the database: npm run check:history -- postgres://user@host/database');
  process.exit(2);
}
const found = await checkHistory(url);
for (const breach of found) console.log(breach);
console.log(found.length === 0 ? 'The histories break no rule.' : `${found.length} breaches.`);
process.exit(found.length === 0 ? 0 : 1);
