import { hasFields, hashLink, misfits, RECORD, words, ZEROS } from './hash-link.mjs';
import { linesOf, parse, Unreadable } from './read-export.mjs';

const HEADER = words('format version organization_id exported_at from_seq to_seq previous_hash head');

/** @param wanted hashes by number that have to be among the records, each removed when it is met. */
export async function verifyChain(path, found, wanted = new Map()) {
  let [header, before, first, number] = [null, null, null, 0];
  const actions = new Map();
  for await (const bytes of linesOf(path)) {
    number += 1;
    const at = `line ${number}`;
    if (!header) {
      header = readHeader(bytes, path);
      before = { seq: Number(header.from_seq) - 1, hash: header.previous_hash };
      found.expect(hasFields(header, HEADER), at, 'does not have exactly the fields of a header');
      found.expect(before.seq > 0 || before.hash === ZEROS, at, 'names a record before the first');
      continue;
    }
    const record = readRecord(bytes, at, found);
    if (!record) continue;
    for (const misfit of misfits(record, RECORD, before)) found.add(`${at}, record ${record.seq}`, misfit);
    found.expect(record.organization_id === header.organization_id, at, 'belongs to another organization');
    found.expect(!wanted.has(record.seq) || wanted.get(record.seq) === record.hash, at, 'is not what the evidence has');
    wanted.delete(record.seq);
    found.see(record.hash, `record ${record.seq}`);
    actions.set(record.action, (actions.get(record.action) ?? 0) + 1);
    first ??= record;
    before = record;
  }
  if (!header) throw new Unreadable(`${path} is empty.`);
  const isWhole = String(before.seq) === header.to_seq;
  found.expect(
    isWhole,
    'the end',
    `is record ${before.seq}, and the header says ${header.to_seq}: the file was cut off`,
  );
  if (isWhole && header.to_seq === header.head?.seq) {
    found.expect(before.hash === header.head.hash, 'the end', 'is not the head that the header names');
  }
  for (const seq of wanted.keys()) found.add(`audit record ${seq}`, 'of the evidence is not in the chain');
  return chainReport(header, first, before, actions);
}

function readHeader(bytes, path) {
  const header = parse(bytes, (reason) => new Unreadable(`The first line of ${path} ${reason}.`));
  if (header?.format !== 'holdpoint-audit') throw new Unreadable(`${path} does not begin with a header.`);
  if (header.version !== 1)
    throw new Unreadable(`${path} has version ${header.version}; this program knows version 1.`);
  return header;
}

function readRecord(bytes, at, found) {
  try {
    const record = parse(bytes, (reason) => new TypeError(reason));
    hashLink(record); // a null or a number is no record
    return record;
  } catch (error) {
    found.add(at, error instanceof TypeError ? `is no record: it ${error.message}` : 'is no record');
    return null;
  }
}

function chainReport(header, first, last, actions) {
  const most = [...actions].toSorted(([, a], [, b]) => b - a).slice(0, 12);
  return [
    `Audit record of organization ${header.organization_id}, exported at ${header.exported_at}`,
    first
      ? `Records ${first.seq} to ${last.seq}, from ${first.occurred_at} to ${last.occurred_at}; the last has the hash ${last.hash}.`
      : 'No record.',
    `Most of them: ${most.map(([action, count]) => `${action} ${count}`).join(', ')}.`,
    'Verified: the hash of each record, that each names the one before, and that none is missing in between.',
    'Not proven: that nothing newer was cut off, and that not all of it was written anew. Give --head with a hash kept elsewhere.',
  ];
}
