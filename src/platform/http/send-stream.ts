import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';

/** Of the pipeline, when the connection ended while or before something was sent. */
const CLIENT_LEFT = new Set<string | undefined>(['ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED']);

/**
 * Sends pieces of text as they come, asking for the next when the client has room for it. When the client goes away the
 * source is ended; when the source fails the connection is cut, so that no part is taken for the whole.
 */
export async function sendStream(response: Response, source: AsyncIterable<string>): Promise<void> {
  if (response.req.method === 'HEAD') {
    response.end();
    return;
  }
  try {
    await pipeline(Readable.from(source, { objectMode: false, highWaterMark: 1 }), response);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!CLIENT_LEFT.has(code)) throw error;
  }
}
