import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { cleanText } from './clean-text.js';

const KEPT_BYTES = 1 << 20;
/** With at most 64 KiB a read, beyond what is kept a stream is drained at no more than 16 MiB/s. */
const PAUSE_MS = 4;
/** A read costs the event loop as much for one byte as for 64 KiB, so beyond these each is followed by a pause. */
export const FREE_READS = 64;

export interface CapturedOutput {
  /** The first MiB, decoded as UTF-8, cleaned; never ends inside a character because of the cut. */
  text(): string;
  truncated(): boolean;
  /** Reads what is left at full speed: the writer is dead, so there is an end. */
  drain(): void;
  /** Tells `hear` what is kept, as it comes: cleaned text that together is `text()`, short of the end of a cut character. */
  follow(hear: (text: string) => void): void;
}

/**
 * Keeps the beginning of a stream and throws the rest away slowly: the writer waits, nobody kills it for being loud,
 * and it cannot keep the event loop busy.
 */
export function captureOutput(stream: Readable): CapturedOutput {
  const kept: Buffer[] = [];
  let seen = 0;
  let reads = 0;
  let draining = false;
  let tell: ((chunk: Buffer) => void) | null = null;
  stream.on('data', (chunk: Buffer) => {
    if (seen < KEPT_BYTES) {
      const part = chunk.subarray(0, KEPT_BYTES - seen);
      kept.push(part);
      tell?.(part);
    }
    seen += chunk.length;
    reads += 1;
    if ((seen > KEPT_BYTES || reads > FREE_READS) && !draining) pauseBriefly(stream);
  });
  stream.on('error', () => stream.destroy());
  return {
    text: () => decode(kept, seen > KEPT_BYTES),
    truncated: () => seen > KEPT_BYTES,
    drain: () => {
      draining = true;
      stream.resume();
    },
    follow: (hear) => {
      const decoder = new StringDecoder('utf8');
      tell = (chunk) => {
        const text = cleanText(decoder.write(chunk));
        if (text !== '') hear(text);
      };
      kept.forEach(tell);
    },
  };
}

/** What is written meanwhile waits, and comes with the next read. */
export function pauseBriefly(stream: Readable): void {
  stream.pause();
  setTimeout(() => stream.resume(), PAUSE_MS);
}

function decode(chunks: readonly Buffer[], truncated: boolean): string {
  const decoder = new StringDecoder('utf8');
  const text = decoder.write(Buffer.concat(chunks));
  return cleanText(truncated ? text : text + decoder.end());
}
