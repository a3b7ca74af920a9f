import type { ExpressionNames, StepOutput } from '../workflows/engine/expression.js';
import { type Graph, nodeOf } from '../workflows/engine/graph.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import type { Failure } from './execution.entity.js';
import type { StepKey } from './settled.js';
import type { Claim } from './turn.repository.js';

/**
 * Characters of JSON that the latest outputs of all nodes may have together. Expressions can read any of them, so a
 * worker holds them all while it has the turn.
 */
export const MAX_DATA_LENGTH = 32 * 1024 * 1024;

/** What steps have given so far: of each node what ended last. */
export class StepOutputs {
  private readonly outputs = new Map<string, StepOutput>();
  private readonly iterations = new Map<string, number>();
  private readonly lengths = new Map<string, number>();
  private length = 0;
  private result: { final: boolean; output: JsonValue } = { final: false, output: null };

  constructor(private readonly graph: Graph) {}

  /** The output of the `end` node reached last, else of the step that ended last. */
  get final(): JsonValue {
    return this.result.output;
  }

  /** Where they come from. */
  get kept(): StepKey[] {
    return [...this.iterations].map(([node_id, iteration]) => ({ node_id, iteration }));
  }

  /** A failure when the execution now holds too much. */
  keep({ node_id: nodeId, iteration }: StepKey, output: JsonValue): Failure | null {
    const length = JSON.stringify(output).length;
    this.length += length - (this.lengths.get(nodeId) ?? 0);
    this.lengths.set(nodeId, length);
    this.outputs.set(nodeId, { output });
    this.iterations.set(nodeId, iteration);
    const final = nodeOf(this.graph, nodeId).type === 'end';
    if (final || !this.result.final) this.result = { final, output };
    return this.length > MAX_DATA_LENGTH ? tooLarge(nodeId) : null;
  }

  /** Of a step whose failure did not fail the execution. */
  keepError({ node_id, iteration }: StepKey, error: Failure): void {
    this.outputs.set(node_id, failedOutput(error));
    this.iterations.set(node_id, iteration);
  }

  /** The names that expressions see; `more` stands before what is kept. */
  names(claim: Claim, more?: readonly [nodeId: string, StepOutput]): ExpressionNames {
    const { id, workflow_id, version, started_by, started_at } = claim;
    const execution = { id, workflow_id, version, started_by, started_at: started_at.toISOString() };
    const steps = more ? new Map(this.outputs).set(more[0], more[1]) : this.outputs;
    const input = claim.input as JsonValue;
    return { input, steps, execution, ...(claim.scope === '' ? {} : { item: input, index: claim.item_index ?? 0 }) };
  }
}

/** What expressions see of a step that failed. */
export function failedOutput({ code, message }: Failure): StepOutput {
  return { output: null, error: { code, message } };
}

function tooLarge(node_id: string): Failure {
  const message =
    `With the output of ${node_id} the nodes hold more than ${MAX_DATA_LENGTH} characters of JSON together. ` +
    'Pass references instead of data, or less of it.';
  return { code: 'EXECUTION_TOO_LARGE', message, node_id };
}
