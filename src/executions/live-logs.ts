import type { CodeResult, OutputStream } from '../code-security/sandbox/sandbox-driver.js';
import type { StepLogs } from './step.entity.js';

/** What is kept of each stream of a step. Characters. */
const MAX_LOG_LENGTH = 65_536;

/** Until the first write, and between two. Most steps are over before. */
const INTERVAL_MS = 1_000;

/**
 * Has what code prints written into its step while it runs: after a second and then every second in which it printed
 * something, one write at a time. A write that fails is made up for by the next, or by the result.
 */
export class LiveLogs {
  private readonly printed: Record<OutputStream, string> = { stdout: '', stderr: '' };
  private isFresh = false;
  private underWay: Promise<void> | null = null;
  private readonly timer = setInterval(() => this.flush(), INTERVAL_MS);

  constructor(private readonly write: (logs: StepLogs) => Promise<void>) {}

  readonly hear = (stream: OutputStream, text: string): void => {
    const before = this.printed[stream];
    if (before.length > MAX_LOG_LENGTH) return;
    this.printed[stream] = before + text.slice(0, MAX_LOG_LENGTH + 1 - before.length);
    this.isFresh = true;
  };

  /** Nothing is written after it: what follows is the result. */
  async end(): Promise<void> {
    clearInterval(this.timer);
    await this.underWay;
  }

  private flush(): void {
    if (!this.isFresh || this.underWay) return;
    this.isFresh = false;
    const { stdout, stderr } = this.printed;
    this.underWay = this.write(logsOf({ stdout, stderr, stdout_truncated: false, stderr_truncated: false }))
      .catch(() => void (this.isFresh = true))
      .finally(() => void (this.underWay = null));
  }
}

/** What is kept of a result, or of what was printed so far. */
export function logsOf(
  printed: Pick<CodeResult, 'stdout' | 'stderr' | 'stdout_truncated' | 'stderr_truncated'>,
): StepLogs {
  const { stdout, stderr } = printed;
  return {
    stdout: stdout.slice(0, MAX_LOG_LENGTH).toWellFormed(),
    stderr: stderr.slice(0, MAX_LOG_LENGTH).toWellFormed(),
    stdout_truncated: printed.stdout_truncated || stdout.length > MAX_LOG_LENGTH,
    stderr_truncated: printed.stderr_truncated || stderr.length > MAX_LOG_LENGTH,
  };
}
