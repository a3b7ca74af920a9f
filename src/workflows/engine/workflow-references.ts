import type { WorkflowDefinition } from './definition.js';
import { pointerTo } from './json-pointer.js';

export interface WorkflowReference {
  /** To the id in the definition. */
  pointer: string;
  workflow_id: string;
  version: number | undefined;
}

/** The other workflows that a valid definition starts, those of definitions inside of `map` nodes included. */
export function workflowReferences({ nodes }: WorkflowDefinition, base = ''): WorkflowReference[] {
  return nodes.flatMap((node, i) => {
    const at = pointerTo(base, 'nodes', i, 'data');
    if (node.type !== 'map' && node.type !== 'workflow') return [];
    const { workflow_id, version } = node.data;
    if (workflow_id !== undefined) return [{ pointer: pointerTo(at, 'workflow_id'), workflow_id, version }];
    const inside = node.type === 'map' ? node.data.definition : undefined;
    return inside ? workflowReferences(inside as unknown as WorkflowDefinition, pointerTo(at, 'definition')) : [];
  });
}
