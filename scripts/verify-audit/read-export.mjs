import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';

const MAX_EVIDENCE_BYTES = 512 * 1024 * 1024;
const MAX_LINE_BYTES = 256 * 1024 * 1024;

/** A file that cannot be read, which says nothing about what it was made from. */
export class Unreadable extends Error {}

export async function isChain(path) {
  const file = await open(path).catch((error) =>
    Promise.reject(new Unreadable(`${path} cannot be opened: ${error.message}`)),
  );
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(200), 0, 200);
    return /^\s*\{\s*"format"\s*:\s*"holdpoint-audit"/.test(buffer.toString('latin1', 0, bytesRead));
  } catch (error) {
    throw new Unreadable(`${path} cannot be read: ${error.message}`);
  } finally {
    await file.close();
  }
}

export async function readEvidence(path) {
  const { size } = await stat(path);
  if (size > MAX_EVIDENCE_BYTES) throw new Unreadable(`${path} is larger than evidence of a checkpoint can be.`);
  const file = parse(await readFile(path), (reason) => new Unreadable(`${path} ${reason}.`));
  if (file?.format !== 'holdpoint-evidence') throw new Unreadable(`${path} is neither evidence nor an audit record.`);
  if (file.version !== 1) throw new Unreadable(`${path} has version ${file.version}; this program knows version 1.`);
  return file;
}

/** Lines by LF alone: JSON may hold U+2028, at which readers of lines break too. */
export async function* linesOf(path) {
  let [rest, length] = [[], 0];
  for await (const chunk of readable(path)) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, end)]);
      [rest, length, from] = [[], 0, end + 1];
    }
    rest.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > MAX_LINE_BYTES) throw new Unreadable(`${path} has a line of more than ${MAX_LINE_BYTES} bytes.`);
  }
  if (length > 0) yield Buffer.concat(rest);
}

async function* readable(path) {
  try {
    yield* createReadStream(path, { highWaterMark: 1024 * 1024 });
  } catch (error) {
    throw new Unreadable(`${path} cannot be read: ${error.message}`);
  }
}

export function parse(bytes, failure) {
  const [text, value] = decoded(bytes, failure);
  // What JSON.stringify writes names nothing twice; only other writing has to be counted.
  if (JSON.stringify(value) !== text && countColons(text) !== countMembers(value)) {
    throw failure('names a field of an object twice, so that readers differ in what it says');
  }
  return value;
}

function decoded(bytes, failure) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return [text, JSON.parse(text)];
  } catch {
    throw failure('is not complete JSON in UTF-8: it was cut off or damaged');
  }
}

function countColons(text) {
  let [colons, isInText] = [0, false];
  for (let i = 0; i < text.length; i++) {
    if (isInText && text[i] === '\\') i += 1;
    else if (text[i] === '"') isInText = !isInText;
    else if (text[i] === ':' && !isInText) colons += 1;
  }
  return colons;
}

function countMembers(value) {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum, item) => sum + countMembers(item), own);
}
