import type { PackedMarking } from '../workflows/engine/packed-marking.js';
import type { StepKey } from './settled.js';

/**
 * Where an execution stands when its holder lets go: the next holder reads the open steps and those whose outputs are kept,
 * and not the thousands that a long loop has behind it. It holds only as long as nobody writes steps: every commit that
 * does not let go, and every change from outside, removes it, and then all steps are read once more.
 */
export interface Snapshot {
  /** Of this type; one of another is ignored. */
  format: typeof SNAPSHOT_FORMAT;
  marking: PackedMarking;
  /** The steps whose outputs, or errors, expressions can read. */
  kept: StepKey[];
}

export const SNAPSHOT_FORMAT = 1;

/** With fewer steps, reading all of them costs less than a snapshot. */
export const SNAPSHOT_STEPS = 50;
