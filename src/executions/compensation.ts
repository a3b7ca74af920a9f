import type { Start } from '../workflows/engine/advance-execution.js';
import { type Graph, nodeOf } from '../workflows/engine/graph.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import type { StepOutput } from '../workflows/engine/expression.js';
import { keyOf, type StepKey } from './settled.js';
import type { StepRow } from './turn.repository.js';

type EndedStep = Pick<StepRow, 'node_id' | 'iteration' | 'status' | 'consumed' | 'output' | 'kept'>;

/**
 * Of each step that is undone when the execution fails or is cancelled after it, in the order in which they ended. What
 * another execution did that this one repeats is that one's to undo.
 */
export class Compensations {
  private readonly done: { step: StepKey; by: string; output: JsonValue }[] = [];
  private readonly undone = new Set<string>();
  private readonly started = new Map<string, number>();
  /** Nodes that could not undo what they should. */
  readonly failures: string[] = [];

  constructor(private readonly graph: Graph) {}

  /** Rows or steps in the order in which they ended. */
  take({ node_id, iteration, status, consumed, output, kept }: EndedStep): void {
    const [origin] = consumed;
    if (isUndoing(consumed)) {
      if (status === 'failed') this.failures.push(node_id);
      this.started.set(node_id, Math.max(iteration, this.started.get(node_id) ?? 0));
      if (origin?.source) this.undone.add(keyOf({ node_id: origin.source, iteration: origin.source_iteration }));
    }
    const by = compensationOf(this.graph, node_id);
    if (status === 'completed' && by !== undefined && !kept) {
      this.done.push({ step: { node_id, iteration }, by, output: output as JsonValue });
    }
  }

  /** What is to be undone next: the last that was done. */
  get next(): Start | undefined {
    const last = this.done.findLast(({ step }) => !this.undone.has(keyOf(step)));
    if (!last) return undefined;
    const { node_id: source, iteration: source_iteration } = last.step;
    const iteration = (this.started.get(last.by) ?? 0) + 1;
    return { node_id: last.by, iteration, consumed: [{ edge: null, node: last.by, source, source_iteration }] };
  }

  /** What a compensation sees of the step that it undoes: the output of that very iteration. */
  outputFor({ consumed: [origin] }: Pick<Start, 'consumed'>): readonly [nodeId: string, StepOutput] | undefined {
    const undone = this.done.find(
      ({ step }) => step.node_id === origin?.source && step.iteration === origin.source_iteration,
    );
    return undone && [undone.step.node_id, { output: undone.output }];
  }
}

/** The node that undoes this one. */
export function compensationOf(graph: Graph, nodeId: string): string | undefined {
  const { data } = nodeOf(graph, nodeId);
  return 'compensate' in data ? data.compensate : undefined;
}

/** Nodes whose past outputs a compensation may need. */
export function compensableNodes(graph: Graph): string[] {
  return [...graph.nodes.keys()].filter((id) => compensationOf(graph, id) !== undefined);
}

/** Compensations start from a step without an edge; entry nodes start from nothing. */
function isUndoing([origin]: StepRow['consumed']): boolean {
  return origin !== undefined && origin.edge === null && origin.source !== null;
}
