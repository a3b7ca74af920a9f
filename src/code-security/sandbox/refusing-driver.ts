import { SandboxUnavailableError, type Isolation, type CodeResult, type SandboxDriver } from './sandbox-driver.js';

/** Runs nothing. Chosen by the operator for hosts that must not run code. */
export class RefusingDriver implements SandboxDriver {
  readonly name = 'none';
  readonly isolation: Isolation = { driver: 'none', level: 'none', cgroup: false };

  constructor(private readonly reason = 'Running code is switched off on this host (SANDBOX_DRIVER=none).') {}

  run(): Promise<CodeResult> {
    return Promise.reject(new SandboxUnavailableError(this.reason));
  }

  async close(): Promise<void> {}
}
