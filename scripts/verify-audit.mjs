// npm run audit:verify -- <export> [--head <hash>]… [--chain <export>]: verifies evidence of a checkpoint, or an export of an
// organization's audit record, offline: with this file and Node 20 or newer alone. docs/evidence.md has the formats.
// Ends with 0 when nothing is wrong, with 1 when something is and says where, with 2 when a file cannot be read.
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Findings } from './verify-audit/findings.mjs';
import { isChain, readEvidence, Unreadable } from './verify-audit/read-export.mjs';
import { verifyChain } from './verify-audit/verify-chain.mjs';
import { verifyEvidence } from './verify-audit/verify-evidence.mjs';

const USAGE = `Usage: npm run audit:verify -- <export> [--head <hash>]… [--chain <export of the audit record>]

  --head   a hash that was kept elsewhere: it has to be that of an event or a record in the export
  --chain  with evidence of a checkpoint: its audit records have to be in this export`;

/** @returns what is wrong, and lines for people. @throws Unreadable */
export async function verifyFile(path, { heads = [], chain } = {}) {
  const found = new Findings(heads);
  const report = [];
  if (await isChain(path)) report.push(...(await verifyChain(path, found)));
  else {
    const file = await readEvidence(path);
    report.push(...guarded(() => verifyEvidence(file, found), found));
    if (chain) report.push(...(await verifyAgainstChain(file, chain, found)));
  }
  report.push(...found.closeHeads());
  const isSound = found.breaches.length === 0;
  const told = report.filter((line) => isSound || !line.startsWith('Verified:'));
  return { breaches: found.breaches, more: found.more, report: told };
}

/** What the format does not allow ends the verification where it is met. */
function guarded(verify, found) {
  try {
    return verify();
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    found.add('the file', `does not have the form of its format (${error.message})`);
    return [];
  }
}

async function verifyAgainstChain(file, chain, found) {
  if (!(await isChain(chain))) throw new Unreadable(`${chain} is no export of an audit record.`);
  const wanted = new Map(file.audit_records.map(({ seq, hash }) => [seq, hash]));
  return ['', ...(await verifyChain(chain, found, wanted))];
}

/** Names and comments come from people; a terminal must not obey them. */
const printable = (line) =>
  line.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, '0')}`);

async function main() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { head: { type: 'string', multiple: true }, chain: { type: 'string' } },
    });
    const heads = (values.head ?? []).map((head) => head.toLowerCase());
    if (positionals.length !== 1 || !heads.every((head) => /^[0-9a-f]{64}$/.test(head))) throw new Unreadable(USAGE);
    const { breaches, more, report } = await verifyFile(positionals[0], { heads, chain: values.chain });
    for (const line of report) console.log(printable(line));
    console.log();
    for (const { at, what } of breaches) console.log(printable(`WRONG  ${at} ${what}.`));
    if (more > 0) console.log(`… and ${more} more.`);
    console.log(breaches.length === 0 ? 'Nothing is wrong.' : `Breaches: ${breaches.length + more}.`);
    return breaches.length === 0 ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 2;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  process.exitCode = await main();
