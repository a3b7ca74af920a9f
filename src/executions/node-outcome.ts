import type { JsonValue } from '../workflows/engine/json-value.js';
import type { Failure } from './execution.entity.js';
import type { ParkedContent } from './parked-steps.js';
import type { StepLogs } from './step.entity.js';

/** What came of running a node once. */
export type NodeOutcome =
  | { kind: 'completed'; output: JsonValue; handle: string | null; logs?: StepLogs }
  | { kind: 'failed'; failure: Failure; retryable: boolean; logs?: StepLogs }
  | { kind: 'parked'; content: ParkedContent }
  | { kind: 'delayed'; due_in?: number; due_at?: string }
  /** It could not be tried now for want of capacity; does not count as an attempt. */
  | { kind: 'postponed'; seconds: number };
