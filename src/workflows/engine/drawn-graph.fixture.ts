import { advance, errorHandle, leaveNode } from './advance-execution.js';
import { ERROR_HANDLE, type NodeType, type WorkflowDefinition } from './definition.js';
import { compileGraph, type Graph } from './graph.js';
import type { JsonValue } from './json-value.js';
import { markingOf, withStep, type Marking, type StepSoFar, type Token } from './marking.js';
import { validateDefinition } from './validate-definition.js';

/** What is said of a node beside its edges: its type and fields of its data. */
export interface DrawnNode {
  readonly type?: NodeType;
  readonly [field: string]: unknown;
}

/**
 * A graph from a line such as `a>b b:approved>c b:rejected>a`: edges, with the handle where it is not the default.
 * Edges are named `a>b`. Nodes stand in the order of their first mention and are transforms unless said otherwise;
 * those whose edges name handles are checkpoints (approved, rejected, changes_requested) or else branches.
 * @param whens conditions by edge
 */
export function drawGraph(
  edges: string,
  nodes: Record<string, DrawnNode> = {},
  whens: Record<string, string> = {},
): Graph {
  const definition = drawDefinition(edges, nodes, whens);
  const validation = validateDefinition(definition);
  if (!validation.ok) throw new Error(JSON.stringify(validation.problems));
  return compileGraph(definition);
}

export function drawDefinition(
  edges: string,
  nodes: Record<string, DrawnNode> = {},
  whens: Record<string, string> = {},
): WorkflowDefinition {
  const arrows = edges.split(' ').map((edge) => {
    const [from = '', target = ''] = edge.split('>');
    const [source = '', sourceHandle = null] = from.split(':');
    const when = whens[edge];
    return { id: edge, source, sourceHandle, target, ...(when !== undefined && { data: { when } }) };
  });
  const ids = [...new Set([...arrows.flatMap(({ source, target }) => [source, target]), ...Object.keys(nodes)])];
  return {
    nodes: ids
      .filter((id) => id !== '')
      .map((id) => {
        const handles = arrows.filter(({ source }) => source === id).map(({ sourceHandle }) => sourceHandle);
        return drawNode(
          id,
          handles.filter((handle) => handle !== null),
          nodes[id] ?? {},
        );
      }),
    edges: arrows.filter(({ target }) => target !== ''),
  } as WorkflowDefinition;
}

function drawNode(id: string, handles: string[], { type, ...data }: DrawnNode) {
  const choices = handles.filter((handle) => handle !== ERROR_HANDLE);
  const isCheckpoint = choices.some((handle) => CHECKPOINT_HANDLES.includes(handle));
  const drawn = type ?? (isCheckpoint ? 'checkpoint' : choices.length > 0 ? 'branch' : 'transform');
  const required = drawn === 'branch' ? { cases: casesOf(choices) } : requiredData[drawn];
  return { id, type: drawn, data: { ...required, ...data } };
}

const CHECKPOINT_HANDLES = ['approved', 'rejected', 'changes_requested'];

/** The least that a node of a type has to say. */
const requiredData: Readonly<Partial<Record<NodeType, object>>> = {
  transform: { output: 1 },
  checkpoint: { title: 'Look', content: 1 },
  code: { code: 'output = input' },
  wait: { signal: 'go' },
};

const casesOf = (handles: string[]) =>
  [...new Set(['yes', ...handles])].filter((handle) => handle !== 'else').map((handle) => ({ handle, when: 'true' }));

/** Plays an execution by hand: every start begins at once, and ends when the test says so. */
export class PlayedExecution {
  readonly steps: StepSoFar[];
  marking: Marking;

  constructor(
    readonly graph: Graph,
    steps: readonly StepSoFar[] = [],
    private readonly input: JsonValue = null,
  ) {
    this.steps = [...steps];
    this.marking = markingOf(graph, steps);
  }

  /** Starts what can start and cancels what is overtaken, and names both: `d#1 <b>d c>d`, `not c#1`. */
  go(): string[] {
    const { starts, cancels } = advance(this.graph, this.marking);
    for (const { node_id, iteration, consumed } of starts) {
      this.record({ node_id, iteration, status: 'running', consumed, fired: [] });
    }
    for (const { node_id, iteration } of cancels) this.cancelStep(this.step(node_id, iteration));
    return [
      ...starts.map(({ node_id, iteration, consumed }) => `${node_id}#${iteration}${arrivals(consumed)}`),
      ...cancels.map(({ node_id, iteration }) => `not ${node_id}#${iteration}`),
    ];
  }

  /** Ends the oldest running step of a node, leaving by a handle, and starts what follows. */
  complete(node: string, handle: string | null = null): string[] {
    this.finish(this.runningAt(node), handle);
    return this.go();
  }

  /** Lets the oldest running step of a node fail for good, and starts what follows where that is not the end. */
  fail(node: string): string[] {
    this.failStep(this.runningAt(node));
    return this.go();
  }

  /** Cancels the oldest running step of a node, as a person may, and starts what no longer waits for it. */
  cancel(node: string): string[] {
    this.cancelStep(this.runningAt(node));
    return this.go();
  }

  /** Ends a step, leaving by a handle. */
  finish(step: StepSoFar, handle: string | null): void {
    this.record({ ...step, status: 'completed', fired: this.leave(step, handle) });
  }

  failStep(step: StepSoFar): void {
    const way = errorHandle(this.graph, step.node_id);
    this.record({ ...step, status: 'failed', fired: way ? this.leave(step, way.handle) : [] });
  }

  cancelStep(step: StepSoFar): void {
    this.record({ ...step, status: 'cancelled', fired: [] });
  }

  get ended(): boolean {
    return advance(this.graph, this.marking).ended;
  }

  get failure(): string | undefined {
    return advance(this.graph, this.marking).failure?.code;
  }

  get running(): StepSoFar[] {
    return this.steps.filter(({ status }) => status === 'running');
  }

  private runningAt(node: string): StepSoFar {
    const step = this.running.find(({ node_id }) => node_id === node);
    if (!step) throw new Error(`${node} does not run`);
    return step;
  }

  private step(node: string, of: number): StepSoFar {
    return this.steps.find(({ node_id, iteration }) => node_id === node && iteration === of)!;
  }

  private leave({ node_id }: StepSoFar, handle: string | null): string[] {
    const leaving = leaveNode(this.graph, node_id, handle, { input: this.input, steps: {}, execution: {} });
    if (!leaving.ok) throw new Error(leaving.error.message);
    return leaving.fired;
  }

  private record(step: StepSoFar): void {
    const at = this.steps.findIndex(
      ({ node_id, iteration }) => node_id === step.node_id && iteration === step.iteration,
    );
    if (at === -1) this.steps.push(step);
    else this.steps[at] = step;
    this.marking = withStep(this.graph, this.marking, step);
  }
}

function arrivals(consumed: readonly Token[]): string {
  const edges = consumed.map(({ edge }) => edge).filter((edge) => edge !== null);
  return edges.length === 0 ? '' : ` <${edges.join(' ')}`;
}

/** Handles by which a step of the node can complete in these tests. */
export function handlesToTry(graph: Graph, nodeId: string): readonly (string | null)[] {
  const node = graph.nodes.get(nodeId);
  const handles = [...(node?.outgoing.keys() ?? [])].filter((handle) => handle !== ERROR_HANDLE);
  if (!node || handles.length === 0) return [null];
  return handles.filter((handle) => handle !== 'yes' || node.outgoing.get('yes')?.length);
}
