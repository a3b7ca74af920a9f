import type { Problem } from '../../platform/errors/domain-error.js';
import { compileJsonSchema } from '../../platform/json-schema/compile-json-schema.js';
import { nodeTypes } from './definition.js';
import { compileExpression } from './expression.js';
import type { ExpressionContext } from './expressions/syntax-place.js';
import { pointerTo } from './json-pointer.js';
import { isObject, type ReadEdge, type ReadNode } from './read-definition.js';
import { compileTemplate, MAX_TEMPLATE_PROBLEMS } from './template.js';
import { momentProblems } from './validate-moments.js';

/** What is wrong inside of fields: templates, conditions, JSON Schemas, times, and the steps they mention. */
export function expressionProblems(
  nodes: readonly ReadNode[],
  edges: readonly ReadEdge[],
  context: ExpressionContext,
): Problem[] {
  const stepIds = new Set(nodes.map(({ id }) => id).filter((id) => id !== undefined));
  const known: Known = { stepIds, context };
  return [
    ...nodes.flatMap((node) => nodeProblems(node, known)),
    ...edges.flatMap(({ when, pointer }) => conditionProblems(when, pointerTo(pointer, 'data', 'when'), known)),
  ];
}

interface Known {
  readonly stepIds: ReadonlySet<string>;
  readonly context: ExpressionContext;
}

function nodeProblems(node: ReadNode, known: Known): Problem[] {
  if (!node.type) return [];
  const fields = nodeTypes[node.type].templates.flatMap((field) =>
    templateProblems(node.rawData[field], pointerTo(node.pointer, 'data', field), known),
  );
  return [...fields, ...caseProblems(node, known), ...schemaProblems(node), ...momentProblems(node)];
}

function templateProblems(value: unknown, pointer: string, known: Known): Problem[] {
  if (value === undefined) return [];
  const compiled = compileTemplate(value, known.context);
  if (!compiled.ok) {
    return compiled.problems.map(({ code, message, pointer: inside }) => ({
      pointer: pointer + inside,
      code,
      message,
    }));
  }
  return compiled.template.stepReferences
    .filter(({ stepId }) => !known.stepIds.has(stepId))
    .slice(0, MAX_TEMPLATE_PROBLEMS)
    .map(({ stepId, pointer: inside }) => unknownStep(stepId, pointer + inside, known));
}

function conditionProblems(source: unknown, pointer: string, known: Known): Problem[] {
  if (typeof source !== 'string' || source === '') return [];
  const compiled = compileExpression(source, known.context);
  if (!compiled.ok) {
    const { code, message } = compiled.problem;
    return [{ pointer, code, message }];
  }
  return compiled.expression.stepReferences
    .filter(({ stepId }) => !known.stepIds.has(stepId))
    .map(({ stepId }) => unknownStep(stepId, pointer, known));
}

function unknownStep(stepId: string, pointer: string, { stepIds }: Known): Problem {
  const dashed = [...stepIds].find((id) => id.startsWith(`${stepId}-`));
  const advice = dashed
    ? `write steps[${JSON.stringify(dashed)}], as a - would subtract`
    : `the nodes are ${some(stepIds)}`;
  const message = `There is no node ${JSON.stringify(stepId.slice(0, 64))} for steps to read; ${advice}.`;
  return { pointer, code: 'UNKNOWN_STEP', message };
}

const some = (ids: ReadonlySet<string>) => [...ids].slice(0, 10).join(', ') + (ids.size > 10 ? ', …' : '');

function caseProblems({ type, rawData, pointer }: ReadNode, known: Known): Problem[] {
  const { cases } = rawData;
  if (type !== 'branch' || !Array.isArray(cases)) return [];
  const given: readonly unknown[] = cases;
  const handles = given.map((branchCase) => (isObject(branchCase) ? branchCase['handle'] : undefined));
  return given.flatMap((branchCase, i) => {
    const at = pointerTo(pointer, 'data', 'cases', i);
    const when = isObject(branchCase) ? branchCase['when'] : undefined;
    const twice = handles[i] !== undefined && handles.indexOf(handles[i]) < i;
    return [...(twice ? [duplicateHandle(at)] : []), ...conditionProblems(when, pointerTo(at, 'when'), known)];
  });
}

function duplicateHandle(pointer: string): Problem {
  const message = 'An earlier case has this handle; give each case its own.';
  return { pointer: pointerTo(pointer, 'handle'), code: 'HANDLE_DUPLICATE', message };
}

function schemaProblems({ type, rawData, pointer }: ReadNode): Problem[] {
  if (type !== 'checkpoint' || rawData['schema'] === undefined) return [];
  const compiled = compileJsonSchema(rawData['schema']);
  if (compiled.ok) return [];
  const at = pointerTo(pointer, 'data', 'schema');
  return compiled.problems.map((problem) => ({ ...problem, pointer: at + problem.pointer }));
}
