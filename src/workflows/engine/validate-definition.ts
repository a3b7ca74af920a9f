import type { Problem } from '../../platform/errors/domain-error.js';
import {
  MAX_DEFINITION_BYTES,
  MAX_DEFINITION_DEPTH,
  MAX_EDGES,
  MAX_NODES,
  type WorkflowDefinition,
} from './definition.js';
import { inDocumentOrder, isDeeperThan } from './document-order.js';
import { expressionContext, itemContext } from './expression.js';
import type { ExpressionContext } from './expressions/syntax-place.js';
import { pointerTo } from './json-pointer.js';
import { isObject, type ReadNode, readEdges, readNodes } from './read-definition.js';
import { checkpointProblems } from './validate-checkpoints.js';
import { expressionProblems } from './validate-expressions.js';
import { graphProblems } from './validate-graph.js';
import { patternProblems } from './validate-patterns.js';

export type Validation = { ok: true; definition: WorkflowDefinition } | { ok: false; problems: Problem[] };

/** A definition of a megabyte has room for 200,000 problems; nobody reads them, and the answer would be 30 MB. */
export const MAX_PROBLEMS = 1_000;

/**
 * All problems of a definition at once (the first 1,000), in the order of the document. A valid one is the value itself, nothing
 * rewritten: defaults are applied by `compileGraph`. Any value may be given.
 */
export function validateDefinition(value: unknown): Validation {
  const problems = sizeProblems(value) ?? definitionProblems(value, '', expressionContext());
  if (problems.length > 0) return { ok: false, problems: inDocumentOrder(value, problems).slice(0, MAX_PROBLEMS) };
  return { ok: true, definition: value as WorkflowDefinition };
}

interface Outline {
  readonly nodes: readonly unknown[];
  readonly edges: readonly unknown[];
}

/** Also of the definitions that stand inside of `map` nodes, at `base`. */
function definitionProblems(value: unknown, base: string, context: ExpressionContext): Problem[] {
  const outline = outlineProblems(value, base);
  if (outline.length > 0) return outline;
  const nodes = readNodes((value as Outline).nodes, base);
  const edges = readEdges((value as Outline).edges, base);
  return [
    ...nodes.flatMap(({ problems }) => problems),
    ...edges.flatMap(({ problems }) => problems),
    ...graphProblems(nodes, edges, base),
    ...patternProblems(nodes, edges),
    ...checkpointProblems(nodes, edges),
    ...expressionProblems(nodes, edges, context),
    ...nodes.flatMap((node) => bodyProblems(node, context)),
  ];
}

function bodyProblems({ type, rawData, pointer }: ReadNode, context: ExpressionContext): Problem[] {
  const { definition } = rawData;
  if (type !== 'map' || definition === undefined) return [];
  return definitionProblems(definition, pointerTo(pointer, 'data', 'definition'), itemContext(context));
}

/** What makes it dangerous to look further. */
function sizeProblems(value: unknown): Problem[] | undefined {
  const tooLarge = isObject(value) ? sizeProblem(value) : undefined;
  return tooLarge && [tooLarge];
}

/** What makes it pointless to look further. */
function outlineProblems(value: unknown, base: string): Problem[] {
  if (!isObject(value)) {
    return [outline(base, 'DEFINITION_NOT_OBJECT', 'A definition is an object with the lists "nodes" and "edges".')];
  }
  return [...listProblems(value, 'nodes', MAX_NODES, base), ...listProblems(value, 'edges', MAX_EDGES, base)];
}

function sizeProblem(value: object): Problem | undefined {
  if (isDeeperThan(value, MAX_DEFINITION_DEPTH)) {
    return outline('', 'DEFINITION_TOO_DEEP', `Nest lists and objects at most ${MAX_DEFINITION_DEPTH} levels deep.`);
  }
  const bytes = jsonBytes(value);
  if (bytes === undefined) return outline('', 'DEFINITION_NOT_JSON', 'Use values that JSON can hold.');
  if (bytes <= MAX_DEFINITION_BYTES) return undefined;
  const message = `A definition may have up to ${MAX_DEFINITION_BYTES} bytes, this one has ${bytes}; split it in two.`;
  return outline('', 'DEFINITION_TOO_LARGE', message);
}

function jsonBytes(value: object): number | undefined {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch {
    return undefined;
  }
}

function listProblems(
  value: Readonly<Record<string, unknown>>,
  name: 'nodes' | 'edges',
  max: number,
  base: string,
): Problem[] {
  const list = value[name];
  const pointer = pointerTo(base, name);
  const prefix = name.toUpperCase();
  if (!Array.isArray(list)) {
    const where = list === undefined ? base : pointer;
    return [outline(where, `${prefix}_MISSING`, `Give "${name}" as a list, even if it is empty.`)];
  }
  if (list.length > max) {
    const message = `There may be ${max} ${name}, these are ${list.length}; split the workflow in two.`;
    return [outline(pointer, `TOO_MANY_${prefix}`, message)];
  }
  if (name === 'nodes' && list.length === 0) {
    return [outline(pointer, 'NODES_EMPTY', 'A workflow needs at least one node; add one.')];
  }
  return [];
}

const outline = (pointer: string, code: string, message: string): Problem => ({ pointer, code, message });
