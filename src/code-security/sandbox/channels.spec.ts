import { PassThrough, Readable } from 'node:stream';
import { once } from 'node:events';
import { captureOutput, FREE_READS } from './capture-output.js';
import { cleanJson, cleanText } from './clean-text.js';
import { encodeFrame, readFrames } from './read-frames.js';

const MEBIBYTE = 1 << 20;

async function capture(...chunks: Buffer[]) {
  const stream = new PassThrough();
  const output = captureOutput(stream);
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  output.drain();
  await once(stream, 'close');
  return output;
}

describe('captured output', () => {
  it('joins characters that were split between two reads', async () => {
    const euro = Buffer.from('€');
    const output = await capture(euro.subarray(0, 1), euro.subarray(1));
    expect([output.text(), output.truncated()]).toEqual(['€', false]);
  });

  it('shows invalid UTF-8, an unfinished character at the end and NUL as U+FFFD', async () => {
    const output = await capture(Buffer.from([0xff, 0x61, 0x00, 0xe2, 0x82]));
    expect(output.text()).toBe('\uFFFDa\uFFFD\uFFFD');
  });

  it('keeps exactly 1 MiB and does not call that cut', async () => {
    const output = await capture(Buffer.alloc(MEBIBYTE, 'x'));
    expect([output.text().length, output.truncated()]).toEqual([MEBIBYTE, false]);
  });

  it('cuts before a character that does not fit whole', async () => {
    const output = await capture(Buffer.alloc(MEBIBYTE - 1, 'x'), Buffer.from('€'));
    expect([output.text().length, output.text().at(-1), output.truncated()]).toEqual([MEBIBYTE - 1, 'x', true]);
  });
});

async function read(bytes: Buffer) {
  const stream = new PassThrough();
  let flooded = false;
  const reader = readFrames(stream, () => (flooded = true));
  stream.end(bytes);
  const first = await reader.first;
  if (!stream.closed) await once(stream, 'close');
  return { first: first?.toString() ?? null, last: reader.last()?.toString() ?? null, flooded };
}

describe('frames', () => {
  it('are a first one and exactly one more', async () => {
    const bytes = Buffer.concat([encodeFrame({ a: 1 }), encodeFrame(['b'])]);
    expect(await read(bytes)).toEqual({ first: '{"a":1}', last: '["b"]', flooded: false });
  });

  it.each([
    ['there is none', Buffer.alloc(0)],
    ['it is cut off', encodeFrame(1).subarray(0, 4)],
    ['another follows', Buffer.concat([encodeFrame(1), encodeFrame(2)])],
    ['its length is beyond 1 MiB', Buffer.from([0xff, 0xff, 0xff, 0x7f])],
  ])('count as none after the first when %s', async (_, rest) => {
    expect(await read(Buffer.concat([encodeFrame(0), rest]))).toEqual({ first: '0', last: null, flooded: false });
  });

  it('that flood the channel are reported and dropped', async () => {
    const result = await read(Buffer.concat([encodeFrame(0), Buffer.alloc(MEBIBYTE + 5)]));
    expect(result).toMatchObject({ first: '0', flooded: true, last: null });
  });
});

describe('a writer of single bytes', () => {
  /** Another byte is there whenever somebody reads. */
  const drip = () => {
    const stream = new Readable({ highWaterMark: 1, read: () => setImmediate(() => stream.push('x')) });
    return stream;
  };

  it.each([
    ['captured output', (stream: Readable) => captureOutput(stream)],
    ['frames', (stream: Readable) => readFrames(stream, () => {})],
  ])('cannot keep the reader of %s busy', async (_, attach) => {
    const stream = drip();
    let reads = 0;
    const busy = Promise.withResolvers<void>();
    stream.on('data', () => {
      reads += 1;
      if (reads === FREE_READS + 50) busy.resolve();
    });
    attach(stream);
    const startedAt = performance.now();
    await busy.promise;
    stream.destroy();
    expect(performance.now() - startedAt).toBeGreaterThan(100);
  });
});

describe('cleaning', () => {
  it('replaces NUL and halves of surrogate pairs, and keeps whole pairs', () => {
    expect(cleanText('a\0\uD800b\uDC00 😀')).toBe('a\uFFFD\uFFFDb\uFFFD 😀');
  });

  it('reaches keys, and leaves __proto__ an ordinary key', () => {
    const clean = cleanJson(JSON.parse('{"a\\u0000":["\\ud800"],"__proto__":{"x":1}}'));
    expect(JSON.stringify(clean)).toBe('{"a\uFFFD":["\uFFFD"],"__proto__":{"x":1}}');
    expect((clean as { x?: number }).x).toBeUndefined();
  });

  it('refuses what is nested too deeply', () => {
    expect(() => cleanJson([[[]]], 2)).toThrow(RangeError);
  });
});
