import type { NewEvent } from './execution-events.js';
import type { Family } from './node-outcome.js';
import type { ParkedStep } from './parked-steps.js';
import type { AttemptWrite, StepWrite } from './turn.repository.js';

export interface StepKey {
  node_id: string;
  iteration: number;
}

/** What one result comes to: rows, events, and what else has to happen in the same transaction. */
export interface Settled {
  steps: StepWrite[];
  events: NewEvent[];
  attempts?: AttemptWrite[];
  beside?: Partial<Beside>;
}

/** What a commit brings about beside the rows of its own execution. */
export interface Beside {
  /** Steps that start to wait for people. */
  parked: ParkedStep[];
  /** Child executions of steps. */
  families: (StepKey & Family & { ids: string[] })[];
  /** Signals that steps start to wait for. */
  waits: { signal: string; correlation_key: string | null }[];
  /** Signals that steps have taken. */
  taken: string[];
  /** Steps that no longer need what they waited for: checkpoints and children are withdrawn. */
  abandoned: StepKey[];
  /** The execution is over: whatever is still open ends with it. */
  closing: boolean;
}

/** What is to be written with the next commit. */
export class Draft {
  /** By step: a statement may write a row once, and the later state of a step stands for the earlier one. */
  readonly steps = new Map<string, StepWrite>();
  readonly events: NewEvent[] = [];
  readonly attempts: AttemptWrite[] = [];
  readonly beside: Beside = { parked: [], families: [], waits: [], taken: [], abandoned: [], closing: false };
  /** Characters of JSON, about. */
  length = 0;

  get isEmpty(): boolean {
    return this.steps.size === 0 && this.events.length === 0;
  }

  add({ steps, events, attempts = [], beside = {} }: Settled): void {
    for (const write of steps) {
      this.steps.set(keyOf(write), write);
      this.length += JSON.stringify([write.input, write.output, write.logs]).length;
    }
    this.events.push(...events);
    this.attempts.push(...attempts);
    this.beside.parked.push(...(beside.parked ?? []));
    this.beside.families.push(...(beside.families ?? []));
    this.beside.waits.push(...(beside.waits ?? []));
    this.beside.taken.push(...(beside.taken ?? []));
    this.beside.abandoned.push(...(beside.abandoned ?? []));
  }
}

export function keyOf(step: StepKey): string {
  return `${step.node_id}#${step.iteration}`;
}

export function eventOf(type: NewEvent['type'], step: StepKey, data?: unknown): NewEvent {
  const { node_id, iteration } = step;
  return { type, node_id, iteration, ...(data === undefined ? {} : { data }) };
}
