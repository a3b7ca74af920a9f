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
  /** What the schemas find. */
  readonly problems: readonly Problem[];
}

export interface ReadEdge {
  readonly pointer: string;
  readonly id: string | undefined;
  readonly source: string | undefined;
  readonly target: string | undefined;
  readonly sourceHandle: string | undefined;
  readonly when: string | undefined;
  /** What the schema finds. */
  readonly problems: readonly Problem[];
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param base pointer to the definition that they are part of; '' for the whole one */
export const readNodes = (nodes: readonly unknown[], base: string): ReadNode[] =>
  nodes.map((value, i) => readNode(value, pointerTo(base, 'nodes', i)));

export const readEdges = (edges: readonly unknown[], base: string): ReadEdge[] =>
  edges.map((value, i) => readEdge(value, pointerTo(base, 'edges', i)));

function readEdge(value: unknown, pointer: string): ReadEdge {
  const raw = isObject(value) ? value : {};
  const data = isObject(raw['data']) ? raw['data'] : {};
  return {
    pointer,
    id: textOf(raw['id']),
    source: textOf(raw['source']),
    target: textOf(raw['target']),
    sourceHandle: textOf(raw['sourceHandle']),
    when: textOf(data['when']),
    problems: schemaProblems(edgeSchema, value, pointer),
  };
}

function readNode(value: unknown, pointer: string): ReadNode {
  const raw = isObject(value) ? value : {};
  const type = isNodeType(raw['type']) ? raw['type'] : undefined;
  const dataProblems = type ? schemaProblems(nodeTypes[type].data, raw['data'], pointerTo(pointer, 'data')) : [];
  return {
    pointer,
    id: textOf(raw['id']),
    type,
    data: type && dataProblems.length === 0 ? nodeTypes[type].data.parse(raw['data']) : undefined,
    rawData: isObject(raw['data']) ? raw['data'] : {},
    problems: [
      ...schemaProblems(nodeSchema, value, pointer),
      ...(typeof raw['type'] === 'string' && !type ? [unknownType(raw['type'], pointer)] : []),
      ...dataProblems,
    ],
  };
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
