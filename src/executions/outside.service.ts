import { Injectable } from '@nestjs/common';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import { type Graph, type GraphNode, nodeOf } from '../workflows/engine/graph.js';
import type { JsonValue } from '../workflows/engine/json-value.js';
import { ChildrenRepository, type FamilySight } from './children.repository.js';
import type { NodeOutcome } from './node-outcome.js';
import { keyOf } from './settled.js';
import { SignalsRepository } from './signals.repository.js';
import type { Result } from './turn.js';
import type { OpenStep } from './turn-state.js';
import type { Claim } from './turn.repository.js';

/** Characters of JSON that the results of a `map` may have together. */
const MAX_MAP_OUTPUT = 4 * 1024 * 1024;

type MapNode = Extract<GraphNode, { type: 'map' }>;

/** What steps get that wait for something outside their execution: signals, and the ends of their children. */
@Injectable()
export class OutsideService {
  constructor(
    private readonly transactions: Transactions,
    private readonly signals: SignalsRepository,
    private readonly children: ChildrenRepository,
  ) {}

  look(claim: Claim, graph: Graph, waiting: readonly OpenStep[]): Promise<Result[]> {
    return this.transactions.read(async (tx) => [
      ...(await this.signalsFor(
        tx,
        claim,
        waiting.filter(({ signal }) => signal != null),
      )),
      ...(await this.endsFor(
        tx,
        claim,
        graph,
        waiting.filter(({ signal }) => signal == null),
      )),
    ]);
  }

  /** Each signal to one step, the oldest first. */
  private async signalsFor(tx: Transaction, claim: Claim, steps: readonly OpenStep[]): Promise<Result[]> {
    const results = new Map<string, Result>();
    for (let left = steps; left.length > 0; left = left.filter((step) => !isGiven(results, step))) {
      const found = await this.signals.listFor(tx, claim, left, [...results.keys()]);
      if (found.length === 0) break;
      for (const { id: signal_id, payload: output, ...key } of found) {
        const step = left.find((one) => keyOf(one) === keyOf(key));
        if (!step || results.has(signal_id)) continue; // the same for two steps: the other gets the next
        results.set(signal_id, { step, outcome: { kind: 'completed', output, handle: null, signal_id } });
      }
    }
    return [...results.values()];
  }

  private async endsFor(tx: Transaction, claim: Claim, graph: Graph, steps: readonly OpenStep[]): Promise<Result[]> {
    if (steps.length === 0) return [];
    const results: Result[] = [];
    for (const sight of await this.children.look(tx, claim.id, steps)) {
      const step = steps.find((one) => keyOf(one) === keyOf(sight));
      const outcome = step && (await this.outcomeOf(tx, claim, nodeOf(graph, step.node_id), sight));
      if (step && outcome) results.push({ step, outcome });
    }
    return results;
  }

  /** Undefined while there is something to wait for. */
  private async outcomeOf(tx: Transaction, { id }: Claim, node: GraphNode, sight: FamilySight) {
    const collect = node.type === 'map' && node.data.on_item_error === 'collect';
    if (sight.failed && !collect) return failedBy(sight.failed, node);
    if (sight.open) return undefined;
    const outputs = await this.children.outputs(tx, id, sight, collect, MAX_MAP_OUTPUT);
    if (outputs === null) return tooLarge(node as MapNode);
    const output = (node.type === 'map' ? outputs : (outputs as JsonValue[])[0]) as JsonValue;
    return { kind: 'completed' as const, output: output ?? null, handle: null };
  }
}

const isGiven = (results: ReadonlyMap<string, Result>, step: OpenStep) =>
  [...results.values()].some((result) => result.step === step);

function failedBy({ id, status, item_index, error }: NonNullable<FamilySight['failed']>, node: GraphNode): NodeOutcome {
  const which = node.type === 'map' ? `Item ${item_index}` : 'The child';
  const why = status === 'failed' ? `failed: ${error?.message ?? 'no message'}` : 'was cancelled';
  const code = node.type === 'map' ? 'ITEM_FAILED' : 'CHILD_FAILED';
  const details = { execution_id: id, status, ...(node.type === 'map' ? { index: item_index } : {}), error };
  const message = `${which} (execution ${id}) ${why}`;
  return { kind: 'failed', failure: { code, message, details }, retryable: false };
}

function tooLarge(node: MapNode): NodeOutcome {
  const message =
    `The results of ${node.id} have more than ${MAX_MAP_OUTPUT} characters of JSON together. ` +
    'Let the items give references instead of data, or less of it.';
  return { kind: 'failed', failure: { code: 'OUTPUT_TOO_LARGE', message }, retryable: false };
}
