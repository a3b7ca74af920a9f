import type { JsonValue } from '../workflows/engine/json-value.js';
import type { Failure } from './execution.entity.js';
import type { ParkedContent } from './parked-steps.js';
import type { StepLogs } from './step.entity.js';

/** What came of running a node once, or of what it waited for. */
export type NodeOutcome =
  | { kind: 'completed'; output: JsonValue; handle: string | null; logs?: StepLogs; signal_id?: string }
  | { kind: 'failed'; failure: Failure; retryable: boolean; logs?: StepLogs }
  | { kind: 'parked'; content: ParkedContent }
  | { kind: 'delayed'; due_in?: number; due_at?: string }
  | { kind: 'awaiting_signal'; signal: string; correlation_key: string | null }
  | { kind: 'spawned'; family: Family }
  /** It could not be tried now for want of capacity; does not count as an attempt. */
  | { kind: 'postponed'; seconds: number };

/** The child executions that a step is to have. */
export interface Family {
  workflow_id: string;
  version: number;
  scope: string;
  /** Their inputs. */
  items: readonly JsonValue[];
  isMap: boolean;
  /** How many of them run at once. */
  concurrency: number;
  /** Whether the step waits for them. */
  attached: boolean;
}
