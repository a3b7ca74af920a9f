import type { z } from 'zod';
import type { Problem } from '../../platform/errors/domain-error.js';
import { edgeSchema, isNodeType, nodeSchema, nodeTypes, type NodeData, type NodeType } from './definition.js';
import { pointerTo } from './json-pointer.js';

/** A node as far as it could be read: what is wrong is undefined, so that the rest can still be checked. */
export interface ReadNode {
  readonly pointer: string;
  readonly id: string | undefined;
  readonly type: NodeType | undefined;
  /** With defaults; undefined if any of it is wrong. */
  readonly data: NodeData | undefined;
  readonly rawData: Readonly<Record<string, unknown>>;
}

export interface ReadEdge {
  readonly pointer: string;
  readonly id: string | undefined;
  readonly source: string | undefined;
  readonly target: string | undefined;
  readonly sourceHandle: string | undefined;
  readonly when: string | undefined;
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Adds to `problems` what the schemas find. */
export function readNodes(nodes: readonly unknown[], problems: Problem[]): ReadNode[] {
  return nodes.map((value, i) => readNode(value, pointerTo('/nodes', i), problems));
}

/** Adds to `problems` what the schema finds. */
export function readEdges(edges: readonly unknown[], problems: Problem[]): ReadEdge[] {
  return edges.map((value, i) => {
    const pointer = pointerTo('/edges', i);
    problems.push(...schemaProblems(edgeSchema, value, pointer));
    const raw = isObject(value) ? value : {};
    const data = isObject(raw['data']) ? raw['data'] : {};
    return {
      pointer,
      id: textOf(raw['id']),
      source: textOf(raw['source']),
      target: textOf(raw['target']),
      sourceHandle: textOf(raw['sourceHandle']),
      when: textOf(data['when']),
    };
  });
}

function readNode(value: unknown, pointer: string, problems: Problem[]): ReadNode {
  problems.push(...schemaProblems(nodeSchema, value, pointer));
  const raw = isObject(value) ? value : {};
  const type = isNodeType(raw['type']) ? raw['type'] : undefined;
  if (typeof raw['type'] === 'string' && !type) problems.push(unknownType(raw['type'], pointer));
  const rawData = isObject(raw['data']) ? raw['data'] : {};
  const data = type && readData(type, raw['data'], pointerTo(pointer, 'data'), problems);
  return { pointer, id: textOf(raw['id']), type, data, rawData };
}

function readData(type: NodeType, value: unknown, pointer: string, problems: Problem[]): NodeData | undefined {
  const found = schemaProblems(nodeTypes[type].data, value, pointer);
  problems.push(...found);
  return found.length === 0 ? nodeTypes[type].data.parse(value) : undefined;
}

function unknownType(type: string, pointer: string): Problem {
  const known = Object.keys(nodeTypes).join(', ');
  const message = `There is no node type ${JSON.stringify(type.slice(0, 64))}; use one of ${known}.`;
  return { pointer: pointerTo(pointer, 'type'), code: 'NODE_TYPE_UNKNOWN', message };
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);

function schemaProblems(schema: z.ZodType, value: unknown, pointer: string): Problem[] {
  const { error } = schema.safeParse(value);
  return error ? error.issues.flatMap((issue) => issueProblems(issue, value, pointer)) : [];
}

function issueProblems(issue: z.core.$ZodIssue, value: unknown, parent: string): Problem[] {
  const pointer = pointerTo(parent, ...issue.path.map(String));
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownField(key, pointer));
  const field = String(issue.path.at(-1) ?? pointer.split('/').at(-1));
  if (memberAt(value, issue.path) === undefined) {
    return [{ pointer, code: 'REQUIRED', message: `"${field}" is required; add it.` }];
  }
  return [
    { pointer, code: problemCodes[issue.code] ?? 'INVALID_VALUE', message: `"${field}": ${sentence(issue.message)}` },
  ];
}

const problemCodes: Partial<Record<z.core.$ZodIssue['code'], string>> = {
  invalid_type: 'WRONG_TYPE',
  invalid_union: 'WRONG_TYPE',
  too_big: 'OUT_OF_RANGE',
  too_small: 'OUT_OF_RANGE',
  invalid_format: 'INVALID_FORMAT',
};

function unknownField(key: string, pointer: string): Problem {
  const message = `"${key.slice(0, 64)}" is no field here; check its spelling or remove it.`;
  return { pointer: pointerTo(pointer, key), code: 'UNKNOWN_FIELD', message };
}

function memberAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (parent, key) =>
      typeof parent === 'object' && parent !== null ? (parent as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}

const sentence = (message: string) => (message.endsWith('.') ? message : `${message}.`);
