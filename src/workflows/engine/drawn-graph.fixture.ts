import {
  advance,
  leaveNode,
  markingOf,
  withStep,
  type Marking,
  type StepSoFar,
  type Token,
} from './advance-execution.js';
import type { WorkflowDefinition } from './definition.js';
import { compileGraph, type Graph } from './graph.js';
import { validateDefinition } from './validate-definition.js';

interface DrawnNode {
  type?: 'transform' | 'checkpoint' | 'branch' | 'end';
  max_iterations?: number;
}

/**
 * A graph from a line such as `a>b b:approved>c b:rejected>a`: edges, with the handle where it is not the default.
 * Edges are named `a>b`. Nodes stand in the order of their first mention and are transforms unless said otherwise;
 * those whose edges name handles are checkpoints (approved, rejected) or else branches.
 */
export function drawGraph(edges: string, nodes: Record<string, DrawnNode> = {}): Graph {
  const definition = drawDefinition(edges, nodes);
  const validation = validateDefinition(definition);
  if (!validation.ok) throw new Error(JSON.stringify(validation.problems));
  return compileGraph(definition);
}

export function drawDefinition(edges: string, nodes: Record<string, DrawnNode> = {}): WorkflowDefinition {
  const arrows = edges.split(' ').map((edge) => {
    const [from = '', target = ''] = edge.split('>');
    const [source = '', sourceHandle = null] = from.split(':');
    return { id: edge, source, sourceHandle, target };
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
  const isCheckpoint = handles.some((handle) => handle === 'approved' || handle === 'rejected');
  switch (type ?? (isCheckpoint ? 'checkpoint' : handles.length > 0 ? 'branch' : 'transform')) {
    case 'checkpoint':
      return { id, type: 'checkpoint', data: { title: 'Look', content: 1, ...data } };
    case 'branch':
      return { id, type: 'branch', data: { cases: casesOf(handles), ...data } };
    case 'end':
      return { id, type: 'end', data };
    default:
      return { id, type: 'transform', data: { output: 1, ...data } };
  }
}

const casesOf = (handles: string[]) =>
  [...new Set(['yes', ...handles])].filter((handle) => handle !== 'else').map((handle) => ({ handle, when: 'true' }));

/** Plays an execution by hand: every start begins at once, and ends when the test says so. */
export class PlayedExecution {
  readonly steps: StepSoFar[];
  marking: Marking;

  constructor(
    readonly graph: Graph,
    steps: readonly StepSoFar[] = [],
  ) {
    this.steps = [...steps];
    this.marking = markingOf(graph, steps);
  }

  /** Starts what can start and names it: `d#1 <b>d c>d`. */
  go(): string[] {
    const { starts } = advance(this.graph, this.marking);
    for (const { node_id, iteration, consumed } of starts) {
      this.record({ node_id, iteration, status: 'running', consumed, fired: [] });
    }
    return starts.map(({ node_id, iteration, consumed }) => `${node_id}#${iteration}${arrivals(consumed)}`);
  }

  /** Ends the oldest running step of a node, leaving by a handle, and starts what follows. */
  complete(node: string, handle: string | null = null): string[] {
    const step = this.running.find(({ node_id }) => node_id === node);
    if (!step) throw new Error(`${node} does not run`);
    this.finish(step, handle);
    return this.go();
  }

  /** Ends a step, leaving by a handle. */
  finish(step: StepSoFar, handle: string | null): void {
    const leaving = leaveNode(this.graph, step.node_id, handle, { input: null, steps: {}, execution: {} });
    if (!leaving.ok) throw new Error(leaving.error.message);
    this.record({ ...step, status: 'completed', fired: leaving.fired });
  }

  get ended(): boolean {
    return advance(this.graph, this.marking).ended;
  }

  get running(): StepSoFar[] {
    return this.steps.filter(({ status }) => status === 'running');
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

/** Handles by which a step of the node can end in these tests. */
export function handlesToTry(graph: Graph, nodeId: string): readonly (string | null)[] {
  const node = graph.nodes.get(nodeId);
  if (!node || node.outgoing.size === 0) return [null];
  return [...node.outgoing.keys()].filter((handle) => handle !== 'yes' || node.outgoing.get('yes')?.length);
}
