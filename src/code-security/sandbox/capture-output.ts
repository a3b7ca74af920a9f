import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { cleanText } from './clean-text.js';

const KEPT_BYTES = 1 << 20;
/** With at most 64 KiB a read, beyond what is kept a stream is drained at no more than 16 MiB/s. */
const PAUSE_MS = 4;

export interface CapturedOutput {
  /** The first MiB, decoded as UTF-8, cleaned; never ends inside a character because of the cut. */
  text(): string;
  truncated(): boolean;
  /** Reads what is left at full speed: the writer is dead, so there is an end. */
  drain(): void;
}

/**
 * Keeps the beginning of a stream and throws the rest away slowly: the writer waits, nobody kills it for being loud,
 * and it cannot keep the event loop busy.
 */
export function captureOutput(stream: Readable): CapturedOutput {
  const kept: Buffer[] = [];
  let seen = 0;
  let draining = false;
  stream.on('data', (chunk: Buffer) => {
    if (seen < KEPT_BYTES) kept.push(chunk.subarray(0, KEPT_BYTES - seen));
    seen += chunk.length;
    if (seen <= KEPT_BYTES || draining) return;
    stream.pause();
    setTimeout(() => stream.resume(), PAUSE_MS);
  });
  stream.on('error', () => stream.destroy());
  return {
    text: () => decode(kept, seen > KEPT_BYTES),
    truncated: () => seen > KEPT_BYTES,
    drain: () => {
      draining = true;
      stream.resume();
    },
  };
}

function decode(chunks: readonly Buffer[], truncated: boolean): string {
  const decoder = new StringDecoder('utf8');
  const text = decoder.write(Buffer.concat(chunks));
  return cleanText(truncated ? text : text + decoder.end());
}
