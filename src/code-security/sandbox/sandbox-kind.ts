import type { CodeJob, Isolation, Language } from './sandbox-driver.js';
import type { Sandbox, SandboxFacts } from './sandbox.js';
import type { Watch } from './watch-sandbox.js';
import type { Zygote } from './zygote.js';

/** What is ready in a sandbox before it has a job. */
export type Readiness = 'plain' | 'numpy';

/** A kind of sandbox: what it is made of, and how it differs from others. One driver keeps and uses all of them. */
export interface SandboxKind {
  readonly name: string;
  readonly level: Isolation['level'];
  readonly languages: readonly Language[];
  /** Of a kind that does not isolate: what to say wherever it is shown. */
  readonly warning?: string;
  /**
   * Finds what sandboxes of this kind are made of, and removes what is left of older ones. Throws
   * SandboxUnavailableError saying what is missing and how to get it.
   */
  plan(): Promise<SandboxPlan>;
}

export interface SandboxPlan {
  start(readiness: Readiness): Sandbox;
  /** Only kinds that can be forked have it. */
  startZygote?(): Zygote;
  /**
   * What of the job's description depends on the kind. Throws SandboxUnavailableError when the language has no
   * interpreter here.
   */
  describe(job: CodeJob): JobPlan;
  /** Where memory is to be looked for elsewhere than in the Python process. */
  watch?(sandbox: Sandbox, facts: SandboxFacts, maxMemoryMb: number): Watch;
}

export interface JobPlan {
  /** The filter that is installed just before foreign code runs; null where there is none. */
  seal: unknown;
  /** How the sandbox becomes the interpreter of another language; null for Python. */
  launch: unknown;
}
