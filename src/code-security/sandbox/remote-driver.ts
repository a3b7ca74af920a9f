import { Pool } from 'undici';
import { cancelledBeforeStart } from './decide-outcome.js';
import {
  SandboxBusyError,
  SandboxUnavailableError,
  type CodeJob,
  type CodeResult,
  type Isolation,
  type RunOptions,
  type SandboxDriver,
} from './sandbox-driver.js';
import { answerLine, HEARTBEAT_MS, LARGEST_LINE, sideCarHealth, type SideCarHealth } from './side-car-protocol.js';

/** A side-car that is silent for longer is stuck, or its host is. */
const SILENCE_MS = 4 * HEARTBEAT_MS;
/** Kept connections; more jobs than the service lets in at once never ask. */
const MOST_CONNECTIONS = 128;

/**
 * Has jobs run by another process, the side-car, over its UNIX socket. An aborted job is cancelled at once; its sandbox
 * ends when the side-car sees the connection closed, within milliseconds.
 */
export class RemoteDriver implements SandboxDriver {
  readonly name = 'remote';
  private readonly pool: Pool;
  private readonly live = new Set<AbortController>();
  private learned: Isolation = { driver: 'remote', level: 'none', cgroup: false };
  private closed = false;

  constructor(
    private readonly socket: string,
    silenceMs = SILENCE_MS,
  ) {
    this.pool = new Pool('http://side-car', {
      connections: MOST_CONNECTIONS,
      connect: { socketPath: socket, timeout: HEARTBEAT_MS },
      headersTimeout: silenceMs,
      bodyTimeout: silenceMs,
    });
  }

  /** What the side-car said last of its own driver; nothing isolates as long as it has said nothing. */
  get isolation(): Isolation {
    return this.learned;
  }

  async run(job: CodeJob, { signal, onOutput }: RunOptions = {}): Promise<CodeResult> {
    if (this.closed) throw new SandboxUnavailableError('The service is shutting down.');
    const hangUp = new AbortController();
    const cancel = () => hangUp.abort();
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted) cancel();
    this.live.add(hangUp);
    try {
      return await this.ask(job, hangUp.signal, onOutput);
    } catch (error) {
      if (hangUp.signal.aborted) return cancelledBeforeStart(this.isolation);
      throw this.explain(error);
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.live.delete(hangUp);
    }
  }

  /** How the side-car says it is. Throws SandboxUnavailableError when it does not answer. */
  async health(): Promise<SideCarHealth> {
    try {
      const { body } = await this.pool.request({ method: 'GET', path: '/health' });
      return sideCarHealth.parse(await body.json());
    } catch (error) {
      throw this.explain(error);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const hangUp of this.live) hangUp.abort();
    await this.pool.destroy();
  }

  private async ask(job: CodeJob, signal: AbortSignal, onOutput: RunOptions['onOutput']): Promise<CodeResult> {
    const { statusCode, body } = await this.pool.request({
      method: 'POST',
      path: '/run',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ job, follow: onOutput !== undefined }),
      signal,
    });
    if (statusCode !== 200) throw new Error(`it answered ${statusCode} ${(await body.text()).slice(0, 500)}`);
    const result = await readAnswer(body, onOutput);
    this.learned = result.isolation;
    return result;
  }

  private explain(error: unknown): Error {
    if (error instanceof SandboxUnavailableError || error instanceof SandboxBusyError) return error;
    const why = error instanceof Error ? error.message : String(error);
    return new SandboxUnavailableError(
      `The side-car at ${this.socket} (SANDBOX_SOCKET) gave no answer: ${why}. Start a process with HOLDPOINT_ROLES=sandbox and the same SANDBOX_SOCKET, or look why it ended.`,
      { cause: error },
    );
  }
}

/** Reads to the end, not only to the result: a connection that is left early cannot be kept. */
async function readAnswer(body: AsyncIterable<Buffer>, onOutput: RunOptions['onOutput']): Promise<CodeResult> {
  let result: CodeResult | null = null;
  for await (const text of readLines(body)) {
    const line = answerLine.parse(JSON.parse(text));
    if ('output' in line) onOutput?.(line.output.stream, line.output.text);
    else if ('result' in line) result = line.result;
    else throw refusal(line.refused);
  }
  if (!result) throw new Error('its answer ended without a result');
  return result;
}

function refusal({ message, retry_after_seconds: seconds }: { message: string; retry_after_seconds: number | null }) {
  const text = `The side-car says: ${message}`;
  return seconds === null ? new SandboxUnavailableError(text) : new SandboxBusyError(text, seconds);
}

/** Lines that are not empty. Not node:readline, which also breaks at U+2028, a character that JSON leaves as it is. */
async function* readLines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let from = 0;
    for (let to = chunk.indexOf('\n'); to !== -1; to = chunk.indexOf('\n', from)) {
      const line = Buffer.concat([...pending, chunk.subarray(from, to)]).toString('utf8');
      if (line !== '') yield line;
      [pending, bytes, from] = [[], 0, to + 1];
    }
    pending.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > LARGEST_LINE) throw new Error(`a line of its answer is longer than ${LARGEST_LINE} bytes`);
  }
}
