import { isIP, type LookupFunction } from 'node:net';
import type { OnApplicationShutdown } from '@nestjs/common';
import { Client } from 'undici';
import { ConnectionSlots } from './connection-slots.js';
import { describeBreakdown } from './describe-breakdown.js';
import { type HttpFailure, httpFailure, type HttpOutcome } from './http-outcome.js';
import { type AllowedTargets, judgeTarget, type Lookup } from './judge-target.js';
import { readAnswer } from './read-answer.js';
import { type HttpRequest, MAX_HEADER_BYTES, prepareRequest, type PreparedRequest } from './prepare-request.js';

const MOST_CONNECTIONS = 100;
const MOST_TO_ORIGIN = 20;

/**
 * Sends requests to where whoever writes workflows wants them, and to nowhere they must not go. Each has a connection of
 * its own, for which its target was judged: no request meets a kept connection that the far side is closing, or one that
 * was opened under an earlier answer of the name. Redirects are not followed, cookies not kept, proxy variables not read.
 */
export class HttpSender implements OnApplicationShutdown {
  private readonly slots = new ConnectionSlots(MOST_CONNECTIONS, MOST_TO_ORIGIN);
  private readonly underWay = new Set<() => void>();
  private stopped = false;

  constructor(
    private readonly allowed: AllowedTargets,
    private readonly lookUp: Lookup,
  ) {}

  /** Whatever the far side does comes back as an outcome. Throws only for a fault of ours. */
  async send(request: HttpRequest): Promise<HttpOutcome> {
    const prepared = prepareRequest(request);
    if (!prepared.ok) return prepared;
    let ended: HttpFailure | null = null;
    const ending = new AbortController();
    const end = (failure: HttpFailure) => {
      ended ??= failure;
      ending.abort();
    };
    const release = this.endWhen(request, end, timedOut(prepared.url, request));
    try {
      return await this.slots.run(prepared.url.origin, ending.signal, () => this.exchange(prepared, ending.signal));
    } catch (error) {
      const failure = ended ?? describeBreakdown(prepared.url, error);
      if (failure === null) throw error;
      return failure;
    } finally {
      release();
    }
  }

  /** Requests still under way end with HTTP_CANCELLED, and so do all that come later. */
  onApplicationShutdown(): void {
    this.stopped = true;
    for (const cancel of this.underWay) cancel();
  }

  /** (AbortSignal.any and AbortSignal.timeout would hold every request in memory until its time was over.) */
  private endWhen(
    { signal, timeoutSeconds }: HttpRequest,
    end: (failure: HttpFailure) => void,
    late: HttpFailure,
  ): () => void {
    const cancel = () => end(cancelled());
    if (this.stopped || signal?.aborted) cancel();
    const timer = setTimeout(() => end(late), timeoutSeconds * 1_000);
    signal?.addEventListener('abort', cancel);
    this.underWay.add(cancel);
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
      this.underWay.delete(cancel);
    };
  }

  private async exchange(request: PreparedRequest, signal: AbortSignal): Promise<HttpOutcome> {
    const target = await unlessAborted(signal, judgeTarget(request.url, this.allowed, this.lookUp));
    if (!target.ok) return target;
    const client = openClient(request.url, target.addresses, signal);
    try {
      const { method, url, headers, body } = request;
      const path = `${url.pathname}${url.search}`;
      const response = await client.request({ method, path, headers: headers.flat(), body, signal });
      return await readAnswer(request, response);
    } finally {
      await client.destroy();
    }
  }
}

function openClient(url: URL, addresses: readonly string[], signal: AbortSignal): Client {
  return new Client(url.origin, {
    // The signal also ends a connection that is still being made.
    connect: { lookup: answering(addresses), signal },
    // The time of the whole request is bounded, so its parts need no bounds of their own.
    connectTimeout: 0,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: MAX_HEADER_BYTES,
    pipelining: 0,
  });
}

/** A lookup that gives the judged addresses and asks nobody. */
function answering(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_hostname, { all }, callback) => {
    if (all) callback(null, found);
    else callback(null, found[0]?.address ?? '', found[0]?.family);
  };
}

/** Looking up a name cannot be broken off; what it gives in the end is nobody's any more. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  return Promise.race([work, aborted]);
}

function timedOut(url: URL, { timeoutSeconds }: HttpRequest): HttpFailure {
  const message = `${url.origin} did not answer completely within ${timeoutSeconds} s. Give it more time, or try again.`;
  return httpFailure('HTTP_TIMED_OUT', message);
}

function cancelled(): HttpFailure {
  return httpFailure('HTTP_CANCELLED', 'The request was ended from our side before it was answered. Send it again.');
}
