import type { Readable } from 'node:stream';
import { FREE_READS, pauseBriefly } from './capture-output.js';

const LARGEST_FRAME = 1 << 20;
const LENGTH_BYTES = 4;

export interface FrameReader {
  /** The first frame, or null if the stream ended before it was whole. */
  first: Promise<Buffer | null>;
  /** Everything after the first frame, once the stream has ended, if it is exactly one whole frame; otherwise null. */
  last(): Buffer | null;
}

/**
 * Reads the channel of results: u32 length (little endian) + payload of at most 1 MiB, once before the job and once
 * after it. `onFlood` is called when more comes than two frames can hold.
 */
export function readFrames(stream: Readable, onFlood: () => void): FrameReader {
  const pending: Buffer[] = [];
  let length = 0;
  let reads = 0;
  let hasFirst = false;
  const { promise: first, resolve } = Promise.withResolvers<Buffer | null>();
  const lookForFirst = () => {
    const bytes = Buffer.concat(pending);
    const frame = takeFrame(bytes);
    if (!frame) return;
    hasFirst = true;
    length -= LENGTH_BYTES + frame.length;
    pending.splice(0, Infinity, bytes.subarray(LENGTH_BYTES + frame.length));
    resolve(frame);
  };
  stream.on('data', (chunk: Buffer) => {
    pending.push(chunk);
    length += chunk.length;
    reads += 1;
    if (!hasFirst) lookForFirst();
    if (length > LENGTH_BYTES + LARGEST_FRAME) {
      stream.destroy();
      onFlood();
    } else if (reads > FREE_READS) pauseBriefly(stream);
  });
  stream.on('error', () => stream.destroy());
  stream.on('close', () => resolve(null));
  return { first, last: () => onlyFrame(Buffer.concat(pending)) };
}

/** Hears every frame of a stream that we trust. */
export function takeFrames(stream: Readable, hear: (frame: Buffer) => void): void {
  let pending = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let frame = takeFrame(pending); frame; frame = takeFrame(pending)) {
      pending = pending.subarray(LENGTH_BYTES + frame.length);
      hear(frame);
    }
  });
  stream.on('error', () => stream.destroy());
}

function onlyFrame(bytes: Buffer): Buffer | null {
  const frame = takeFrame(bytes);
  return frame && bytes.length === LENGTH_BYTES + frame.length ? frame : null;
}

function takeFrame(bytes: Buffer): Buffer | null {
  if (bytes.length < LENGTH_BYTES) return null;
  const length = bytes.readUInt32LE(0);
  if (length > LARGEST_FRAME || bytes.length < LENGTH_BYTES + length) return null;
  return bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
}

export function encodeFrame(value: unknown): Buffer {
  const payload = Buffer.from(JSON.stringify(value), 'utf8');
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(payload.length);
  return Buffer.concat([length, payload]);
}
