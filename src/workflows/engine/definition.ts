import { z } from 'zod';

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
/** A year; longer waits belong to a schedule. */
export const MAX_DELAY_SECONDS = 31_536_000;

/** Written in a definition, it means the one way out of a node that has only one. */
export const DEFAULT_HANDLE = 'default';

const label = z.string().max(255).optional();
const text = (max: number) => z.string().min(1).max(max);
const required = z.unknown().refine((value) => value !== undefined, { error: 'is required' });

export const retrySchema = z.strictObject({
  /** Counts the first run. */
  max_attempts: z.int().min(1).max(20).default(1),
  backoff: z.enum(['fixed', 'exponential']).default('exponential'),
  initial_seconds: z.number().min(0).max(3_600).default(1),
  max_seconds: z.number().min(0).max(86_400).default(300),
  jitter: z.boolean().default(true),
});
export type RetryPolicy = z.output<typeof retrySchema>;

/** Every node may have these in its `data`. */
const common = {
  label,
  retry: retrySchema.prefault({}),
  max_iterations: z.int().min(1).max(10_000).default(100),
  join: z.literal('all').default('all'),
};

const codeData = z.strictObject({
  ...common,
  code: text(50_000),
  input: z.unknown().optional(),
  timeout_seconds: z.number().min(1).max(300).default(30),
  max_memory_mb: z.int().min(64).max(2_048).default(512),
});

const checkpointData = z.strictObject({
  ...common,
  title: text(500),
  instructions: z.string().max(10_000).optional(),
  content: required,
  schema: z.union([z.record(z.string(), z.unknown()), z.boolean()]).optional(),
  editable: z.boolean().default(true),
  not_requester: z.boolean().default(false),
});

const handleName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -');

const branchData = z.strictObject({
  ...common,
  cases: z
    .array(
      z.strictObject({
        handle: handleName.refine((handle) => handle !== 'else', { error: 'cannot be "else": that one always exists' }),
        when: text(4_096),
        label,
      }),
    )
    .min(1)
    .max(50),
});

const delayData = z
  .strictObject({
    ...common,
    for_seconds: z.union([z.number().min(0).max(MAX_DELAY_SECONDS), text(5_000)]).optional(),
    until: text(5_000).optional(),
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
  checkpoint: rules({
    data: checkpointData,
    templates: ['title', 'instructions', 'content'],
    handles: ['approved', 'rejected'],
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
    data: z.strictObject({ ...common, output: required }),
    templates: ['output'],
    ...oneWayOut,
  }),
  delay: rules({ data: delayData, templates: ['for_seconds', 'until'], ...oneWayOut }),
  end: rules({
    data: z.strictObject({ ...common, output: z.unknown().optional() }),
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
  if (!addedHandles) return handles;
  return data && [...addedHandles(data), ...handles];
}

/** The way out that an edge of the definition leaves by; null if it has to name one and does not. */
export function sourceHandleOf(type: NodeType, edge: Pick<DefinitionEdge, 'sourceHandle'>): string | null {
  return edge.sourceHandle || nodeTypes[type].defaultHandle;
}

export const nodeSchema = z.looseObject({
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -'),
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
