import type { Readable } from 'node:stream';

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
  let pending = Buffer.alloc(0);
  let hasFirst = false;
  const { promise: first, resolve } = Promise.withResolvers<Buffer | null>();
  stream.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    if (!hasFirst) {
      const frame = takeFrame(pending);
      if (frame) {
        hasFirst = true;
        pending = pending.subarray(LENGTH_BYTES + frame.length);
        resolve(frame);
      }
    }
    if (pending.length > LENGTH_BYTES + LARGEST_FRAME) {
      stream.destroy();
      onFlood();
    }
  });
  stream.on('error', () => stream.destroy());
  stream.on('close', () => resolve(null));
  return { first, last: () => onlyFrame(pending) };
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
