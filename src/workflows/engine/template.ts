import {
  attemptEvaluation,
  compileExpression,
  expressionContext,
  type Evaluated,
  type Expression,
  type ExpressionNames,
} from './expression.js';
import type { ExpressionContext } from './expressions/syntax-place.js';
import { findHoles, type TextPart } from './expressions/template-holes.js';
import { valueToJson } from './expressions/value-to-json.js';
import { WorkBudget } from './expressions/work-budget.js';
import { pointerTo } from './json-pointer.js';
import type { JsonObject, JsonValue } from './json-value.js';

/**
 * A JSON value whose strings may hold expressions: `"{{ input.total }}"` keeps the type of the value, `"Dear {{
 * input.name }},"` becomes text, in which strings stand as they are and other values as JSON. Keys of objects are
 * taken as they are written. A literal `{{` is written `{{ "{{" }}`.
 */
export interface Template {
  readonly stepReferences: readonly TemplateReference[];
  /** Whether it holds no expression at all, so that its value is known beforehand. */
  readonly isConstant: boolean;
  readonly root: TemplateNode;
}

/** A mention of a step; the pointer leads from the template to the string, the position into that string. */
export interface TemplateReference {
  readonly stepId: string;
  readonly pointer: string;
  readonly position: number;
}

export interface TemplateProblem {
  readonly code: 'EXPRESSION_INVALID' | 'UNKNOWN_NAME' | 'TEMPLATE_UNBALANCED';
  readonly message: string;
  /** RFC 6901, from the template to the string that is wrong; '' for the template itself. */
  readonly pointer: string;
  /** UTF-16 code units from the start of that string. */
  readonly position: number;
}

export type CompiledTemplate =
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly problems: readonly TemplateProblem[] };

type TemplateNode =
  | { readonly kind: 'constant'; readonly value: JsonValue }
  | { readonly kind: 'expression'; readonly expression: Expression }
  | { readonly kind: 'text'; readonly parts: readonly (string | Expression)[] }
  | { readonly kind: 'list'; readonly items: readonly TemplateNode[] }
  | { readonly kind: 'object'; readonly entries: readonly (readonly [string, TemplateNode])[] };

interface Compilation {
  readonly context: ExpressionContext;
  readonly problems: TemplateProblem[];
  readonly stepReferences: TemplateReference[];
}

/** Of one template; finding 200,000 of them took 3 s. */
export const MAX_TEMPLATE_PROBLEMS = 100;

/** Finds all problems at once, up to a hundred. The value must be JSON nested less than a few hundred levels deep. */
export function compileTemplate(value: unknown, context = expressionContext()): CompiledTemplate {
  const compilation: Compilation = { context, problems: [], stepReferences: [] };
  const root = compileValue(value as JsonValue, '', compilation);
  if (compilation.problems.length > 0) return { ok: false, problems: compilation.problems };
  const { stepReferences } = compilation;
  return { ok: true, template: { root, stepReferences, isConstant: root.kind === 'constant' } };
}

/**
 * All expressions of a template share one budget of work and of result size.
 * The answer depends on the arguments alone; values of the names may be part of it, so neither may be changed later.
 */
export function evaluateTemplate(
  template: Template,
  names: ExpressionNames,
  budget = new WorkBudget(),
): Evaluated<JsonValue> {
  const evaluation: Evaluation = { names, budget, current: { source: '' } };
  return attemptEvaluation(
    {
      get source() {
        return evaluation.current.source;
      },
    },
    () => evaluateNode(template.root, evaluation),
  );
}

interface Evaluation {
  readonly names: ExpressionNames;
  readonly budget: WorkBudget;
  /** The expression that runs, for the failure to name it. */
  current: { readonly source: string };
}

function compileValue(value: JsonValue, pointer: string, compilation: Compilation): TemplateNode {
  if (typeof value === 'string') return compileText(value, pointer, compilation);
  if (typeof value !== 'object' || value === null) return { kind: 'constant', value };
  if (Array.isArray(value)) {
    const items = value.map((item: JsonValue, i) => compileValue(item, pointerTo(pointer, i), compilation));
    return items.every(isConstant) ? { kind: 'constant', value } : { kind: 'list', items };
  }
  const entries = Object.entries(value as JsonObject).map(
    ([key, item]) => [key, compileValue(item, pointerTo(pointer, key), compilation)] as const,
  );
  return entries.every(([, item]) => isConstant(item)) ? { kind: 'constant', value } : { kind: 'object', entries };
}

const isConstant = (node: TemplateNode) => node.kind === 'constant';

function compileText(text: string, pointer: string, compilation: Compilation): TemplateNode {
  const found = findHoles(text);
  if (!found.ok) {
    compilation.problems.push({
      code: 'TEMPLATE_UNBALANCED',
      message: found.message,
      pointer,
      position: found.position,
    });
    return { kind: 'constant', value: text };
  }
  const parts = found.parts.map((part) => compilePart(part, pointer, compilation));
  const [first] = parts;
  if (parts.length === 1 && typeof first === 'object') return { kind: 'expression', expression: first };
  return parts.some((part) => typeof part === 'object') ? { kind: 'text', parts } : { kind: 'constant', value: text };
}

function compilePart(part: TextPart, pointer: string, compilation: Compilation): string | Expression {
  if (part.kind === 'text') return part.text;
  if (compilation.problems.length >= MAX_TEMPLATE_PROBLEMS) return '';
  const compiled = compileExpression(part.source, compilation.context);
  if (!compiled.ok) {
    const { code, message, position } = compiled.problem;
    const where = part.source.trim() === '' ? 'in {{ }}' : `in {{${part.source.slice(0, 200)}}}`;
    compilation.problems.push({ code, message: `${message} (${where})`, pointer, position: part.start + position });
    return '';
  }
  for (const { stepId, position } of compiled.expression.stepReferences) {
    compilation.stepReferences.push({ stepId, pointer, position: part.start + position });
  }
  return compiled.expression;
}

function evaluateNode(node: TemplateNode, evaluation: Evaluation): JsonValue {
  switch (node.kind) {
    case 'constant':
      return node.value;
    case 'expression':
      return evaluateHole(node.expression, evaluation);
    case 'text':
      return evaluateText(node.parts, evaluation);
    case 'list':
      return node.items.map((item) => evaluateNode(item, evaluation));
    default:
      return Object.fromEntries(node.entries.map(([key, item]) => [key, evaluateNode(item, evaluation)]));
  }
}

function evaluateHole(expression: Expression, evaluation: Evaluation): JsonValue {
  evaluation.current = expression;
  return valueToJson(expression.evaluate(evaluation.names, evaluation.budget), evaluation.budget);
}

function evaluateText(parts: readonly (string | Expression)[], evaluation: Evaluation): string {
  return parts
    .map((part) => {
      if (typeof part === 'string') return part;
      const value = evaluateHole(part, evaluation);
      return typeof value === 'string' ? value : JSON.stringify(value);
    })
    .join('');
}
