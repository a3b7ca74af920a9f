import { z } from 'zod';
import { checkpointFields, checkpointTemplates, offeredActions } from './checkpoint-fields.js';
import { label, MAX_DELAY_SECONDS, nodeId, required, secretName, text } from './definition-fields.js';

/**
 * A workflow as people draw and store it: a React Flow graph. What React Flow adds to nodes and edges (`width`,
 * `measured`, `selected`, `style`, …) is kept and means nothing here; `data` of a node is ours and strict.
 */
export interface WorkflowDefinition {
  readonly nodes: readonly DefinitionNode[];
  readonly edges: readonly DefinitionEdge[];
}

export type DefinitionNode = { [T in NodeType]: NodeOf<T> }[NodeType];

interface NodeOf<T extends NodeType> {
  readonly id: string;
  readonly type: T;
  readonly position?: { readonly x: number; readonly y: number };
  readonly data: z.input<(typeof nodeTypes)[T]['data']>;
  readonly [key: string]: unknown;
}

export interface DefinitionEdge {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly sourceHandle?: string | null;
  readonly targetHandle?: string | null;
  readonly data?: { readonly when?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

export const MAX_NODES = 500;
export const MAX_EDGES = 2_000;
/** Of the JSON text of a definition, in UTF-8. */
export const MAX_DEFINITION_BYTES = 1_048_576;
/** How deep lists and objects of a definition may lie in each other. */
export const MAX_DEFINITION_DEPTH = 48;
/** Of a `map`. */
export const MAX_ITEMS = 10_000;

/** Written in a definition, it means the one way out of a node that has only one. */
export const DEFAULT_HANDLE = 'default';

/** The way out of a node that failed, where `on_error` is `route`. */
export const ERROR_HANDLE = 'error';

export const retrySchema = z.strictObject({
  /** Counts the first run. */
  max_attempts: z.int().min(1).max(20).default(1),
  backoff: z.enum(['fixed', 'linear', 'exponential']).default('exponential'),
  initial_seconds: z.number().min(0).max(3_600).default(1),
  max_seconds: z.number().min(0).max(86_400).default(300),
  jitter: z.boolean().default(true),
  /** Codes of the failures that are worth another try; all that may pass by themselves if left out. */
  on: z.array(text(100)).min(1).max(20).optional(),
});
export type RetryPolicy = z.output<typeof retrySchema>;

/**
 * When a node with several incoming edges starts: when everything that can still arrive has (`all`), at the first
 * arrival (`any`), at the k-th (`count`), or once for each (`each`).
 */
const joinSchema = z.union([z.enum(['all', 'any', 'each']), z.strictObject({ count: z.int().min(1).max(MAX_EDGES) })], {
  error: 'must be all, any, each or {"count": number}',
});
export type Join = z.output<typeof joinSchema>;

/** What another node has to be for this one to start. */
const requirement = z.strictObject({ node: nodeId, is: z.enum(['not_started', 'active', 'completed']) });
export type Requirement = z.output<typeof requirement>;

/** Every node may have these in its `data`. */
const common = {
  label,
  retry: retrySchema.prefault({}),
  max_iterations: z.int().min(1).max(10_000).default(100),
  join: joinSchema.default('all'),
  /** With `any` and `count`: what could still arrive is cancelled. */
  cancel_rest: z.boolean().default(false),
  /** Nodes whose work ends when this one starts. */
  cancels: z.array(nodeId).max(MAX_NODES).default([]),
  requires: z.array(requirement).max(20).default([]),
  /** Of the nodes of an execution with the same key only one runs at a time. */
  concurrency_key: text(100).optional(),
};

const compensate = nodeId.optional();
const race = text(100).optional();
const timeout = z.number().min(0.05).max(MAX_DELAY_SECONDS).optional();

/** What takes its time or may fail. */
const working = {
  ...common,
  on_error: z.enum(['fail', 'continue', 'route']).default('fail'),
  compensate,
  race,
};

const codeData = z.strictObject({
  ...working,
  language: z.enum(['python', 'javascript']).default('python'),
  code: text(50_000),
  input: z.unknown().optional(),
  timeout_seconds: z.number().min(1).max(300).default(30),
  max_memory_mb: z.int().min(64).max(2_048).default(512),
  /** Names; whether there are such secrets is seen when it runs. */
  secrets: z
    .array(secretName)
    .max(20)
    .refine((names) => new Set(names).size === names.length, { error: 'must name each secret once' })
    .default([]),
});

const httpData = z.strictObject({
  ...working,
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']).default('GET'),
  url: text(8_192),
  headers: z.record(text(100), z.string().max(8_192)).optional(),
  body: z.unknown().optional(),
  timeout_seconds: z.number().min(0.05).max(300).default(30),
  /** The statuses that count as done; 200 to 299 if left out. */
  success_statuses: z.array(z.int().min(100).max(599)).min(1).max(50).optional(),
});

const waitData = z.strictObject({
  ...working,
  signal: text(1_000),
  correlation_key: text(1_000).optional(),
  timeout_seconds: timeout,
});

const workflowReference = {
  workflow_id: z.uuid(),
  /** The one that is current when the step starts, if left out. */
  version: z.int().min(1).max(2_147_483_647).optional(),
};

const workflowData = z.strictObject({
  ...working,
  ...workflowReference,
  input: z.unknown().optional(),
  /** Whether the step ends with the child, or at once. */
  wait: z.boolean().default(true),
  timeout_seconds: timeout,
});

const mapData = z
  .strictObject({
    ...working,
    items: required,
    ...z.strictObject(workflowReference).partial().shape,
    /** The workflow that each item goes through, written here. */
    definition: z.looseObject({}).optional(),
    concurrency: z.int().min(1).max(1_000).default(10),
    on_item_error: z.enum(['fail', 'collect']).default('fail'),
    wait: z.boolean().default(true),
    timeout_seconds: timeout,
  })
  .refine(({ workflow_id, definition }) => (workflow_id === undefined) !== (definition === undefined), {
    error: 'must have either workflow_id or definition',
  });

const checkpointData = z.strictObject({
  ...common,
  on_error: z.enum(['fail', 'route']).default('fail'),
  compensate,
  race,
  timeout_seconds: timeout,
  ...checkpointFields,
});

const RESERVED = ['else', ERROR_HANDLE];

const branchData = z.strictObject({
  ...working,
  cases: z
    .array(
      z.strictObject({
        handle: nodeId.refine((handle) => !RESERVED.includes(handle), {
          error: 'cannot be "else" or "error": those have a meaning of their own',
        }),
        when: text(4_096),
        label,
      }),
    )
    .min(1)
    .max(50),
});

const delayData = z
  .strictObject({
    ...working,
    for_seconds: z.union([z.number().min(0).max(MAX_DELAY_SECONDS), text(5_000)]).optional(),
    until: text(5_000).optional(),
    /** IANA name, for an `until` that says no offset. */
    time_zone: text(100).optional(),
  })
  .refine(({ for_seconds, until }) => (for_seconds === undefined) !== (until === undefined), {
    error: 'must have either for_seconds or until',
  });

/** What the engine has to know of a type of node. `templates` are the fields of its data that hold expressions. */
interface NodeTypeRules<Schema extends z.ZodType> {
  readonly data: Schema;
  readonly templates: readonly string[];
  /** The ways out that every node of the type has. */
  readonly handles: readonly string[];
  /** The ways out that its data adds. */
  readonly addedHandles?: (data: z.output<Schema>) => readonly string[];
  /** Where an edge leaves that names no handle; null where it has to name one. */
  readonly defaultHandle: string | null;
}

const rules = <Schema extends z.ZodType>(given: NodeTypeRules<Schema>) => given;
const oneWayOut = { handles: [DEFAULT_HANDLE], defaultHandle: DEFAULT_HANDLE };
const noWayOut = { handles: [], defaultHandle: null };

export const nodeTypes = {
  code: rules({ data: codeData, templates: ['input'], ...oneWayOut }),
  http: rules({ data: httpData, templates: ['url', 'headers', 'body'], ...oneWayOut }),
  wait: rules({ data: waitData, templates: ['signal', 'correlation_key'], ...oneWayOut }),
  workflow: rules({ data: workflowData, templates: ['input'], ...oneWayOut }),
  map: rules({ data: mapData, templates: ['items'], ...oneWayOut }),
  checkpoint: rules({
    data: checkpointData,
    templates: checkpointTemplates,
    handles: [],
    addedHandles: (data) => offeredActions(data).map(({ handle }) => handle),
    defaultHandle: 'approved',
  }),
  branch: rules({
    data: branchData,
    templates: [],
    handles: ['else'],
    addedHandles: ({ cases }) => cases.map(({ handle }) => handle),
    defaultHandle: null,
  }),
  transform: rules({
    data: z.strictObject({ ...working, output: required }),
    templates: ['output'],
    ...oneWayOut,
  }),
  delay: rules({ data: delayData, templates: ['for_seconds', 'until', 'time_zone'], ...oneWayOut }),
  end: rules({
    data: z.strictObject({
      ...common,
      output: z.unknown().optional(),
      /** The execution ends with it, whatever else is still going on. */
      terminate: z.boolean().default(false),
    }),
    templates: ['output'],
    ...noWayOut,
  }),
  fail: rules({
    data: z.strictObject({ ...common, message: text(5_000), code: text(100).optional() }),
    templates: ['message', 'code'],
    ...noWayOut,
  }),
} as const;

export type NodeType = keyof typeof nodeTypes;
export type NodeData<T extends NodeType = NodeType> = z.output<(typeof nodeTypes)[T]['data']>;

export const isNodeType = (type: unknown): type is NodeType =>
  typeof type === 'string' && Object.hasOwn(nodeTypes, type);

/** The ways out of a node, those that its data adds first; undefined where they depend on data that is missing. */
export function handlesOf(type: NodeType, data: NodeData | undefined): readonly string[] | undefined {
  const { handles, addedHandles } = nodeTypes[type] as NodeTypeRules<z.ZodType<NodeData>>;
  if (handles.length === 0 && !addedHandles) return handles;
  if (!data) return addedHandles ? undefined : [...handles, ERROR_HANDLE];
  const error = 'on_error' in data && data.on_error === 'route' ? [ERROR_HANDLE] : [];
  return [...(addedHandles?.(data) ?? []), ...handles, ...error];
}

/** The way out that an edge of the definition leaves by; null if it has to name one and does not. */
export function sourceHandleOf(type: NodeType, edge: Pick<DefinitionEdge, 'sourceHandle'>): string | null {
  return edge.sourceHandle || nodeTypes[type].defaultHandle;
}

export const nodeSchema = z.looseObject({
  id: nodeId,
  type: z.string(),
  position: z.looseObject({ x: z.number(), y: z.number() }).optional(),
});

export const edgeSchema = z.looseObject({
  id: text(255),
  source: z.string(),
  target: z.string(),
  sourceHandle: z.string().nullish(),
  targetHandle: z.string().nullish(),
  data: z.looseObject({ when: text(4_096).optional() }).optional(),
});
